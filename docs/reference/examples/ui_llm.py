from dataclasses import dataclass

from treadle import LongText, workflow


@dataclass
class Mood:
    word: str
    urgent: bool


@workflow("Mood of a mail", message="Paste a mail; the model says how urgent it is.", needs=["model"])
async def mood(ui):
    mail = await ui.ask("Mail", LongText)
    found = await ui.llm("Judge", f"How urgent is this, and in what mood?\n\n{mail}", Mood)
    return await ui.llm("Reply", "Write two sentences to answer it.") if found.urgent else "later"


def test_the_test_says_what_the_model_answers(run):
    said = {"Judge": {"word": "angry", "urgent": True}, "Reply": "We are on it."}
    assert run(mood, answers={"Mail": "Where is my order"}, llm=said).result == "We are on it."
