"""Read a page with the model: its main text, and questions about it, kept as a run."""

from dataclasses import dataclass

from treadle import Ui, Url, plain, workflow

from ._fetch import reachable
from ._reading import beginning, page_text, question_prompt
from ._words import many

MOST_QUESTIONS = 20


@dataclass
class Page:
    """What is read."""

    address: Url
    private_networks: bool = False


@workflow("Read a page", message="Give me the address of a page; I take out its text, and the model answers questions.",
          about="Fetches a page, takes out its main text, and answers your questions about it with the local model. "
                "Questions and answers are kept.", icon="file-text", training="read_page.md",
          needs=["network", "model"], steps=["Page", "Fetch", "Question", "Answer"])
async def read_page(ui: Ui) -> None:
    asked = await ui.form("Page", Page, check=there, help="Private networks are this computer and those around it: "
                          "leave them out for the public web.")
    page = await ui.job("Fetch", page_text, asked.address, asked.private_networks, retries=1)
    part = " It is long: the model is given its beginning." if page["cut"] else ""
    ui.show(f"**{plain(page['title'])}**, {many(page['words'], 'word')}.{part}", beginning(page["text"]))
    answers = []
    for number in range(1, MOST_QUESTIONS + 1):
        question = await ui.ask("Question", str | None, key=number, max_length=1_000,
                                help="What do you want to know of this page? Left empty, that was the last.")
        if not question:
            break
        answer = await ui.llm("Answer", question_prompt(page["title"], page["text"], question), key=number)
        ui.show(answer)
        answers.append({"question": question, "answer": answer})
    if answers:
        ui.export("answers.md", **{each["question"]: each["answer"] for each in answers})
        ui.export("answers.csv", rows=answers)


def there(page: Page) -> Page:
    """Refuse a page of a host that is not there, or on a private network that is not allowed."""
    reachable(page.address, private=page.private_networks)
    return page
