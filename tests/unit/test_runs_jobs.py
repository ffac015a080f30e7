"""Jobs in runs: begun once, used again where nothing has changed, run again where somebody wants that."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tests.parts import Given, parts, steps, values
from treadle import Failed, Secret
from treadle.errors import Conflict

calls: list[object] = []  # what was really run


@pytest.fixture(autouse=True)
def nothing_was_called():
    calls.clear()


@pytest.fixture
async def server(tmp_path):
    async with parts(tmp_path, Given(crawl, hosts, fails, twice)) as made:
        yield made


async def fetch(url: str) -> dict:
    calls.append(url)
    return {"links": list(url), "run": len(calls)}


async def weigh(letter: str, by: int = 1) -> int:
    calls.append((letter, by))
    return ord(letter) * by


async def crawl(ui):
    url = await ui.ask("URL", str)
    page = await ui.job("Fetch", fetch, url)
    links = await ui.each("Weigh", page["links"], weigh, workers=2)
    note = await ui.ask("Note", str)
    return {"url": url, "links": list(links), "note": note}


async def hosts(ui):
    names = await ui.ask("Hosts", str)
    by = await ui.ask("By", int)
    return await ui.each("Weigh", list(names), partial(weigh, by=by))


async def odd(n: int) -> int:
    calls.append(n)
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n


async def fails(ui):
    count = await ui.ask("Count", int)
    each = await ui.each("Odd", range(count), odd)
    return [list(each.ok), [failed.item for failed in each.failed]]


async def twice(ui):
    first = await ui.job("One", fetch, "a")
    second = await ui.job("Two", fetch, f"{first['run']}")
    return second["run"]


async def changing(ui):
    url = await ui.ask("URL", str)
    return await ui.job("Fetch", fetch, f"{url} {len(calls)}")


async def test_a_job_that_is_called_with_something_else_each_time_does_not_run_for_ever(tmp_path):
    async with parts(tmp_path, Given(changing)) as server:
        key = await server.begin("changing", "a")
        step = (await server.settled(key)).drawing.open
        assert step.state == "failed" and "belongs in its function" in step.error
        assert len(calls) == 1
        await server.jobs.go_on(key, step.slug)
        assert (await server.settled(key)).drawing.result["run"] == len(calls) == 2  # nobody is shut in


async def test_a_job_runs_once_and_the_run_goes_on_from_its_stored_result(server):
    key = await server.begin("crawl", "ab")
    view = await server.settled(key)
    assert values(view) == {"URL": "ab", "Fetch": {"links": ["a", "b"], "run": 1}, "Weigh": [97, 98]}
    assert calls == ["ab", ("a", 1), ("b", 1)]
    assert view.drawing.open.label == "Note" and server.runs.get(key).waiting_for == "Note"
    assert (await server.answer(key, "ok")).drawing.result["links"] == [97, 98]


async def test_a_workflow_may_begin_with_a_job(server):
    view = await server.runs.draw_new("twice")
    assert view.drawing.open.state == "open" and not calls
    key = await server.begin("twice")
    assert (await server.settled(key)).drawing.result == 2


async def test_drawing_begins_nothing(server):
    key = await server.begin("crawl", "ab")
    before = server.db.connection.total_changes
    for _ in range(3):
        await server.runs.draw(key)
        await server.runs.facts(key)
    assert server.db.connection.total_changes == before


async def test_after_a_revert_and_the_same_answer_everything_is_used_again(server):
    key = await server.begin("crawl", "ab")
    await server.revert(key, "url")
    view = await server.answer(key, "ab")
    assert len(calls) == 3 and values(view)["Fetch"]["run"] == 1


async def test_after_another_answer_only_items_with_other_arguments_run(server):
    key = await server.begin("hosts", "abc")
    await server.answer(key, 2)
    assert calls == [("a", 2), ("b", 2), ("c", 2)]
    await server.revert(key, "hosts")
    await server.answer(key, "cabbd")
    view = await server.answer(key, 2)
    assert calls[3:] == [("b", 2), ("d", 2)]  # the second b is another one
    assert values(view)["Weigh"] == [198, 194, 196, 196, 200]
    await server.revert(key, "by")
    await server.answer(key, 3)
    assert len(calls) == 10


async def test_reverting_to_a_job_runs_it_again_and_what_depends_on_it(server):
    key = await server.begin("twice")
    view = await server.revert(key, "one")
    assert (calls, view.drawing.result) == (["a", "1", "a", "3"], 4)


async def test_reverting_to_an_each_runs_all_of_it_again(server):
    key = await server.begin("crawl", "ab")
    await server.revert(key, "weigh")
    assert calls[3:] == [("a", 1), ("b", 1)]


async def test_what_was_run_again_is_not_taken_from_an_older_result(server):
    key = await server.begin("twice")
    await server.revert(key, "one")
    await server.undo(key)
    await server.revert(key, "one")
    assert calls == ["a", "1", "a", "3", "a", "5"]


async def test_undo_brings_results_back_without_running_anything(server):
    key = await server.begin("crawl", "ab")
    await server.answer(key, "ok")
    await server.revert(key, "fetch")
    ran = len(calls)
    view = await server.undo(key)
    assert values(view)["Fetch"]["run"] == 1 and values(view)["Note"] == "ok" and view.drawing.finished
    assert len(calls) == ran
    with pytest.raises(Conflict):
        await server.runs.undo(key)


async def test_what_undo_brought_back_can_be_used_again(server):
    key = await server.begin("crawl", "ab")
    await server.revert(key, "fetch")
    await server.undo(key)
    ran = len(calls)
    await server.revert(key, "url")
    assert values(await server.answer(key, "ab"))["Fetch"]["run"] == 1 and len(calls) == ran


async def test_two_reverts_are_one_undo(server):
    key = await server.begin("crawl", "ab")
    await server.answer(key, "ok")
    before = values(await server.settled(key))
    await server.revert(key, "weigh")
    await server.revert(key, "url")
    assert values(await server.undo(key)) == before


async def test_some_that_failed_ask_and_are_continued_with(server):
    key = await server.begin("fails", 4)
    view = await server.settled(key)
    assert (view.drawing.open.state, view.drawing.open.error) == ("failed", "2 of 4 failed.")
    assert "failed: 2 of 4 failed." in await server.runs.facts(key)
    await server.jobs.continue_with(key, "odd")
    view = await server.settled(key)
    assert view.drawing.result == [[0, 2], [1, 3]]
    assert steps(view)[1].value[1] == Failed(1, "ValueError: 1 is odd")


async def test_a_result_is_fresh_at_each_replay_and_what_each_gave_is_read_only(server):
    key = await server.begin("crawl", "ab")
    found = steps(await server.settled(key))
    found[1].value["links"].append("x")
    server.runs._drawings._kept.clear()
    assert steps(await server.settled(key))[1].value["links"] == ["a", "b"]
    assert not hasattr(found[2].value, "append")
    with pytest.raises(TypeError):
        found[2].value[0] = 1


async def test_a_result_that_cannot_be_read_back_fails_and_is_not_run_for_ever(tmp_path):
    async def makes() -> dict:
        calls.append("made")
        return {"file": "0" * 32}  # it looks like a file of the run, which there is not

    async def flow(ui):
        await ui.job("Make", makes)

    async with parts(tmp_path, Given(flow)) as server:
        key = await server.begin("flow")
        step = (await server.settled(key)).drawing.open
        assert (step.state, step.error) == ("failed", "Its stored result cannot be read any more.")
        assert calls == ["made"]
        await server.jobs.go_on(key, "make")
        await server.settled(key)
        assert calls == ["made", "made"]


async def test_locking_a_run_stops_what_runs_in_it(tmp_path):
    async def slow(ui):
        await ui.job("Wait", asyncio.sleep, 60)

    async with parts(tmp_path, Given(slow)) as server:
        key = (await server.runs.begin("slow", {})).key
        await server.runs.finalise(key)
        assert (await server.settled(key)).drawing.open.state == "stopped"
        assert server.jobs.panel()[0].state == "stopped"


async def test_a_secret_is_in_no_facts_no_history_and_no_row(tmp_path):
    async def asks(ui):
        key = await ui.ask("Key", Secret)
        await ui.job("Use", fetch, key)
        await ui.ask("Note", str)

    async with parts(tmp_path, Given(asks)) as server:
        key = await server.begin("asks", "hunter2-hunter2")
        assert calls == ["hunter2-hunter2"]
        told = [str(tuple(row)) for table in ("history", "steps", "runs") for row in
                server.db.rows(f"SELECT * FROM {table}") if table != "steps" or row["kind"] == "ask"]
        assert "hunter2" not in "".join([*told, await server.runs.facts(key)])


async def test_the_history_says_who_did_what(server):
    key = (await server.runs.begin("hosts", {"value": ["abc"]}, by="model")).key
    view = await server.settled(key)
    await server.runs.answer(key, "by", {"value": ["2"]}, rev=view.form_rev, by="command line")
    await server.settled(key)
    await server.revert(key, "by")
    await server.undo(key)
    await server.runs.finalise(key)
    await server.runs.unlock(key)
    rows = server.db.rows("SELECT by, what, label, text FROM history ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("model", "started", "", ""), ("model", "answered", "Hosts", "abc"), ("command line", "answered", "By", "2"),
        ("job", "done", "Weigh", ""), ("person", "reverted", "By", ""), ("person", "undone", "", ""),
        ("person", "finalised", "", ""), ("person", "unlocked", "", "")]


async def test_a_step_with_a_key_is_named_with_it(server):
    async def rounds(ui):
        for number in (1, 2):
            await ui.ask("Round", str, key=number)
            await ui.job("Play", weigh, "a", number, key=number)

    server.plugins.put(rounds)
    key = await server.begin("rounds", "one")
    await server.settled(key)
    await server.answer(key, "two")
    await server.settled(key)
    run = await server.runs.revert(key, "round-2")
    assert run.reverted_to == "Round 2"
    told = [row["label"] for row in server.db.rows("SELECT label FROM history WHERE by != 'job' AND label != ''")]
    assert told == ["Round 1", "Round 2", "Round 2"]
