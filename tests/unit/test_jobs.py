"""Jobs: what they store, how they end, and what they do not lose."""

from __future__ import annotations

import json
import sys

import pytest

from tests import working
from tests.harness import free_port, until
from tests.working import Fleet
from treadle.drawing import Work
from treadle.jobs.cluster import Cluster
from treadle.jobs.engine import Jobs
from treadle.llm import Llm
from treadle.tasks import Tasks
from treadle.text import hide


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
    fleet.jobs.start(fleet.run, id, fleet.steps["Work"])
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


async def test_all_that_a_process_says_is_in_the_log_when_it_has_ended(fleet):
    for n in range(5):
        id = fleet.job(working.says_much, 20, label=f"Work{n}", on="process")
        await ended(fleet, id)
        assert fleet.row(id)["log"].splitlines() == [*(f"line {line}" for line in range(20)), "said"]


async def test_processes_that_hang_and_were_stopped_make_room_for_others(fleet, tmp_path):
    size = fleet.jobs._executors._size
    for n in range(size):
        fleet.job(working.hangs, str(tmp_path / str(n)), label=f"Hang{n}", on="process")
    await until(lambda: all((tmp_path / str(n)).exists() for n in range(size)), within=20)
    for n in range(size):
        await fleet.jobs.stop(fleet.run, f"hang{n}")
    row = await until(lambda id=fleet.job(working.double, 1, on="process"):
                      (row := fleet.row(id))["state"] != "running" and row, within=20)
    assert row["value"] == "2"


async def test_what_cannot_be_sent_to_a_process_is_said(fleet):
    row = await ended(fleet, fleet.job(lambda: 1, on="process"), "failed")
    assert "cannot be sent to another process" in row["error"]


async def test_without_a_cluster_it_is_said_how_one_is_named(fleet):
    row = await ended(fleet, fleet.job(working.double, 1, on="cluster"), "failed")
    assert "TREADLE_CLUSTER" in row["error"]


async def test_without_the_package_the_command_that_installs_it_is_named(fleet, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    fleet.jobs._executors._cluster = Cluster("tcp://127.0.0.1:9")
    row = await ended(fleet, fleet.job(working.double, 1, on="cluster"), "failed")
    assert row["error"].endswith(f"{sys.executable} -m pip install distributed")


async def test_while_the_cluster_does_not_answer_the_job_waits_and_says_so(fleet):
    pytest.importorskip("distributed")
    fleet.jobs._executors._cluster = Cluster(f"tcp://127.0.0.1:{free_port()}")
    id = fleet.job(working.double, 1, on="cluster")
    await until(lambda: fleet.jobs.live(id).waits == "Waiting for the cluster")
    await fleet.jobs.stop(fleet.run, "work")
    assert fleet.row(id)["state"] == "stopped"


# --- results that are no JSON, and disks that refuse

async def test_bytes_become_a_file_of_the_run(fleet, files):
    id = fleet.job(working.a_picture, 1)
    file = files.get(json.loads((await ended(fleet, id))["value"])["file"])
    assert (file.name, file.path.read_bytes(), files.belongs(file.id, fleet.run)) == ("work.png", b"\x89PNG1", True)
    id = fleet.each([1, 2], working.a_picture, label="All")
    await ended(fleet, id)
    names = [files.get(json.loads(value)["file"]).name for *_, value in fleet.items(id)]
    assert names == ["all-1.png", "all-2.png"]
    assert not fleet.db.rows("SELECT 1 FROM files WHERE kept = 0")


async def test_a_long_list_is_kept_by_row(fleet):
    id = fleet.job(working.a_long_list, 12_000)
    row = await until(lambda: (row := fleet.row(id))["state"] != "running" and row)
    assert (row["state"], row["value"], len(fleet.items(id))) == ("done", None, 12_000)


async def test_what_a_kill_left_of_a_long_list_is_not_mixed_with_the_next(fleet):
    id = fleet.job(working.a_long_list, 1)
    await ended(fleet, id)
    fleet.db.execute("INSERT INTO items (step, number, digest, state, value) VALUES (?, 3, '', 'done', '0')", (id,))
    fleet.db.execute("UPDATE steps SET state = 'running', value = NULL WHERE id = ?", (id,))
    fleet.job(working.a_long_list, 12_000)
    await ended(fleet, id)
    assert json.loads(fleet.items(id)[3][2])["number"] == 3 and len(fleet.items(id)) == 12_000


async def test_what_a_full_disk_refused_is_saved_when_there_is_room(fleet, clock):
    id = fleet.job(working.long_text, 500_000)
    fleet.db.execute(f"PRAGMA max_page_count = {fleet.db.one('PRAGMA page_count')[0]}")
    await until(lambda: clock.sleeping)
    assert fleet.row(id)["state"] == "running"
    fleet.db.execute("PRAGMA max_page_count = 1000000")
    await clock.advance(1)
    await ended(fleet, id)


async def test_an_item_a_full_disk_refused_is_saved_when_there_is_room(fleet, clock):
    id = fleet.each([1, 500_000, 2], working.long_text, workers=2)
    fleet.db.execute(f"PRAGMA max_page_count = {fleet.db.one('PRAGMA page_count')[0] + 8}")
    await until(lambda: clock.sleeping)
    fleet.db.execute("PRAGMA max_page_count = 1000000")
    await clock.advance(1)
    await ended(fleet, id)
    assert [len(value) for *_, value in fleet.items(id)] == [3, 500_002, 4]


async def test_what_was_reverted_meanwhile_is_let_go(fleet, tmp_path):
    id = fleet.job(working.waits, str(tmp_path / "go"))
    fleet.db.execute("UPDATE steps SET state = 'reverted' WHERE id = ?", (id,))
    (tmp_path / "go").touch()
    await until(lambda: fleet.jobs.live(id) is None)
    assert fleet.row(id)["state"] == "reverted" and fleet.row(id)["value"] is None


async def test_failed_keep_goes_on_without_asking(fleet):
    id = fleet.each([1, 2], working.odd_only, failed="keep")
    await ended(fleet, id)
    assert [state for _, state, _ in fleet.items(id)] == ["done", "failed"]


async def test_no_more_than_workers_run_at_a_time(fleet, tmp_path):
    id = fleet.each([str(tmp_path / "go")] * 9, working.waits, workers=3)
    await until(lambda: len(fleet.items(id)) == 3)
    assert len(fleet.items(id)) == 3
    (tmp_path / "go").touch()
    await ended(fleet, id)
    assert len(fleet.items(id)) == 9


async def test_a_secret_is_in_no_log_and_no_error_that_is_kept(fleet):
    hide("swordfish")
    row = await ended(fleet, fleet.job(working.tells, "swordfish"), "failed")
    assert row["log"] == "it is ..." and "not ..." in row["error"]
    await ended(fleet, fleet.each(["swordfish"], working.tells, label="All"), "failed")
    kept = [*fleet.db.rows("SELECT error, details, log FROM steps"), *fleet.db.rows("SELECT error, details FROM items")]
    assert "swordfish" not in str([tuple(row) for row in kept])
