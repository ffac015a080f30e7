"""The items of an `each` as rows: which are done, which come next, and what all of it is known by."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any

from ..db import Database
from ..files import Files
from ..text import without_secrets
from .results import Result

SLICE = 50_000  # bytes of rows read before others get their turn
TURN_S = 0.002  # of writing before others get theirs
DEATHS = 3      # of the server, and what ran at all of them is held to be the reason
DIED = "It was running each of the three times the server died, and may be what ended it."
WRITE = "INSERT OR REPLACE INTO items (step, number, digest, state, value, error, details, deaths) VALUES "
ROW = "(?, ?, ?, ?, ?, ?, ?, ?)"
TOO_LONG = "One item can have a result of 1 MB at most. Return less, a frame or bytes."


async def rows_of(db: Database, step: int, columns: str) -> AsyncIterator[Any]:
    """The rows of a step in order, a slice at a time."""
    last: int | None = -1
    while last is not None:
        size, start, last = 0, last, None
        for row in db.execute(f"SELECT number, {columns} FROM items WHERE step = ? AND number > ? ORDER BY number",
                              (step, start)):
            yield row
            size += 50 + sum(len(part) for part in row if isinstance(part, str))
            if size > SLICE:
                last = row["number"]
                break
        await asyncio.sleep(0)


async def content_of(db: Database, step: int) -> str:
    """The JSON that stands for all items of a step: it changes with any of them."""
    mixed = hashlib.sha256()
    async for row in rows_of(db, step, "state, coalesce(value, error) AS text"):
        mixed.update(f"{row['number']} {row['state']} {row['text']}\n".encode())
    return json.dumps(mixed.hexdigest()[:32])


async def insert(db: Database, step: int, values: Iterable[str]) -> None:
    """Store a long list, JSON each, in place of what a kill left of another one."""
    db.execute("DELETE FROM items WHERE step = ?", (step,))
    await _in_turns(db, "INSERT INTO items (step, number, digest, state, value) VALUES (?, ?, '', 'done', ?)",
                    ((step, number, value) for number, value in enumerate(values)))


async def _in_turns(db: Database, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """A statement for each of many rows; others get their turn now and then."""
    rest, more = iter(rows), True
    while more:
        end, more = time.monotonic() + TURN_S, False
        with db.transaction():
            for row in rest:
                db.execute(sql, row)
                if more := time.monotonic() > end:
                    break
        await asyncio.sleep(0)


class Items:
    """Those of one `each` that runs. Lives on the event loop."""

    def __init__(self, db: Database, files: Files, run: str, step: int, digests: list[str]) -> None:
        self._db, self._files, self._run, self._step, self._digests = db, files, run, step, digests
        self.total, self.done, self.failed = len(digests), 0, 0
        self.failures: list[int] = []
        self.deaths: dict[int, int] = {}  # of the server, while it ran
        self._waiting: deque[int] = deque()
        self._suspects: deque[int] = deque()  # which run one after the other

    async def _adopt(self) -> None:
        """Use again what an earlier row of this step has for the same items."""
        old: dict[str, tuple[int, int]] = {}
        for step in self._db.rows(
                "SELECT old.id FROM steps AS old JOIN steps AS new USING (run, label, key, kind) WHERE new.id = ? AND "
                "old.id != new.id AND old.again != 1 ORDER BY old.id", (self._step,)):
            async for row in rows_of(self._db, step["id"], "digest, state"):
                if row["state"] == "done":
                    old[row["digest"]] = (step["id"], row["number"])
        rows = ((self._step, number, *old[digest]) for number, digest in enumerate(self._digests) if digest in old)
        await _in_turns(self._db, "INSERT OR IGNORE INTO items (step, number, digest, state, value) SELECT ?, ?, "
                                  "digest, state, value FROM items WHERE (step, number) = (?, ?)", rows)

    async def load(self) -> None:
        """Find what is done. Rows of other arguments go."""
        await self._adopt()
        known: dict[int, tuple[str, int]] = {}
        wrong: list[tuple[int, int]] = []
        async for row in rows_of(self._db, self._step, "digest, state, deaths"):
            number = row["number"]
            if number < self.total and row["digest"] == self._digests[number]:
                known[number] = (row["state"], row["deaths"])
            else:
                wrong.append((self._step, number))
        self._db.connection.executemany("DELETE FROM items WHERE step = ? AND number = ?", wrong)
        for number in range(self.total):
            state, deaths = known.get(number, ("", 0))
            if state not in ("done", "failed") and deaths >= DEATHS:
                state = "failed"
                self._db.execute(WRITE + ROW, self._row(number, Result(state, error=DIED)))
            if state in ("done", "failed"):
                self._count(state, number)
                continue
            self.deaths[number] = deaths
            (self._suspects if deaths >= DEATHS - 1 else self._waiting).append(number)

    def take(self, number: int = 0, result: Result | None = None, file: str = "", *, first: bool) -> int | None:
        """Take the next one, marked as running, None at the end; and store the result of the one before, in one
        transaction. `file`: the id of one it made. `first`: for the one who takes the suspects.

        Raises `StorageError`, and then nothing is stored or taken.
        """
        # One statement, which is a transaction of its own: of two a page beside 10,000 items would notice.
        queue = self._suspects if first and self._suspects else self._waiting
        next = queue[0] if queue else None
        rows = [(self._step, next, self._digests[next], "running", None, "", "", self.deaths[next])
                ] if next is not None else []
        if result is not None:
            result = Result("failed", error=TOO_LONG) if result.rows is not None else result
            rows.append(self._row(number, result))
        sql = f"{WRITE}{', '.join([ROW] * len(rows))}"
        params = [part for row in rows for part in row]
        if file:
            with self._db.transaction():
                self._files.keep(file, run=self._run, step=f"{self._step}/{number}")
                self._db.execute(sql, params)
        elif rows:
            self._db.execute(sql, params)
        if next is not None:
            queue.popleft()
        if result is not None:
            self._count(result.state, number)
        return next

    def _row(self, number: int, result: Result) -> tuple[Any, ...]:
        return (self._step, number, self._digests[number], result.state,
                result.value if result.state == "done" else None, without_secrets(result.error),
                without_secrets(result.details), 0)

    def _count(self, state: str, number: int) -> None:
        self.done += state == "done"
        self.failed += state == "failed"
        self.failures += [number] * (state == "failed")
