"""How jobs end: Stop, limits, tries, a server that goes down, one that dies."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests import working
from tests.harness import until
from tests.working import Fleet
from treadle.errors import Conflict, NotFound, StorageError
from treadle.jobs import items
from treadle.jobs.engine import Jobs
from treadle.llm import Llm
from treadle.tasks import Tasks


@pytest.fixture
async def again(settings, db, feed, clock, files):
    """Make a server's jobs, as often as it is started; `died`: without an end."""
    running = []

    async def start(*, died=False):
        if running:
            tasks, jobs = running.pop()
            await tasks.close()
            jobs.close()
            if died:
                db.execute("DELETE FROM meta WHERE key = 'ended'")
        tasks = Tasks()
        jobs = Jobs(settings, db, feed, clock, tasks, files, Llm(settings, db, feed, clock, tasks))
        jobs.recover()
        running.append((tasks, jobs))
        return jobs

    yield start
    await start()
    tasks, jobs = running.pop()
    await tasks.close()
    jobs.close()


@pytest.fixture
async def fleet(again, db):
    return Fleet(await again(), db)


async def ended(fleet, id, state="done"):
    row = await until(lambda: fleet.row(id) if fleet.row(id)["state"] != "running" else None)
    assert row["state"] == state, (row["error"], row["details"])
    return row


# --- Stop

async def test_stop_marks_a_blocked_thread_at_once_and_discards_its_late_result(fleet, tmp_path):
    id = fleet.job(working.waits, str(tmp_path / "go"))
    await until(lambda: fleet.jobs.live(id))
    await fleet.jobs.stop(fleet.run, "work")
    assert fleet.row(id)["state"] == "stopped" and fleet.jobs.live(id) is None
    fleet.job(working.double, 1, label="Other")
    (tmp_path / "go").touch()
    await ended(fleet, fleet.steps["Other"].id)
    assert fleet.row(id)["state"] == "stopped" and fleet.row(id)["value"] is None


async def test_a_function_that_reports_progress_ends_when_it_is_stopped(fleet, tmp_path):
    id = fleet.job(working.counts, str(tmp_path / "go"))
    await until(lambda: fleet.jobs.live(id).done)
    await fleet.jobs.stop(fleet.run, "work")
    await until((tmp_path / "go.Stopped").exists)


async def test_a_coroutine_is_cancelled_when_it_is_stopped(fleet):
    working.cancelled.clear()
    fleet.job(working.sleeps, 9_000)
    await until(lambda: 9_000 in working.sleeping)
    await fleet.jobs.stop(fleet.run, "work")
    await until(lambda: working.cancelled == [9_000])


async def test_stop_twice_and_after_the_end_is_nothing(fleet):
    id = fleet.job(working.double, 1)
    await ended(fleet, id)
    await fleet.jobs.stop(fleet.run, "work")
    assert fleet.row(id)["state"] == "done"
    with pytest.raises(NotFound):
        await fleet.jobs.stop(fleet.run, "nothing")


async def test_go_on_after_a_stop_runs_only_what_is_left(fleet, tmp_path):
    ran = []

    def item(n):
        ran.append(n)
        return n if n != 2 else working.waits(str(tmp_path / "go"))

    id = fleet.each([0, 1, 2, 3], item)
    await until(lambda: ran == [0, 1, 2])
    await fleet.jobs.stop(fleet.run, "work", by="model")
    assert [state for _, state, _ in fleet.items(id)] == ["done", "done"], "what was running is none's"
    (tmp_path / "go").touch()
    await fleet.jobs.go_on(fleet.run, "work")
    await fleet.jobs.go_on(fleet.run, "work")
    await ended(fleet, id)
    assert ran == [0, 1, 2, 2, 3]
    assert [(row["by"], row["what"]) for row in fleet.db.rows("SELECT * FROM history ORDER BY id")] == [
        ("model", "stopped"), ("person", "went on"), ("job", "done")]


async def test_continue_with_what_there_is(fleet, tmp_path):
    id = fleet.each([0, 1, 2], lambda n: n if n < 2 else working.waits(str(tmp_path / "go")))
    await until(lambda: len(fleet.items(id)) == 3)
    await fleet.jobs.continue_with(fleet.run, "work")
    assert fleet.row(id)["state"] == "running", "only what is stopped or has failed"
    await fleet.jobs.stop(fleet.run, "work")
    await fleet.jobs.continue_with(fleet.run, "work")
    assert fleet.row(id)["state"] == "done" and fleet.items(id) == [(0, "done", "0"), (1, "done", "1")]
    (tmp_path / "go").touch()


