from treadle import Markdown, workflow


@workflow("Notes", message="I show your notes.")
async def notes(ui):
    ui.show(await ui.ask("Notes", Markdown))


def test_it_is_shown_as_it_was_typed(run):
    assert run(notes, answers={"Notes": "**bold**"}).shown == ["**bold**"]
