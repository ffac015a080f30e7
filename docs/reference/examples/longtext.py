from treadle import LongText, workflow


@workflow("Lines", message="I count lines.")
async def lines(ui):
    text = await ui.ask("Text", LongText, draft="Write a haiku about tables.")
    return len(text.splitlines())


def test_lines_are_kept(run):
    assert run(lines, answers={"Text": "one\ntwo"}).result == 2
