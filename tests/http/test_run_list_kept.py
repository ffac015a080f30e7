"""Runs that came from a file or are long: what their workflow needs, what their loops gave, and everybody's turn."""

from __future__ import annotations

import asyncio
from html import unescape

import pytest

from tests.browsing import form_to, submit
from tests.partials import parse
from tests.trips import plugins_at
from treadle.config import Settings

REACHES = '''
from treadle import plain, workflow


@workflow("Reaches", message="m", needs=["network"])
async def reaches(ui):
    name = await ui.ask("Name", str)
    found = await ui.each("Look", ["one", "two", "bad", "three"], look, workers=1, failed="keep")
    ui.show(plain(name), "the same")
    await ui.ask("Last", str | None)


def look(name):
    if name == "bad":
        raise ValueError("no")
    return name
'''


@pytest.fixture
def settings(tmp_path):
    folder = plugins_at(tmp_path / "plugins")
    (folder / "960_reaches.py").write_text(REACHES)
    return Settings(data=tmp_path / "data", plugins=folder, open_browser=False, ollama_host="http://127.0.0.1:9")


async def reached(core, name: str) -> str:
    key = (await core.runs.begin("reaches", {"value": [name]})).key
    while (await core.runs.draw(key)).drawing.open.label != "Last":
        await asyncio.sleep(0.01)
    return key


async def test_what_the_workflow_of_a_run_from_a_file_needs_is_shown_before_it_is_unlocked(client, core):
    saved = await client.get(f"/runs/{await reached(core, 'Ann')}/file")
    response = await client.post("/runs/import", files={"value": ("saved.html", saved.content, "text/html")})
    at = response.headers["location"]
    page = (await client.get(at)).text
    needs = parse(page).find("needs").text
    assert "Reaches asks for one thing. Unlocking this run allows that" in needs and "any site you name" in needs
    await submit(client, form_to(page, f"/runs/{at.rpartition('/')[2]}/unlock"))
    assert 'id="needs"' not in (await client.get(at)).text
    assert 'id="needs"' not in (await client.get("/reaches")).text


async def test_the_page_the_saved_file_and_the_comparison_count_a_loop_alike(client, core):
    first, second = await reached(core, "Ann"), await reached(core, "Bob")
    said = "3 results, 1 failed"
    page = parse((await client.get(f"/reaches/{first}")).text).text
    saved = (await client.get(f"/runs/{first}/file")).text.partition("<script")[0]
    compared = parse((await client.get(f"/runs/compare?run={first}&run={second}")).text).text
    assert said in page and said in saved and said in compared
    row = core.db.one("SELECT id FROM steps WHERE run = ? AND kind = 'each'", (first,))
    core.db.execute("DELETE FROM items WHERE step = ? AND number = 3", (row["id"],))  # as by Continue with those 2
    said = "2 results, 1 failed, 1 not run"
    page = parse((await client.get(f"/reaches/{first}")).text).text
    saved = (await client.get(f"/runs/{first}/file")).text.partition("<script")[0]
    compared = parse(unescape((await client.get(f"/runs/compare?run={first}&run={second}")).text)).text
    assert said in page and said in saved and said in compared


async def test_others_have_their_turn_while_a_long_run_is_read_and_saved(core):
    key = await reached(core, "Ann")
    names = "label, key, slug, kind, state, value, digest, position, answered_at, created_at, was, version, rev"
    with core.db.transaction():
        for n in range(6_000):
            core.db.execute(f"INSERT INTO steps (run, {names}) VALUES (?, 'Old', ?, ?, 'ask', 'done', '1', '', ?, 0, "
                            "0, 'open', '', 1)", (key, str(n), f"old-{n}", n + 100))

    async def lines() -> list[str]:
        return [line async for line in core.archive.lines_of(key)]

    for work in (core.archive.results(key), lines()):
        working = asyncio.create_task(work)
        turns = 0
        while not working.done():
            await asyncio.sleep(0)
            turns += 1
        assert len(working.result()) > 6_000 and turns > 12


SHOWN = '''
from treadle import Image, Table, plain, workflow

DOT = ("89504e470d0a1a0a0000000d4948445200000001000000010806000000"
       "1f15c4890000000d49444154789c6360f8cf00000003000153a2d5d20000000049454e44ae426082")


@workflow("Shown", message="m")
async def shown(ui):
    first = await ui.ask("First", int)
    ui.show(plain(f"{first} <b>"), "As ever")
    rows = [{"word": f"w{n}", "length": n * first if n == 2 else n} for n in range(first, 6)]
    ui.show(Table(rows), Table([{"a": 1}, {"a": 1}, *[{"a": 2}] * first]))
    ui.show(Image(bytes.fromhex(DOT + "00" * first), title="Dot"))
    if first > 1:
        ui.show("More")
'''


async def test_what_two_runs_show_is_compared_too(client, core):
    (core.settings.plugins / "970_shown.py").write_text(SHOWN)
    core.plugins.load()
    first, second = [(await core.runs.begin("shown", {"value": [text]})).key for text in ("1", "2")]
    page = (await client.get(f"/runs/compare?run={first}&run={second}")).text
    assert "1 of 1 step differs. 5 of 6 things shown differ." in unescape(page)
    rows = [node.text for node in parse(page).walk() if node.tag == "tr"][2:]
    assert rows == ["After Firstshown, differs1 &lt;b&gt;2 &lt;b&gt;".replace("&lt;", "<").replace("&gt;", ">"),
                    "After First (2)shownThe same in both: As ever",
                    "After First (3)shown, differs1 row changed, 1 removed",
                    "After First (4)shown, differs1 added", "After First (5)shown, differsanother picture",
                    "After First (6)shown, only on the right–More"]
