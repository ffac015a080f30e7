"""The rows of steps and of their items: what is stored of a run. What writes is called inside a transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from .calls import FILE
from .db import Database
from .drawing import WORKS, Step, Stored
from .files import File, Files
from .results import PAGE, Row

T = TypeVar("T")
UNREAD = "Its stored result cannot be read any more."
UNSTEADY = "It was called with something else each time. What changes by itself, as clocks do, belongs in its function."
ANSWER_S = 10.0  # seconds the loop may take to answer a thread

LIVE = "state NOT IN ('open', 'reverted')"
HERE = "run = ? AND label = ? AND key = ?"


class Rows:
    """The items of one step, read in any thread: the connection belongs to the loop, which is asked."""

    def __init__(self, db: Database, files: Files, step: int) -> None:
        self._db, self._files, self._step = db, files, step
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._opened: dict[str, File] = {}

    def page(self, number: int) -> list[Row]:
        def work() -> list[Row]:
            rows = [Row._make(row) for row in self._db.rows(
                "SELECT number, state, value, error FROM items WHERE step = ? AND number >= ? AND number < ?",
                (self._step, number * PAGE, (number + 1) * PAGE))]
            self._opened = {id[1]: self._files.get(id[1]) for row in rows if row.value is not None
                            and (id := FILE.fullmatch(row.value)) is not None}
            return rows

        return self._asked(work)

    def count(self) -> int:
        sql = "SELECT coalesce(max(number) + 1, 0) AS count FROM items WHERE step = ?"
        return self._asked(lambda: int(self._db.one(sql, (self._step,))["count"]))

    def done(self) -> list[int]:
        return self._asked(lambda: [row["number"] for row in self._db.rows(
            "SELECT number FROM items WHERE step = ? AND state = 'done' ORDER BY number", (self._step,))])

    def open_file(self, id: str) -> File:
        return self._opened.get(id) or self._asked(lambda: self._files.get(id))

    def _asked(self, work: Callable[[], T]) -> T:
        if threading.get_ident() == self._thread:  # also where the loop stands still, as between two lines of a test
            return work()
        answer: Future[T] = Future()

        def tell() -> None:
            try:
                answer.set_result(work())
            except Exception as error:  # noqa: BLE001 - it is raised in the thread that asked
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(tell)
        return answer.result(ANSWER_S)


class Steps:
    """The steps of all runs, by run."""

    def __init__(self, db: Database, files: Files) -> None:
        self._db, self._files = db, files

    # reading

    def rows(self, run: str) -> list[sqlite3.Row]:
        """Every row but the open one, oldest first. `listed`: it has items."""
        return self._db.rows("SELECT *, EXISTS (SELECT 1 FROM items WHERE step = steps.id) AS listed FROM steps "
                             "WHERE run = ? AND state != 'open' ORDER BY id", (run,))

    def stored(self, rows: Sequence[sqlite3.Row]) -> list[Stored]:
        """The rows as replay takes them."""
        return [Stored(row["label"], row["key"], row["kind"], row["value"], row["digest"], row["state"], row["id"],
                       Rows(self._db, self._files, row["id"]) if row["listed"] or row["kind"] == "each" else None,
                       row["error"], row["version"]) for row in rows]

    def rev(self, run: str) -> int:
        """The rev of the last answer, revert, undo or end of a job: what the form of the open step carries."""
        return int(self._db.one("SELECT coalesce(max(rev), 0) AS rev FROM steps WHERE run = ?", (run,))["rev"])

    def unsealed(self, run: str) -> list[int]:
        """Lists that are done, of which nobody has said yet what is in them."""
        return [row["id"] for row in self._db.rows(
            "SELECT id FROM steps WHERE run = ? AND state = 'done' AND value IS NULL", (run,))]

    def _result(self, run: str, step: Step) -> sqlite3.Row | None:
        """The row of a result that counted before, of a call with the same arguments."""
        return self._db.first(f"SELECT id FROM steps WHERE {HERE} AND kind = ? AND digest = ? AND state = 'reverted' "
                              "AND was = 'done' AND value IS NOT NULL AND again = 0 ORDER BY rev DESC, id DESC",
                              (run, step.label, step.key, step.kind, step.work.digest if step.work else ""))

    # writing

    def open(self, run: str, step: Step, rev: int) -> None:
        """The row of the question that waits."""
        self.retire(run, step)
        self.insert(run, step, "open", rev, at=0.0)

    def answer(self, run: str, step: Step, value: str, rev: int, *, by: str, at: float) -> None:
        """A question and its answer, in the place of an older one."""
        self._db.execute("DELETE FROM steps WHERE run = ? AND state = 'open'", (run,))
        self._db.execute("UPDATE steps SET undo = 0 WHERE run = ?", (run,))
        self.retire(run, step, rev=rev)
        self.insert(run, step, "done", rev, value=value, by=by, at=at)

    def begin(self, run: str, step: Step, rev: int, *, code: str, at: float) -> int:
        """What is to run: with the result it had for these arguments, or from nothing. The id of its row; 0 where a
        result is used again, or where this very code gave one that cannot be read, or is not wanted although nothing
        has happened since."""
        assert step.work is not None
        if self._db.execute(  # the digest * fits any call: what is tried again is taken
                "UPDATE steps SET state = 'failed', error = iif(digest = ?1, ?2, ?3), rev = ?4, digest = "
                "iif(digest = ?1, ?1, '*') WHERE state = 'done' AND version = ?5 AND (digest = ?1 OR rev > (SELECT "
                "coalesce(max(rev), 0) FROM steps AS other WHERE other.run = steps.run AND other.id != steps.id)) "
                f"AND {HERE}", (step.work.digest, UNREAD, UNSTEADY, rev, code, run, step.label, step.key)).rowcount:
            return 0  # run again by itself, it might do so for ever
        self.retire(run, step, rev=rev, spent=step.work.digest)
        found = self._result(run, step)
        if found is not None:
            self._db.execute("UPDATE steps SET state = 'done', undo = 0, position = ?, slug = ?, rev = ? WHERE id = ?",
                             (step.number, step.slug, rev, found["id"]))
            return 0
        return self.insert(run, step, "running", rev, code=code, at=at)

    def insert(self, run: str, step: Step, state: str, rev: int, *, value: str | None = None, by: str = "person",
               code: str = "", at: float) -> int:
        """One row. Its id."""
        shown = step.approve or step.work
        return self._db.execute(
            "INSERT INTO steps (run, label, key, slug, kind, state, value, digest, position, answered_at, created_at, "
            "started_at, version, by, rev) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (run, step.label, step.key, step.slug, step.kind, state, value, shown.digest if shown else "", step.number,
             at if state == "done" else None, at, at if state == "running" else None, code, by, rev)).lastrowid or 0

    def retire(self, run: str, step: Step, *, rev: int | None = None, spent: str | None = None) -> None:
        """What is stored of a step no longer counts, and stays as the default. `spent`: nor is a result used again
        that has this digest, as it does not fit although it has."""
        self._db.execute(f"UPDATE steps SET was = state, state = 'reverted', again = (digest IS ? AND state = 'done'), "
                         f"rev = coalesce(?, rev) WHERE {HERE} AND {LIVE}",
                         (spent, rev, run, step.label, step.key))

    def place(self, run: str, drawn: Sequence[Step]) -> None:
        """Write down where the live steps stand in a drawing; 0 for those that do not come in it. What came to no end
        and does not come any more no longer counts."""
        places = {(step.label, step.key): step.number for step in drawn}
        for row in self._db.rows(f"SELECT id, label, key, position, state FROM steps WHERE run = ? AND {LIVE}", (run,)):
            position = places.get((row["label"], row["key"]), 0)
            if position != row["position"]:
                self._db.execute("UPDATE steps SET position = ? WHERE id = ?", (position, row["id"]))
            if not position and row["state"] != "done":
                self._db.execute("UPDATE steps SET was = state, state = 'reverted' WHERE id = ?", (row["id"],))

    def revert(self, run: str, step: Step, rev: int, *, undo: int, keep: bool = False) -> int:
        """Ask a step and all after it again. How many counted until now. `keep`: items that are done are used again."""
        self._db.execute("DELETE FROM steps WHERE run = ? AND state = 'open'", (run,))
        found = self._db.execute(
            f"UPDATE steps SET was = state, state = 'reverted', rev = ?, undo = ? AND NOT EXISTS (SELECT 1 FROM steps "
            "AS old WHERE old.undo = 1 AND (old.run, old.label, old.key) = (steps.run, steps.label, steps.key)) "
            f"WHERE run = ? AND {LIVE} AND (position = 0 OR position >= (SELECT position FROM steps WHERE {HERE} AND "
            f"{LIVE}))", (rev, undo, run, run, step.label, step.key)).rowcount
        if found and step.kind in WORKS:
            self._db.execute(f"UPDATE steps SET again = iif(? AND again != 1, 2, 1) WHERE {HERE}",
                             (keep, run, step.label, step.key))
        return found

    def undo(self, run: str, rev: int) -> int:
        """Give back what was reverted last. How many there are."""
        self._db.execute("DELETE FROM steps WHERE run = ? AND state = 'open'", (run,))
        self._db.execute(f"UPDATE steps SET was = state, state = 'reverted', rev = ? WHERE run = ? AND {LIVE} AND "
                         "position >= (SELECT min(position) FROM steps WHERE run = ? AND undo = 1 AND position > 0)",
                         (rev, run, run))
        return self._db.execute("UPDATE steps SET state = was, undo = 0, again = 0, rev = ? WHERE run = ? AND undo = 1",
                                (rev, run)).rowcount
