"""The ground everything stands on: database, feed, folder, tasks."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from contextlib import closing

import pytest

from treadle.db import Database
from treadle.errors import StartError, StorageError
from treadle.feed import Feed
from treadle.folder import DataFolder
from treadle.tasks import Tasks


@pytest.fixture
def db(tmp_path):
    database = Database(tmp_path / "treadle.db")
    yield database
    database.close()


def put(db: Database, key: str, rev: int) -> None:
    db.execute("INSERT INTO settings VALUES (?, '', ?)", (key, rev))


def test_a_change_moves_the_counter_with_its_rows(db):
    feed = Feed(db)
    with feed.change() as rev:
        put(db, "a", rev)
    assert (rev, feed.rev) == (1, 1)
    assert db.one("SELECT rev FROM settings")["rev"] == 1


def test_a_change_that_fails_moves_neither_the_counter_nor_a_row_and_wakes_nobody(db):
    feed = Feed(db)
    with pytest.raises(ZeroDivisionError), feed.change() as rev:
        put(db, "a", rev)
        1 / 0  # noqa: B018 - the failure
    assert (feed.rev, feed.tick, db.rows("SELECT * FROM settings")) == (0, 0, [])


def test_the_counter_rises_across_restarts_and_the_epoch_stays(tmp_path):
    first = Database(tmp_path / "treadle.db")
    with Feed(first).change() as rev:
        put(first, "a", rev)
    first.close()
    second = Database(tmp_path / "treadle.db")
    with Feed(second).change() as later:
        put(second, "b", later)
    assert later > rev
    assert second.epoch == first.epoch
    second.close()


async def test_a_change_between_looking_and_waiting_is_not_missed(db):
    feed = Feed(db)
    seen = feed.tick
    with feed.change() as rev:
        put(db, "a", rev)
    assert await asyncio.wait_for(feed.wait_after(seen), 1) == seen + 1


async def test_every_waiter_wakes_at_one_change_and_a_cancelled_one_harms_nobody(db):
    feed = Feed(db)
    waiters = [asyncio.ensure_future(feed.wait_after(0)) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    await asyncio.sleep(0)
    feed.wake()
    assert await asyncio.gather(*waiters[1:]) == [1, 1]
    assert waiters[0].cancelled()


async def test_all_who_wait_for_the_disk_at_once_share_one_sync(db):
    with Feed(db).change() as rev:
        put(db, "a", rev)
    await asyncio.gather(*(db.durable() for _ in range(50)))
    assert db.sync_count == 1


async def test_a_commit_during_a_sync_gets_a_sync_of_its_own(db):
    feed = Feed(db)
    with feed.change() as rev:
        put(db, "a", rev)
    early = asyncio.ensure_future(db.durable())
    while db._running is None:  # until the first sync has begun
        await asyncio.sleep(0)
    with feed.change() as rev:
        put(db, "b", rev)
    late = asyncio.ensure_future(db.durable())
    await asyncio.gather(early, late)
    assert db.sync_count == 2


async def test_a_waiter_that_gives_up_does_not_cancel_the_sync_of_the_others(db):
    with Feed(db).change() as rev:
        put(db, "a", rev)
    one, other = asyncio.ensure_future(db.durable()), asyncio.ensure_future(db.durable())
    await asyncio.sleep(0)
    one.cancel()
    await other
    assert db.sync_count == 1


def test_a_database_that_was_emptied_is_refused_and_not_begun_anew(tmp_path):
    path = tmp_path / "treadle.db"
    Database(path).close()
    path.write_bytes(b"")
    with pytest.raises(StartError, match="gone or empty"):
        Database(path)
    assert path.read_bytes() == b""


def test_a_damaged_database_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "treadle.db"
    database = Database(path)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    whole = path.read_bytes()
    damaged = whole[:4096] + b"\xff" * 4096 + whole[8192:]
    path.write_bytes(damaged)
    with pytest.raises(StartError):
        Database(path)
    assert path.read_bytes() == damaged


async def test_a_large_database_is_checked_beside_serving(tmp_path, monkeypatch):
    path = tmp_path / "treadle.db"
    database = Database(path)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    monkeypatch.setattr("treadle.db.QUICK_CHECK_LIMIT", 0)
    database = Database(path)
    await database.check_large()
    database.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-4096] + b"\xff" * 4096)
    database = Database(path)
    with pytest.raises(StartError, match="damaged"):
        await database.check_large()
    database.close()


def test_a_database_another_program_holds_refuses_for_now(db):
    db.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(db.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked"), Feed(db).change():
            pass
    with Feed(db).change() as rev:
        put(db, "a", rev)


def test_a_database_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "treadle.db"
    Database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(StartError, match="newer Treadle"):
        Database(path)


def test_a_second_server_on_one_folder_is_refused_with_the_address_of_the_first(tmp_path):
    first = DataFolder(tmp_path)
    first.announce(address="http://127.0.0.1:5001")
    with pytest.raises(StartError, match=r"Another Treadle at http://127\.0\.0\.1:5001"):
        DataFolder(tmp_path)
    first.close()
    DataFolder(tmp_path).close()


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    folder = DataFolder(tmp_path)
    secret = folder.secret("token")
    assert folder.secret("token") == secret
    assert len(secret) >= 22  # 128 bits
    assert stat.S_IMODE(os.stat(tmp_path / "token").st_mode) == 0o600
    folder.close()


def test_an_empty_secret_that_a_loss_of_power_left_opens_nothing(tmp_path):
    (tmp_path / "token").write_text("")
    folder = DataFolder(tmp_path)
    assert folder.secret("token") == folder.secret("token") != ""
    folder.close()


async def test_closing_ends_every_task_also_one_that_starts_another(tmp_path):
    tasks = Tasks()
    ended = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def parent() -> None:
        tasks.start(work("child"), name="child")
        await work("parent")

    tasks.start(parent(), name="parent")
    for _ in range(2):  # the parent begins, then the child
        await asyncio.sleep(0)
    await tasks.close()
    assert sorted(ended) == ["child", "parent"]
