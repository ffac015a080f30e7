"""Runs as things that are kept: the list, names, deleting and undoing that, forks, history, and runs as files.

What happens inside a run is in `runs`. Every change here is one transaction and a line of the run's history.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from .archive_files import BATCH, SavedRuns
from .clock import Clock
from .db import Database
from .drawing import WORKS
from .errors import InvalidAnswer, NotFound
from .feed import Feed
from .files import DAY, Files
from .runs import Run, Runs

PAGE = 50  # runs of one page of the list
NAME_MOST = 120  # characters of a name
LIKE = re.compile(r"[\\%_]")  # what LIKE does not take as it is

Stop = Callable[[str, str], Awaitable[None]]  # stops the job of a run, by its key and the step's slug


class Line(NamedTuple):
    """A run in the list. `step`, `kind` and `step_state` are those of the live step that is not done, or "".

    `items` of `items_all`: how far an each is that runs. `deleted`: 1 while that can be undone.
    """

    key: str
    endpoint: str
    title: str
    state: str
    complete: int
    advance_due: int
    origin: str
    deleted: int
    rev: int
    updated_at: float
    answered: int
    step: str
    kind: str
    step_state: str
    step_id: int


class Listing(NamedTuple):
    """A page of the list. `counts`: of "", "unfinished", "finished" and "deleted", whatever state is asked for."""

    lines: Sequence[Line]
    counts: dict[str, int]
    page: int
    pages: int
    matched: int


class Result(NamedTuple):
    """A step that is done, failed or stopped. `value` is JSON, and so is the first of each of its `items`, or None
    where that failed; the second is why."""

    label: str
    key: str
    kind: str
    state: str
    value: str | None
    error: str
    items: Sequence[tuple[str | None, str]]


class Told(NamedTuple):
    """A line of a run's history: when, who (person, model, command line, job), and what."""

    at: float
    by: str
    what: str
    label: str
    text: str


STATES = {"": "deleted = 0", "unfinished": "deleted = 0 AND state = 'open' AND complete = 0",
          "finished": "deleted = 0 AND NOT (state = 'open' AND complete = 0)", "deleted": "deleted = 1"}
LINES = """SELECT r.key, r.endpoint, r.title, r.state, r.complete, r.advance_due, r.origin, r.deleted, r.rev,
    r.updated_at, (SELECT count(*) FROM steps WHERE run = r.key AND state = 'done') AS answered,
    coalesce(s.label, ''), coalesce(s.kind, ''), coalesce(s.state, ''), coalesce(s.id, 0)
    FROM runs r LEFT JOIN steps s ON s.run = r.key AND s.state NOT IN ('done', 'reverted')"""