async def test_a_job_has_nothing_to_continue_with(fleet):
    await ended(fleet, fleet.job(working.fails, "x"), "failed")
    with pytest.raises(Conflict):
        await fleet.jobs.continue_with(fleet.run, "work")


async def test_what_a_locked_run_has_is_left_alone(fleet):
    await ended(fleet, fleet.job(working.fails, "x"), "failed")
    fleet.db.execute("UPDATE runs SET state = 'finished'")
    with pytest.raises(Conflict, match="locked"):
        await fleet.jobs.go_on(fleet.run, "work")


# --- tries and limits

async def test_tries_come_later_and_later(fleet, clock):
    working.tries.clear()
    id = fleet.job(working.third_time, "answer", retries=2)
    await until(lambda: clock.sleeping)
    assert fleet.jobs.live(id).log == ["OSError: no answer. Attempt 2 of 3 starts in 1 s."]
    await clock.advance(0.9)
    assert len(working.tries) == 1
    await clock.advance(0.2)
    await until(lambda: len(working.tries) == 2 and clock.sleeping)
    await clock.advance(2)
    assert (await ended(fleet, id))["value"] == '"answer"' and len(working.tries) == 3


async def test_the_last_try_counts(fleet, clock):
    id = fleet.job(working.fails, "x", retries=1)
    await until(lambda: clock.sleeping)
    await clock.advance(1)
    await ended(fleet, id, "failed")


async def test_stop_ends_the_wait_for_the_next_try(fleet, clock):
    id = fleet.job(working.fails, "x", retries=5)
    await until(lambda: clock.sleeping)
    await fleet.jobs.stop(fleet.run, "work")
    await until(lambda: not clock.sleeping)
    assert fleet.row(id)["state"] == "stopped"


async def test_a_limit_of_time_fails_the_call_and_ends_it_where_it_can_be_ended(fleet, clock, tmp_path):
    id = fleet.job(working.counts, str(tmp_path / "go"), timeout_s=30)
    await until(lambda: clock.sleeping and fleet.jobs.live(id).done)
    await clock.advance(29)
    assert fleet.row(id)["state"] == "running"
    await clock.advance(2)
    assert (await ended(fleet, id, "failed"))["error"] == "It was not done after 30 s."
    await until((tmp_path / "go.Stopped").exists)


async def test_a_limit_of_time_is_for_each_item(fleet, clock):
    working.cancelled.clear()
    id = fleet.each([0, 700], working.sleeps, timeout_s=30)
    await until(lambda: len(fleet.items(id)) == 2 and clock.sleeping)
    await clock.advance(31)
    await ended(fleet, id, "failed")
    assert [state for _, state, _ in fleet.items(id)] == ["done", "failed"] and working.cancelled == [700]


async def test_a_coroutine_that_cancels_itself_has_failed(fleet):
    assert "CancelledError" in (await ended(fleet, fleet.job(working.cancels_itself), "failed"))["error"]


# --- the end of the server

async def test_a_server_that_goes_down_writes_nothing_and_the_next_goes_on_at_its_item(fleet, again, tmp_path):
    ran = []

    def item(n):
        ran.append(n)
        return n if n != 1 or len(ran) > 2 else working.waits(str(tmp_path / "go"))

    id = fleet.each([0, 1, 2], item)
    await until(lambda: ran == [0, 1])
    for _ in range(4):  # more often than three: it did not die
        fleet = Fleet(await again(), fleet.db, steps=fleet.steps)
    assert fleet.row(id)["state"] == "running" and fleet.row(id)["error"] == ""
    await fleet.advance(fleet.run)
    await ended(fleet, id)
    (tmp_path / "go").touch()
    assert ran == [0, 1, 1, 2] and [value for *_, value in fleet.items(id)] == ["0", "1", "2"]


