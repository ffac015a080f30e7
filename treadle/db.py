"""The database: one connection on the event loop, WAL, and one fsync shared by all who wait for the disk."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from .errors import StartError, StorageError

Params = Sequence[Any] | Mapping[str, Any]
SCHEMA_VERSION = 3  # PRAGMA user_version; raise it with every migration added to schema.py
QUICK_CHECK_LIMIT = 100_000_000  # bytes; above it the check runs after serving has begun
REFUSALS = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_BUSY}  # BUSY: another program has held the file for 2 s


class Database:
    """Rows are written in `transaction()`; what a person was told is saved waits for `durable()`.

    `epoch` is the identity of this database: it changes only when a backup is restored.
    """

    def __init__(self, path: Path | str) -> None:
        """Open or create. Raises `StartError` when the file cannot be read or is damaged; it is left as it is."""
        self.path = path
        self._memory = path == ":memory:"
        self._syncs = ThreadPoolExecutor(1, thread_name_prefix="fsync")
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        self.sync_count = 0
        marker = None if self._memory else Path(path).with_suffix(".initialised")
        if marker is not None and marker.exists() and (not Path(path).exists() or Path(path).stat().st_size == 0):
            raise StartError(f"The database {path} is gone or empty, although it held data.",
                             hint=f"Put a backup in its place, or remove {marker} to begin anew.")
        try:
            if not self._memory:
                Path(path).touch(mode=0o600)  # SQLite gives its -wal file the same permissions
            self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=True)
            self.connection.row_factory = sqlite3.Row
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "busy_timeout = 2000",
                           "temp_store = MEMORY"):
                self.connection.execute(f"PRAGMA {pragma}")
            self._large = not self._memory and Path(path).stat().st_size > QUICK_CHECK_LIMIT
            if not self._large:
                self._check(self.connection)
            self._migrate()
            self.epoch: str = self.connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0]
            if marker is not None and not marker.exists():
                marker.touch(mode=0o600)
        except (sqlite3.Error, OSError, TypeError) as error:  # TypeError: the table is there and empty
            raise StartError(f"The database {path} cannot be opened: {error}.",
                             hint="It was left as it is. Restore a backup, or choose another folder with --data."
                             ) from error

    async def check_large(self) -> None:
        """Once serving has begun: check a database that was too large for it before, in a thread with a connection of
        its own. Raises `StartError` as opening does."""
        def work() -> None:
            with closing(sqlite3.connect(self.path)) as connection:
                self._check(connection)

        if self._large:
            await asyncio.to_thread(work)

    def _check(self, connection: sqlite3.Connection) -> None:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise StartError(f"The database {self.path} is damaged: {verdict}.",
                             hint="It was left as it is. Restore a backup, or choose another folder with --data.")

    def _migrate(self) -> None:
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StartError(f"The database {self.path} was written by a newer Treadle.", hint="Start that one.")
        if version and not self.connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            raise sqlite3.DatabaseError("it holds no table of Treadle")  # migrating would fill somebody else's file
        if version < SCHEMA_VERSION:
            from .schema import migrate  # sqlite-utils is imported only where there is something to migrate

            migrate(self.connection, version=SCHEMA_VERSION, epoch=secrets.token_hex(4))

    def execute(self, sql: str, params: Params = ()) -> sqlite3.Cursor:
        """Run one statement. Raises `StorageError` when the disk refuses."""
        try:
            return self.connection.execute(sql, params)
        except sqlite3.DatabaseError as error:
            _tell(error)
            raise

    def rows(self, sql: str, params: Params = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self.execute(sql, params).fetchall()

    def one(self, sql: str, params: Params = ()) -> sqlite3.Row:
        """The first row of a query that always has one. Raises `LookupError` where it has none."""
        row = self.first(sql, params)
        if row is None:
            raise LookupError(sql)
        return row

    def first(self, sql: str, params: Params = ()) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        found = self.execute(sql, params)
        try:
            row: sqlite3.Row | None = found.fetchone()
        except sqlite3.DatabaseError as error:  # an INSERT with RETURNING is committed by its last row
            _tell(error)
            raise
        return row

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction: all of it or nothing. Does not nest, and nothing may be awaited inside."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    async def durable(self) -> None:
        """Wait until everything committed before this call is on the disk.

        All who wait share one fsync of the -wal file. Cancelling a waiter cancels nobody's sync.
        Raises `StorageError` when the disk refuses.
        """
        if self._memory:
            return
        if self._next is None:  # a sync that has begun may have missed our commit; the next one cannot
            self._next = asyncio.get_running_loop().create_task(self._sync(self._running), name="durable")
        await asyncio.shield(self._next)

    async def _sync(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        try:
            await asyncio.get_running_loop().run_in_executor(self._syncs, self._fsync)
        except OSError as error:
            raise StorageError(f"The disk refused to save: {error.strerror or error}.",
                               hint="Make room, then try again.") from error

    def _fsync(self) -> None:
        file = os.open(f"{self.path}-wal", os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
        self.sync_count += 1

    def close(self) -> None:
        """Close the connection; what is committed stays."""
        self._syncs.shutdown(wait=False)
        self.connection.close()


def _tell(error: sqlite3.DatabaseError) -> None:
    """Raise a `StorageError` if this is the disk refusing."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in REFUSALS:
        raise StorageError(f"The disk refused to save: {error}.",
                           hint="Make room, then try again. Nothing that was saved is lost.") from error
