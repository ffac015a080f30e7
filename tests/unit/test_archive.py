"""Runs as things that are kept: found, named, deleted and brought back, forked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import until
from tests.trips import plugins_at
from treadle.archive import PAGE, Archive
from treadle.config import Settings
from treadle.core import Core
from treadle.errors import InvalidAnswer, NotFound
from treadle.files import DAY, FileId

WORK = '''
from treadle import LongText, Table, Upload, workflow

CALLS = []


@workflow("Work", message="m", steps=["Names", "Double", "Measure", "Note"])
async def work(ui):
    names = await ui.ask("Names", LongText)
    twice = await ui.job("Double", double, names)
    rows = await ui.each("Measure", twice.split(), measure)
    ui.show(Table(rows))
    note = await ui.ask("Note", str | None)
    ui.export("rows.csv", rows=rows)


def double(names: str) -> str:
    CALLS.append("double")
    return f"{names} {names}"


def measure(name: str) -> dict:
    CALLS.append(name)
    return {"name": name, "length": len(name)}


@workflow("Send", message="m")
async def send(ui):
    file = await ui.ask("File", Upload)
    await ui.ask("Note", str)
    ui.show(file.read_text())
'''


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = plugins_at(tmp_path / "plugins")
    (folder / "020_work.py").write_text(WORK)
    return Settings(data=tmp_path / "data", plugins=folder, open_browser=False, ollama_host="http://127.0.0.1:9")


@pytest.fixture
def archive(core: Core) -> Archive:
    return core.archive


async def answer(core: Core, key: str, slug: str, value: str) -> None:
    view = await core.runs.draw(key)
    await core.runs.answer(key, slug, {"value": [value]}, rev=view.form_rev)


async def trip(core: Core, town: str = "Rome", *answers: str) -> str:
    key = (await core.runs.begin("trip", {"value": [town]})).key
    for slug, value in zip(("days", "go", "note"), answers, strict=False):
        await answer(core, key, slug, value)
    return key


async def worked(core: Core, names: str = "ann bo") -> str:
    """A run whose jobs are done, before its last question."""
    key = (await core.runs.begin("work", {"value": [names]})).key
    await until(lambda: core.runs.get(key).waiting_for == "Note")
    return key


async def sent(core: Core, text: bytes = b"hello") -> str:
    """A run that begins with a file."""
    async with core.files.receive("a b.txt", run="new/client-1", step="file", max_bytes=1000) as sink:
        await sink.write(text)
    return (await core.runs.begin("send", {"value": [FileId(sink.file.id)]}, client_id="client-1")).key


def calls(core: Core) -> list[str]:
    return core.plugins.get("work").fn.__globals__["CALLS"]


def keys(listing) -> list[str]:
    return [line.key for line in listing.lines]


def values(core: Core, key: str) -> list[tuple]:
    return [tuple(row) for row in core.db.rows("SELECT label, state, value FROM steps WHERE run = ? ORDER BY id",
                                               (key,))]


# -- the list


async def test_runs_are_found_by_words_of_their_title_key_and_answers(core, archive):
    rome, oslo = await trip(core, "Rome", "3"), await trip(core, 'Öslo "100%_x"', "4", "yes", "Take an umbrella")
    for query, found in (("rome", [rome]), ("öslo", [oslo]), (rome, [rome]), ("UMBRELLA take", [oslo]),
                         ("100%_x", [oslo]), ('"100', [oslo]), ("100%%x", []), ("rome umbrella", []),
                         ("trip", [oslo, rome]), ("  ", [oslo, rome])):
        assert keys(archive.list(query=query)) == found, query
    assert archive.list(query="rome").counts == {"": 1, "unfinished": 1, "finished": 0, "deleted": 0}


async def test_runs_are_filtered_by_workflow_and_state(core, archive):
    open_, done = await trip(core), await trip(core, "Oslo", "1", "yes", "")
    left = (await core.runs.begin("skip", {"value": ["left"]})).key
    await core.runs.finalise(left)
    assert keys(archive.list(state="unfinished")) == [open_]
    assert set(keys(archive.list(state="finished"))) == {done, left}
    assert keys(archive.list(endpoint="skip")) == [left] and archive.endpoints() == ["skip", "trip"]
    assert archive.list(endpoint="skip").counts[""] == 1


async def test_thousands_of_runs_come_a_page_at_a_time(core, archive):
    core.db.connection.executemany(
        "INSERT INTO runs (key, endpoint, number, title, state, version, created_at, updated_at, rev) "
        "VALUES (?, 'trip', ?, 'Trip', 'open', '', 0, 0, ?)", [(f"default-trip-{n}", n, n) for n in range(1, 3_001)])
    first, last = archive.list(), archive.list(page=999)
    assert (len(first.lines), first.pages, first.matched) == (PAGE, 60, 3_000)
    assert first.lines[0].key == "default-trip-3000" and (last.page, last.lines[-1].key) == (60, "default-trip-1")


async def test_a_name_a_person_gave_stays_until_it_is_given_back(core, archive):
    key = await trip(core)
    await archive.rename(key, "  My\n own <name> ")
    await answer(core, key, "days", "3")
    assert core.runs.get(key).title == (await core.runs.draw(key)).title == "My own <name>"
    with pytest.raises(InvalidAnswer, match="121 characters"):
        await archive.rename(key, "x" * 121)
    await archive.rename(key, "")
    assert core.runs.get(key).title == "Trip, Rome"


# -- deleting


async def test_a_deleted_run_is_gone_and_comes_back_whole(core, archive):
    key = await trip(core, "Rome", "3")
    before, rev = values(core, key), core.feed.rev
    assert await archive.delete([key, "no-such-run"]) == [key]
    with pytest.raises(NotFound):
        core.runs.get(key)
    assert archive.list().matched == 0 and keys(archive.list(state="deleted")) == [key] and core.feed.rev > rev
    assert await archive.restore([key]) == [key] and await archive.restore([key]) == []
    assert values(core, key) == before and core.runs.get(key).waiting_for == "Go"
    assert [told.what for told in archive.history(key)][:2] == ["restored", "deleted"]


async def test_the_same_form_sent_again_after_deleting_is_a_new_run(core, archive):
    key = (await core.runs.begin("trip", {"value": ["Rome"]}, client_id="client-1")).key
    await archive.delete([key])
    assert (await core.runs.begin("trip", {"value": ["Rome"]}, client_id="client-1")).key != key


async def test_deleting_stops_what_runs(core, archive):
    stopped = []

    async def stop(run: str, slug: str) -> None:
        stopped.append((run, slug))

    archive.stop = stop
    key = await trip(core)
    core.db.execute("UPDATE steps SET state = 'running' WHERE run = ? AND state = 'open'", (key,))
    await archive.delete([key])
    assert stopped == [(key, "days")]


async def test_after_a_day_a_start_removes_it_with_its_files_and_its_key_stays_taken(core, archive, clock):
    key, young = await sent(core), await trip(core)
    await archive.delete([key])
    clock.jump(DAY + 1)
    await archive.delete([young])
    file = next(core.files.folder.iterdir())
    archive.recover()
    assert not file.exists() and values(core, key) == [] and archive.history(key) == []
    assert keys(archive.list(state="deleted")) == [young] and await archive.restore([key]) == []
    assert (await core.runs.begin("send", {"value": [FileId(await stored(core))]}, client_id="client-2")).key != key


async def stored(core: Core) -> str:
    async with core.files.receive("c.txt", run="new/client-2", step="file", max_bytes=1000) as sink:
        await sink.write(b"c")
    return sink.file.id


# -- forks


async def test_a_fork_opens_at_its_step_with_the_later_answers_as_defaults(core, archive):
    key = await trip(core, "Rome", "3", "yes", "umbrella")
    before = values(core, key)
    run = await archive.fork(key, "days")
    view = await core.runs.draw(run.key)
    assert (run.origin, view.drawing.open.slug, view.drawing.open.default) == (key, "days", 3)
    await answer(core, run.key, "days", "4")
    await answer(core, run.key, "go", "yes")
    assert (await core.runs.draw(run.key)).drawing.open.default == "umbrella"
    assert values(core, key) == before
    assert [archive.history(each)[-1 if each == run.key else 0].text for each in (key, run.key)] == [
        f"to {run.key}", f"from {key}"]


async def test_a_fork_of_a_locked_run_is_open_and_may_have_all_answers(core, archive):
    key = await trip(core, "Rome", "3", "yes", "umbrella")
    await core.runs.finalise(key)
    run = await archive.fork(key)
    assert (run.state, run.complete) == ("open", 1) and core.runs.get(key).state == "finished"
    with pytest.raises(NotFound):
        await archive.fork(key, "nowhere")


async def test_what_jobs_have_done_is_used_again_in_a_fork_and_run_again_where_it_begins(core, archive):
    key = await worked(core)
    calls(core).clear()
    fork = await archive.fork(key, "names")
    await answer(core, fork.key, "names", "ann bo")
    await until(lambda: core.runs.get(fork.key).waiting_for == "Note")
    assert calls(core) == []
    fork = await archive.fork(key, "double")
    await until(lambda: core.runs.get(fork.key).waiting_for == "Note")
    assert calls(core) == ["double"]
    rows = (await core.runs.draw(fork.key)).drawing.items[-2].things[0].rows
    assert dict(rows[0]) == {"name": "ann", "length": 3}


async def test_the_file_of_a_fork_outlives_the_run_it_came_from(core, archive, clock):
    key = await sent(core, b"shared")
    fork = (await archive.fork(key, "note")).key
    mine = (await core.runs.draw(fork)).drawing.items[0].value
    assert mine.read_text() == "shared" and mine.id != (await core.runs.draw(key)).drawing.items[0].value.id
    await archive.delete([key])
    clock.jump(DAY + 1)
    archive.recover()
    core.files.recover()
    assert (await core.runs.draw(fork)).drawing.items[0].value.read_text() == "shared"
    await archive.delete([fork])
    clock.jump(DAY + 1)
    archive.recover()
    assert [*core.files.folder.iterdir()] == []