async def test_an_item_that_was_running_at_three_deaths_of_the_server_has_failed(fleet, again, tmp_path):
    def item(n):
        return n if n != 1 else working.waits(str(tmp_path / "go"))

    id = fleet.each([0, 1, 2], item, workers=2)
    for _ in range(3):
        await until(lambda fleet=fleet: (1, "running", None) in fleet.items(id))
        fleet = Fleet(await again(died=True), fleet.db, steps=fleet.steps)
        await fleet.advance(fleet.run)
    await ended(fleet, id, "failed")
    (tmp_path / "go").touch()
    assert [state for _, state, _ in fleet.items(id)] == ["done", "failed", "done"]
    assert "server died" in fleet.db.one("SELECT error FROM items WHERE number = 1")["error"]


async def test_of_two_that_were_running_at_two_deaths_only_one_runs_at_the_third(fleet, again, tmp_path):
    gates = [str(tmp_path / "guilty"), str(tmp_path / "innocent")]
    id = fleet.each(gates, working.waits, workers=2)
    for _ in range(2):
        await until(lambda fleet=fleet: [state for _, state, _ in fleet.items(id)] == ["running", "running"])
        fleet = Fleet(await again(died=True), fleet.db, steps=fleet.steps)
        await fleet.advance(fleet.run)
    await until(lambda: [state for _, state, _ in fleet.items(id)] == ["running", "stopped"])
    fleet = Fleet(await again(died=True), fleet.db, steps=fleet.steps)
    for gate in gates:
        Path(gate).touch()
    await fleet.advance(fleet.run)
    await ended(fleet, id, "failed")
    assert [state for _, state, _ in fleet.items(id)] == ["failed", "done"]


async def test_a_job_that_was_running_at_three_deaths_has_failed_and_may_be_tried_again(fleet, again, tmp_path):
    id = fleet.job(working.waits, str(tmp_path / "go"))
    for _ in range(3):
        assert fleet.row(id)["state"] == "running"
        fleet = Fleet(await again(died=True), fleet.db, steps=fleet.steps)
        await fleet.advance(fleet.run)
    assert "server died" in (await ended(fleet, id, "failed"))["error"]
    (tmp_path / "go").touch()
    await fleet.jobs.go_on(fleet.run, "work")
    await ended(fleet, id)


async def test_the_log_goes_on_after_a_restart(fleet, again):
    id = fleet.job(working.prints, "x")
    await ended(fleet, id)
    assert fleet.row(id)["log"] == "one x\nhalf way\ntwo"


# --- what is seen

async def test_live_says_how_far_it_is_and_when_it_will_be_done(fleet, clock, tmp_path):
    id = fleet.each(list(range(4)), lambda n: n if n < 2 else working.waits(str(tmp_path / "go")))
    await until(lambda: len(fleet.items(id)) == 3)
    await clock.advance(10)
    live = fleet.jobs.live(id)
    assert (live.done, live.total, live.failed, live.eta_s) == (2, 4, 0, 10)
    fleet.steps["Work"].key = "b"  # of several it is said which
    [line] = fleet.jobs.panel()
    assert (line.state, line.label, line.live) == ("running", "Work b", live)
    (tmp_path / "go").touch()
    await ended(fleet, id)
    [line] = fleet.jobs.panel()
    assert (line.state, line.live) == ("done", None) and json.dumps(line.ended_at)


async def test_what_others_print_is_not_in_the_log(fleet, capsys, tmp_path):
    id = fleet.job(working.waits, str(tmp_path / "go"))
    print("from elsewhere")
    await ended(fleet, fleet.job(working.prints, "x", label="Other"))
    (tmp_path / "go").touch()
    assert (await ended(fleet, id))["log"] == ""
    assert capsys.readouterr().out == "from elsewhere\n"


async def test_two_revs_a_job_however_many_items(fleet, feed):
    await ended(fleet, fleet.each(list(range(100)), working.double))
    assert feed.rev == 1  # the other one is that of the row


async def test_who_is_tried_again_says_which_attempt_it_is(fleet, clock):
    working.tries.clear()
    id = fleet.each(["a", "b"], working.third_time, retries=2, workers=2)
    await until(lambda: clock.sleeping == 2)
    await clock.advance(0.25)
    assert fleet.jobs.live(id).tries == {0: ("OSError: no a", 2, 3, 0.75), 1: ("OSError: no b", 2, 3, 0.75)}
    await clock.advance(0.8)
    await until(lambda: clock.sleeping == 2)
    assert {each.number for each in fleet.jobs.live(id).tries.values()} == {3}
    await clock.advance(2)
    await ended(fleet, id)


