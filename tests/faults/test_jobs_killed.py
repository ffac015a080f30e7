"""kill -9 of a server that runs jobs, and of what it runs them on: nothing is lost, nothing is stored twice."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from pathlib import Path

import pytest

from tests.harness import HX, Server, soak, until, until_now

PLUGIN = '''
import os, time
from pathlib import Path
from treadle import Progress, workflow

HERE = Path(__file__).parent

@workflow("Twenty", message="Twenty things.")
async def twenty(ui):
    workers = await ui.ask("Workers", int)
    on = await ui.ask("On", str)
    numbers = await ui.job("Numbers", numbered)
    done = await ui.each("Work", numbers, work, workers=workers, on=on)
    total = await ui.job("Total", added, done)
    ui.show(f"The total is {total}.")


def numbered():
    return list(range(20))


def work(n: int) -> int:
    with open(HERE / "ran.txt", "a") as ran:
        ran.write(f"{n} {os.getpid()}\\n")
    time.sleep(0.02)
    return n * n


def added(squares: list[int]) -> int:
    return sum(squares)


@workflow("Holds", message="It holds on.")
async def holds(ui):
    on = await ui.ask("On", str)
    await ui.each("Hold", [1, 2], hold, workers=2, on=on)


def hold(n):
    (HERE / f"holds{n}").write_text(str(os.getpid()))
    time.sleep(600)
'''


@pytest.fixture
def site(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "010_twenty.py").write_text(PLUGIN)
    server = Server(tmp_path, plugins=tmp_path / "plugins")
    yield server
    server.kill()


def rows(server: Server, sql: str, *params) -> list[sqlite3.Row]:
    """What the database holds, read beside the server."""
    connection = sqlite3.connect(f"file:{server.data / 'treadle.db'}?mode=ro", uri=True, timeout=5)
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute(sql, params).fetchall()
    finally:
        connection.close()


async def begin(server: Server, endpoint: str, *answers: str) -> str:
    """Start a run and answer its questions; its key."""
    async with server.client() as client:
        first = {"value": answers[0], "client_id": os.urandom(6).hex()}
        answer = await client.post(f"/runs/new/{endpoint}", data=first, headers=HX)
        assert answer.status_code in (200, 204, 303), (answer.status_code, answer.text)
        key = rows(server, "SELECT key FROM runs ORDER BY rowid DESC")[0]["key"]
        for value in answers[1:]:
            step = rows(server, "SELECT slug FROM steps WHERE run = ? AND state = 'open'", key)[0]
            rev = rows(server, "SELECT max(rev) AS rev FROM steps WHERE run = ?", key)[0]["rev"]
            answer = await client.post(f"/runs/{key}/steps/{step['slug']}", data={"value": value, "rev": str(rev)},
                                       headers=HX)
            assert answer.status_code in (200, 204, 303), (answer.status_code, answer.text)
        return key


def results(server: Server, key: str) -> list[tuple[int, str, str | None]]:
    return [(row["number"], row["state"], row["value"]) for row in rows(
        server, "SELECT i.* FROM items i JOIN steps s ON s.id = i.step WHERE s.run = ? AND s.slug = 'work' "
        "ORDER BY i.number", key)]


def complete(server: Server, key: str) -> bool:
    return bool(rows(server, "SELECT complete FROM runs WHERE key = ?", key)[0]["complete"])


@pytest.mark.parametrize("on", ["thread", "process"])
async def test_an_each_killed_at_any_instant_finishes_with_every_result_once(site, on):
    chance = random.Random(6)
    workers = 3
    kills = soak(3, 30) if on == "thread" else soak(1, 10)
    site.start()
    for kill in range(kills):
        ran = site.folder / "plugins" / "ran.txt"
        ran.unlink(missing_ok=True)
        key = await begin(site, "twenty", str(workers), on)
        await asyncio.sleep(chance.uniform(0, 0.25 if on == "thread" else 1.0))
        site.kill()
        site.restart()
        await until(lambda key=key: complete(site, key), within=30)
        assert results(site, key) == [(n, "done", str(n * n)) for n in range(20)], f"kill {kill}"
        again = len(ran.read_text().splitlines()) - 20
        assert 0 <= again <= workers, f"{again} items ran again after kill {kill}"
        [total] = rows(site, "SELECT value, state FROM steps WHERE run = ? AND slug = 'total'", key)
        assert tuple(total) == ("2470", "done")


async def test_workers_killed_from_outside_lose_nothing(site):
    ran = site.folder / "plugins" / "ran.txt"
    site.start()
    key = await begin(site, "twenty", "2", "process")
    for kill in range(2):  # a third could hit one that runs apart, which is then held to be the reason
        last = await until(lambda kill=kill: ran.exists() and (lines := ran.read_text().splitlines())[2 * kill:] and
                           lines[-1], within=30)
        try:
            os.kill(int(last.split()[1]), 9)
        except ProcessLookupError:
            continue  # it had gone with its pool
    await until(lambda: complete(site, key), within=30)
    assert results(site, key) == [(n, "done", str(n * n)) for n in range(20)]


async def test_a_killed_server_leaves_no_worker_behind_and_its_restart_is_not_refused(site):
    site.start()
    await begin(site, "holds", "process")
    held = [site.folder / "plugins" / f"holds{n}" for n in (1, 2)]
    await until(lambda: all(path.exists() and path.read_text() for path in held), within=20)
    pids = [int(path.read_text()) for path in held]
    assert all(alive(pid) for pid in pids)
    site.kill()
    site.restart()
    until_now(lambda: not any(alive(pid) for pid in pids))


@pytest.mark.parametrize("on", ["thread", "process"])
async def test_it_ends_in_under_2_s_with_blocked_jobs_and_writes_nothing(site, on):
    site.start()
    key = await begin(site, "holds", on)
    held = [site.folder / "plugins" / f"holds{n}" for n in (1, 2)]
    await until(lambda: all(path.exists() and path.read_text() for path in held), within=20)
    pids = [int(path.read_text()) for path in held]
    assert site.terminate() < 2
    assert site.returncode == 0
    [step] = rows(site, "SELECT state, deaths FROM steps WHERE run = ? AND slug = 'hold'", key)
    assert tuple(step) == ("running", 0)
    until_now(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
