from treadle import Table, workflow


@workflow("Clean up", message="I remove what you approve.")
async def clean_up(ui):
    words = sorted(set((await ui.ask("Words", str)).split()))
    found = Table([{"word": word} for word in words if len(word) < 3])
    if await ui.approve("Remove these", ("Too short:", found), yes="Remove", no="Keep all"):
        words = [word for word in words if len(word) >= 3]
    return words


def test_nothing_goes_without_a_yes(run):
    r = run(clean_up, answers={"Words": "an old oak"})
    assert r.waiting_for == "Remove these"
    assert run.answer(r, {"Remove these": False}).result == ["an", "oak", "old"]
