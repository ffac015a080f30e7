"""Count the words of a text."""

from treadle import LongText, workflow


@workflow("Word count", message="Give me a text; I count its words.", about="Counts the words of a text.",
          training="The person counts words. Say how long such texts usually are.", steps=["Text"], version=1)
async def word_count(ui):
    text = await ui.ask("Text", LongText)
    return len(text.split())


def test_words_are_counted(run):
    assert run(word_count, answers={"Text": "one two three"}).result == 3