async def test_what_is_tried_again_tells_no_secret_of_its_run(fleet, clock):
    fleet.jobs.secrets_of = lambda run: ["hunter2-hunter2"]
    id = fleet.job(working.fails, "no entry with hunter2-hunter2", retries=1)
    await until(lambda: clock.sleeping)
    seen = fleet.jobs.live(id)
    assert seen.tries[0].error.startswith("LookupError: no entry with") and "hunter2" not in f"{seen.tries} {seen.log}"


async def test_who_waits_for_a_free_worker_says_so(fleet, tmp_path):
    size = fleet.jobs._executors._size
    first = fleet.each([str(tmp_path / "go")] * size, working.waits, on="process", workers=size)
    await until(lambda: len(fleet.items(first)) == size)
    second = fleet.job(working.double, 2, label="Later", on="process")
    await until(lambda: fleet.jobs.live(second).waits == "Waits for a free worker")
    assert fleet.jobs.live(first).waits == ""
    (tmp_path / "go").touch()
    await ended(fleet, second)
    await ended(fleet, first)


async def test_one_failed_item_is_tried_again_and_the_others_stay_failed(fleet):
    id = fleet.each([1, 2, 3, 4], working.odd_only)
    await ended(fleet, id, "failed")
    fleet.steps["Work"].work = fleet.steps["Work"].work._replace(fn=working.double)
    await fleet.jobs.go_on(fleet.run, "work", item=3)
    assert (await ended(fleet, id, "failed"))["error"] == "1 of 4 failed."
    assert [state for _, state, _ in fleet.items(id)] == ["done", "failed", "done", "done"]


async def test_a_job_that_ends_by_itself_is_told_in_the_history(fleet, clock, tmp_path):
    fleet.job(working.waits, str(tmp_path / "go"))
    await until(lambda: fleet.jobs.live(fleet.steps["Work"].id))
    await clock.advance(130)
    (tmp_path / "go").touch()
    await ended(fleet, fleet.steps["Work"].id)
    await ended(fleet, fleet.job(working.fails, "No such word", label="Other"), "failed")
    await ended(fleet, fleet.each([1, 2], working.odd_only, label="Some", failed="keep"))
    assert [tuple(row) for row in fleet.db.rows("SELECT by, what, label, text FROM history ORDER BY id")] == [
        ("job", "done", "Work", "after 2 min"), ("job", "failed", "Other", "LookupError: No such word"),
        ("job", "done", "Some", "1 failed")]


async def test_a_run_goes_on_by_itself_when_the_disk_refused_what_follows_a_job(fleet, clock):
    refusals = [StorageError("The disk is full."), StorageError("The disk is full.")]

    async def advance(run):
        if refusals:
            raise refusals.pop()
        await Fleet.advance(fleet, run)

    fleet.jobs.advance = advance
    await ended(fleet, fleet.job(working.double, 1))
    for _ in range(2):
        assert fleet.advanced == 0
        await until(lambda: clock.sleeping)
        await clock.advance(1)
    await until(lambda: fleet.advanced == 1)


async def test_what_is_used_again_is_copied_in_turns_and_a_kill_between_them_loses_nothing(fleet, monkeypatch):
    old = fleet.each(list(range(50)), working.double)
    await ended(fleet, old)
    fleet.db.execute("UPDATE steps SET state = 'reverted' WHERE id = ?", (old,))
    new = fleet.db.execute("INSERT INTO steps (run, label, slug, kind, state, position, created_at, rev) VALUES "
                           "(?, 'Work', 'work', 'each', 'running', 1, 0, 0)", (fleet.run,)).lastrowid
    fleet.db.execute("INSERT INTO items (step, number, digest, state, value) SELECT ?, number, digest, state, value "
                     "FROM items WHERE step = ? AND number < 20", (new, old))  # as a kill left it
    digests = [row["digest"] for row in fleet.db.rows("SELECT digest FROM items WHERE step = ?", (old,))]
    monkeypatch.setattr(items, "TURN_S", 0)  # each row has a turn of its own
    turns, found = 0, items.Items(fleet.db, None, fleet.run, new, [*digests, "another"])
    loading = asyncio.ensure_future(found.load())
    while not loading.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 50 and found.done == 50 and found.take(first=True) == 50
    assert [value for *_, value in fleet.items(new)][:50] == [str(2 * n) for n in range(50)]