class Archive(SavedRuns):
    """All runs, from outside. Lives on the event loop."""

    def __init__(self, db: Database, feed: Feed, clock: Clock, files: Files, runs: Runs) -> None:
        super().__init__(db, feed, clock, files)
        self._runs = runs
        self.stop: Stop | None = None  # set by the core: how a job ends whose run is deleted
        db.connection.create_function("folded", 1, lambda text: str(text).casefold(), deterministic=True)

    # reading

    def list(self, *, state: str = "", endpoint: str = "", query: str = "", page: int = 1) -> Listing:
        """A page of 50 runs, the one last worked on first. Every word of `query` is in the title, the key or an
        answer. A page too far is the last one."""
        where, params = self._where(endpoint, query)
        sums = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in STATES.values())
        counts = dict(zip(STATES, self._db.one(f"SELECT {sums} FROM runs WHERE {where}", params), strict=True))
        state = state if state in STATES else ""
        pages = max(1, -(-counts[state] // PAGE))
        page = min(max(1, page), pages)
        keys = self._db.rows(f"SELECT key FROM runs WHERE {where} AND {STATES[state]} ORDER BY rev DESC "
                             f"LIMIT {PAGE} OFFSET {(page - 1) * PAGE}", params)
        return Listing(self.lines([row["key"] for row in keys]), counts, page, pages, counts[state])

    def lines(self, keys: Sequence[str]) -> Sequence[Line]:
        """These runs, in this order; what is deleted for good is left out."""
        marks = ",".join("?" * len(keys))
        rows = self._db.rows(f"{LINES} WHERE r.key IN ({marks}) AND r.deleted < 2", tuple(keys))
        found = {row["key"]: Line(*row) for row in rows}
        return [found[key] for key in keys if key in found]

    def _where(self, endpoint: str, query: str) -> tuple[str, dict[str, str]]:
        where, params = ["deleted < 2"], {"endpoint": endpoint}
        if endpoint:
            where.append("endpoint = :endpoint")
        for n, word in enumerate(query.split()[:8]):
            params[f"w{n}"] = word.casefold()
            params[f"a{n}"] = "%" + LIKE.sub(r"\\\g<0>", json.dumps(word, ensure_ascii=False)[1:-1]) + "%"
            where.append(f"(instr(folded(title), :w{n}) OR instr(key, :w{n}) OR EXISTS (SELECT 1 FROM steps WHERE "
                         "run = runs.key AND state = 'done' AND kind IN ('ask', 'form', 'choose') AND "
                         f"value LIKE :a{n} ESCAPE '\\'))")
        return " AND ".join(where), params

    def count(self) -> int:
        """How many runs there are."""
        return int(self._db.one("SELECT count(*) AS n FROM runs WHERE deleted = 0")["n"])

    def endpoints(self) -> Sequence[str]:
        """The workflows that have runs."""
        return [row["endpoint"] for row in
                self._db.rows("SELECT DISTINCT endpoint FROM runs WHERE deleted < 2 ORDER BY endpoint")]

    def line(self, key: str) -> Line:
        """A run, also one that was deleted within a day. Raises `NotFound`."""
        found = self.lines([key])
        if not found:
            raise NotFound(f"There is no run {key[:80]}.", hint="The list of runs has those there are.")
        return found[0]

    def is_deleted(self, key: str) -> bool:
        """Whether this run was deleted and can be brought back."""
        return self._db.first("SELECT 1 FROM runs WHERE key = ? AND deleted = 1", (key,)) is not None

    def history(self, key: str, *, limit: int = 10_000) -> Sequence[Told]:
        """What happened to a run, the latest first."""
        return [Told(*row) for row in self._db.rows(
            "SELECT at, by, what, label, text FROM history WHERE run = ? ORDER BY id DESC LIMIT ?", (key, limit))]

    async def results(self, key: str, *, items: int = 20_000) -> Sequence[Result]:
        """What the steps of a run gave, in their order, as it is stored: for what is not drawn by replay.

        `items`: how many of them at most, of all steps together.
        """
        found: list[Result] = []
        for number, (id,) in enumerate(self._db.rows("SELECT id FROM steps WHERE run = ? AND state NOT IN ('reverted', "
                                                     "'open') ORDER BY position, id", (key,))):
            if number % BATCH == 0:
                await asyncio.sleep(0)  # others have their turn, and may revert what comes
            for row in self._db.rows("SELECT label, key, kind, state, value, error FROM steps WHERE id = ?", (id,)):
                parts = [(item["value"], item["error"]) for item in self._db.rows(
                    "SELECT value, error FROM items WHERE step = ? ORDER BY number LIMIT ?", (id, items))]
                items -= len(parts)
                found.append(Result._make((*row, parts)))
        return found

    # changing

    async def rename(self, key: str, title: str, *, by: str = "person") -> None:
        """Give a run a name, which stays. An empty one gives the naming back. Raises `InvalidAnswer`, `NotFound`."""
        run = self._runs.get(key)
        name = " ".join(title.split())
        if len(name) > NAME_MOST:
            raise InvalidAnswer(f"The name is {len(name):,} characters; the limit is {NAME_MOST}.", field="title",
                                hint="Shorten it.")
        with self._feed.change() as rev:
            self._db.execute("UPDATE runs SET title = ?, named = ?, rev = ? WHERE key = ?",
                             (name or run.title, bool(name), rev, key))
            self._tell(key, by, "renamed", text=name)
        if not name:
            title = (await self._runs.draw(key)).title
            with self._feed.change() as rev:
                self._db.execute("UPDATE runs SET title = ?, rev = ? WHERE key = ? AND named = 0", (title, rev, key))
        await self._db.durable()

    async def delete(self, keys: Sequence[str], *, by: str = "person") -> Sequence[str]:
        """Delete runs; what works in them is stopped. `restore` undoes it for a day. Returns the keys that were there.
        """
        gone = [line for line in self.lines(keys) if not line.deleted]
        for line in gone:
            for row in self._db.rows("SELECT slug FROM steps WHERE run = ? AND state = 'running'", (line.key,)):
                if self.stop is not None:
                    await self.stop(line.key, row["slug"])
        if gone:
            with self._feed.change() as rev:
                for line in gone:  # a form sent again does not find it by its client id
                    self._db.execute("UPDATE runs SET deleted = 1, deleted_at = ?, client_id = NULL, rev = ? "
                                     "WHERE key = ? AND deleted = 0", (self._clock.now(), rev, line.key))
                    self._tell(line.key, by, "deleted")
            await self._db.durable()
        return [line.key for line in gone]

    async def restore(self, keys: Sequence[str], *, by: str = "person") -> Sequence[str]:
        """Undo `delete`. Returns the keys that came back."""
        back = [line.key for line in self.lines(keys) if line.deleted == 1]
        if back:
            with self._feed.change() as rev:
                for key in back:
                    self._db.execute("UPDATE runs SET deleted = 0, deleted_at = NULL, rev = ? WHERE key = ?",
                                     (rev, key))
                    self._tell(key, by, "restored")
            for key in back:
                await self._runs.advance(key)
            await self._db.durable()
        return back

    def recover(self) -> None:
        """At the start: remove for good what was deleted a day ago, and what a kill left of an import. The key stays
        taken, so that an old link never opens another run."""
        for row in self._db.rows("SELECT key FROM runs WHERE (deleted = 1 AND deleted_at < ?) OR (deleted = 2 AND "
                                 "title != '')", (self._clock.now() - DAY,)):
            key = row["key"]
            with self._db.transaction():
                self._db.execute("DELETE FROM steps WHERE run = ?", (key,))
                self._db.execute("DELETE FROM history WHERE run = ?", (key,))
                self._db.execute("UPDATE runs SET deleted = 2, title = '', reverted_to = '', origin = '' WHERE key = ?",
                                 (key,))
            self._files.remove(key)
        self._files.remove_under("import/")

    async def fork(self, key: str, slug: str = "", *, by: str = "person") -> Run:
        """A new run with the answers before the step `slug`, which it asks again, the later ones as defaults; without
        `slug` with all of them. The run itself is not touched. Raises `NotFound`.
        """
        run = self._runs.get(key)
        at, label, again = 1_000_000_000, "", None
        if slug:
            row = self._db.first("SELECT position, label, key, kind FROM steps WHERE run = ? AND slug = ? AND "
                                 "state != 'reverted'", (key, slug))
            if row is None:
                raise NotFound(f"This run has no step {slug[:80]}.")
            at, label = row["position"], row["label"]
            again = (row["label"], row["key"]) if row["kind"] in WORKS else None
        shared = {row["id"]: await asyncio.to_thread(self._files.share, row["id"]) for row in
                  self._db.rows("SELECT id FROM files WHERE run = ? AND kept = 1", (key,))}
        with self._feed.change() as rev:
            new = self._insert_run(run.endpoint, rev, origin=key)
            self._db.execute("UPDATE runs SET (title, named, version) = (SELECT title, named, version FROM runs WHERE "
                             "key = ?), advance_due = 1 WHERE key = ?", (key, new))
            self._copy_steps(key, new, at, rev)
            if again is not None:  # a job that is forked at runs again
                self._db.execute("UPDATE steps SET again = 1 WHERE run = ? AND label = ? AND key = ?", (new, *again))
            for old, id in shared.items():
                self._db.execute("INSERT INTO files (id, run, step, name, size, sha256, kept, created_at) SELECT ?, ?, "
                                 "step, name, size, sha256, 1, created_at FROM files WHERE id = ?", (id, new, old))
                for table, mine in (("steps", "run = :run"),
                                    ("items", "step IN (SELECT id FROM steps WHERE run = :run)")):
                    self._db.execute(f"UPDATE {table} SET value = replace(value, :old, :new) WHERE {mine} AND "
                                     "instr(value, :old)", {"run": new, "old": old, "new": id})
            self._tell(key, by, "forked", label, f"to {new}")
            self._tell(new, by, "forked", label, f"from {key}")
        await self._runs.advance(new)
        await self._db.durable()
        return self._runs.get(new)

    def _copy_steps(self, key: str, new: str, at: int, rev: int) -> None:
        """Rows as they are; those from position `at` on, and what runs, as what was reverted: results are used again,
        so what counted last comes last."""
        columns = ", ".join(row["name"] for row in self._db.rows(
            "SELECT name FROM pragma_table_info('steps') WHERE name NOT IN ('id', 'run', 'state', 'was', 'undo', "
            "'rev')"))
        items = ", ".join(row["name"] for row in self._db.rows(
            "SELECT name FROM pragma_table_info('items') WHERE name != 'step'"))
        for row in self._db.rows("SELECT id, state, was, position FROM steps WHERE run = ? AND state != 'open' "
                                 "ORDER BY state != 'reverted', rev, id", (key,)):
            state, was = row["state"], row["was"]
            if state != "reverted" and (state == "running" or not 0 < row["position"] < at):
                state, was = "reverted", "stopped" if state == "running" else state
            copy = self._db.execute(f"INSERT INTO steps (run, state, was, undo, rev, {columns}) SELECT ?, ?, ?, 0, ?, "
                                    f"{columns} FROM steps WHERE id = ?", (new, state, was, rev, row["id"])).lastrowid
            self._db.execute(f"INSERT INTO items (step, {items}) SELECT ?, {items} FROM items WHERE step = ? AND "
                             "state != 'running'", (copy, row["id"]))
