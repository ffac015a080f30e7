"""Runs that came from a file or are long: what their workflow needs, what their loops gave, and everybody's turn."""

from __future__ import annotations

import asyncio
import re
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
