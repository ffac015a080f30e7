"""Jobs: what they store, how they end, and what they do not lose."""

from __future__ import annotations

import pytest

from tests import working
from tests.harness import until
from tests.working import Fleet
from treadle.drawing import Work
from treadle.jobs import Jobs
from treadle.llm import Llm
from treadle.tasks import Tasks


@pytest.fixture
async def engine(settings, db, feed, clock, files):
    tasks = Tasks()
    jobs = Jobs(settings, db, feed, clock, tasks, files, Llm(settings, db, feed, clock, tasks))
    yield jobs
    await tasks.close()
    jobs.close()


@pytest.fixture
def fleet(engine, db):
    return Fleet(engine, db)


async def ended(fleet, id, state="done"):
    row = await until(lambda: fleet.row(id) if fleet.row(id)["state"] != "running" else None)
    assert row["state"] == state, (row["error"], row["details"])
    return row


async def test_a_job_runs_once_and_its_result_is_a_row(fleet):
    id = fleet.job(working.double, 21)
    assert fleet.row(id)["state"] == "running"
    row = await ended(fleet, id)
    assert (row["value"], row["error"]) == ("42", "") and row["answered_at"]
    await until(lambda: fleet.advanced == 1)
    fleet.jobs.start(fleet.run, id, fleet.steps["Work"], working.WORKFLOW)
    assert fleet.jobs.live(id) is None, "what is done is not started again"


async def test_a_job_that_fails_says_why_and_where(fleet):
    row = await ended(fleet, fleet.job(working.fails, "no such word"), "failed")
    assert "no such word" in row["error"] and "in fails" in row["details"] and row["value"] is None


async def test_each_stores_every_item_in_its_place(fleet):
    id = fleet.each([3, 1, 2], working.double, workers=2)
    await ended(fleet, id)
    assert fleet.items(id) == [(0, "done", "6"), (1, "done", "2"), (2, "done", "4")]


async def test_an_each_of_nothing_is_done(fleet):
    id = fleet.each([], working.double)
    await ended(fleet, id)
    assert fleet.items(id) == []


async def test_failed_items_are_asked_about_and_try_again_runs_only_those(fleet):
    id = fleet.each([1, 2, 3, 4], working.odd_only)
    row = await ended(fleet, id, "failed")
    assert row["error"] == "2 of 4 failed."
    assert [item[1] for item in fleet.items(id)] == ["done", "failed", "done", "failed"]
    work = fleet.steps["Work"].work
    ran = []

    def odd_and_even(n):
        ran.append(n)
        return n

    fleet.steps["Work"].work = Work(odd_and_even, (), work.digest, work.items)
    await fleet.jobs.go_on(fleet.run, "work")
    await ended(fleet, id)
    assert ran == [2, 4] and [item[2] for item in fleet.items(id)] == ["1", "2", "3", "4"]


# --- processes

async def test_a_process_is_spawned_when_first_used_and_says_how_far_it_is(fleet, tmp_path):
    id = fleet.job(working.counts, str(tmp_path / "go"), on="process")
    assert (await until(lambda: (live := fleet.jobs.live(id)) and live.done > 3 and live, within=20)).failed == 0
    (tmp_path / "go").touch()
    await ended(fleet, id)


async def test_stop_reaches_a_function_in_a_process(fleet, tmp_path):
    id = fleet.job(working.counts, str(tmp_path / "go"), on="process")
    await until(lambda: (live := fleet.jobs.live(id)) and live.done > 3, within=20)
    await fleet.jobs.stop(fleet.run, "work")
    assert fleet.row(id)["state"] == "stopped"
    await until((tmp_path / "go.Stopped").exists)


async def test_an_item_that_kills_its_process_fails_alone(fleet):
    id = fleet.each(list(range(50)), working.dies, on="process", workers=4)
    row = await until(lambda: (row := fleet.row(id))["state"] != "running" and row, within=60)
    assert row["error"] == "1 of 50 failed."
    assert [n for n, state, _ in fleet.items(id) if state == "failed"] == [7]
    assert [value for _, state, value in fleet.items(id) if state == "done"] == [str(n) for n in range(50) if n != 7]


async def test_a_process_killed_once_loses_nothing(fleet, tmp_path):
    id = fleet.job(working.dies_once, str(tmp_path / "was"), on="process")
    row = await until(lambda: (row := fleet.row(id))["state"] != "running" and row, within=30)
    assert (row["state"], row["value"]) == ("done", '"done"')
