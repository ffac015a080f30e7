"""The items of an `each` as rows: which are done, which come next, and what all of it is known by."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Any

from ..db import Database
from ..files import Files
from ..text import without_secrets
from .results import Result

SLICE = 50_000  # bytes of rows read or written before others get their turn
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


async def insert(db: Database, step: int, values: Iterable[str]) -> None:
    """Store a long list, JSON each, a slice at a time, in place of what a kill left of another one."""
    db.execute("DELETE FROM items WHERE step = ?", (step,))
    rest = enumerate(values)
    more = True
    while more:
        size, more = 0, False
        with db.transaction():
            for number, value in rest:
                db.execute("INSERT INTO items (step, number, digest, state, value) VALUES (?, ?, '', 'done', ?)",
                           (step, number, value))
                size += 50 + len(value)
                if more := size > SLICE:
                    break
        await asyncio.sleep(0)


class Items:
    """Those of one `each` that runs. Lives on the event loop."""

    def __init__(self, db: Database, files: Files, run: str, step: int, digests: list[str]) -> None:
        self._db, self._files, self._run, self._step, self._digests = db, files, run, step, digests
        self.total, self.done, self.failed = len(digests), 0, 0
        self.suspects: set[int] = set()  # what ran when the server died, twice
        self._deaths: dict[int, int] = {}
        self._waiting: deque[int] = deque()

    async def load(self) -> None:
        """Find what is done. Rows of other arguments go."""
        known: dict[int, tuple[str, int]] = {}
        wrong: list[tuple[int, int]] = []
        async for row in rows_of(self._db, self._step, "digest, state, deaths"):
            number = row["number"]
            if number < self.total and row["digest"] == self._digests[number]:
                known[number] = (row["state"], row["deaths"])
            else:
                wrong.append((self._step, number))
        for place in wrong:
            self._db.execute("DELETE FROM items WHERE step = ? AND number = ?", place)
        for number in range(self.total):
            state, deaths = known.get(number, ("", 0))
            if deaths:
                self._deaths[number] = deaths
            if state == "running" and deaths >= DEATHS:
                self._db.execute(WRITE + ROW, self._row(number, Result("failed", error=DIED)))
                self._count("failed")
            elif state in ("done", "failed"):
                self._count(state)
            elif state == "running" and deaths >= DEATHS - 1:
                self.suspects.add(number)
                self._waiting.appendleft(number)
            else:
                self._waiting.append(number)

    def take(self) -> int | None:
        """The next one, marked as running; None at the end."""
        return self._commit(None, None, "")

    def put(self, number: int, result: Result, file: str = "") -> int | None:
        """Store a result and take the next, in one transaction. `file`: the id of one it made.

        Raises `StorageError`, and then nothing is stored or taken.
        """
        return self._commit(number, Result("failed", error=TOO_LONG) if result.rows is not None else result, file)

    def _commit(self, number: int | None, result: Result | None, file: str) -> int | None:
        """One statement, which is a transaction of its own: of two a page beside 10,000 items would notice."""
        next = self._waiting[0] if self._waiting else None
        rows = [(self._step, next, self._digests[next], "running", None, "", "", self._deaths.get(next, 0))
                ] if next is not None else []
        if number is not None and result is not None:
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
            self._waiting.popleft()
        if result is not None:
            self._count(result.state)
        return next

    def _row(self, number: int, result: Result) -> tuple[Any, ...]:
        return (self._step, number, self._digests[number], result.state,
                result.value if result.state == "done" else None, without_secrets(result.error),
                without_secrets(result.details), 0)

    def _count(self, state: str) -> None:
        self.done += state == "done"
        self.failed += state == "failed"
