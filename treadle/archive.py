"""Runs as things that are kept: the list, names, deleting and undoing that, forks, history, and runs as files.

What happens inside a run is in `runs`. Every change here is one transaction and a line of the run's history.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .clock import Clock
from .db import Database
from .errors import InvalidAnswer, NotFound
from .feed import Feed
from .fields_spec import SECRET
from .files import DAY, FILE_ID, Files
from .importers import run_file
from .plugins import RESERVED, Plugins
from .runs import Run, Runs
from .text import one_line
from .workflow import Workflow

PAGE = 50  # runs of one page of the list
NAME_MOST = 120  # characters of a name
BATCH = 500  # items that are read or written at once
SECRET_ID = re.compile(re.escape(SECRET) + "[0-9a-f]{32}")
LIKE = re.compile(r"[\\%_]")  # what LIKE does not take as it is
EMBEDDED_MOST = 100_000_000  # bytes of all files in a saved run; what is over that is left out and named

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


class Archive:
    """All runs, from outside. Lives on the event loop."""

    def __init__(self, db: Database, feed: Feed, clock: Clock, plugins: Plugins, files: Files, runs: Runs) -> None:
        self._db, self._feed, self._clock = db, feed, clock
        self._plugins, self._files, self._runs = plugins, files, runs
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

    def rows(self, key: str) -> Sequence[dict[str, Any]]:
        """The stored steps of a run that count, in their order: what is left to read where nothing can be drawn."""
        return [dict(row) for row in self._db.rows(
            "SELECT label, key, kind, state, value, answered_at FROM steps WHERE run = ? AND state NOT IN "
            "('reverted', 'open') ORDER BY position, id", (key,))]

    # changing

    async def rename(self, key: str, title: str, *, by: str = "person") -> None:
        """Give a run a name, which stays. An empty one gives the naming back. Raises `InvalidAnswer`, `NotFound`."""
        run = self._runs.get(key)
        name = " ".join(title.split())
        if len(name) > NAME_MOST:
            raise InvalidAnswer(f"The name is {len(name):,} characters; the limit is {NAME_MOST}.", field="title",
                                hint="Shorten it.")
        with self._feed.change() as rev:
            self._db.execute("UPDATE runs SET title = ?, named = ?, rev = ?, advance_due = iif(?, advance_due, 1) "
                             "WHERE key = ?", (name or run.title, bool(name), rev, bool(name), key))
            self._tell(key, by, "renamed", name)
        if not name:
            await self._runs._advance(key)
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
        at, label = 1_000_000_000, ""
        if slug:
            row = self._db.first("SELECT position, label FROM steps WHERE run = ? AND slug = ? AND state != 'reverted'",
                                 (key, slug))
            if row is None:
                raise NotFound(f"This run has no step {slug[:80]}.")
            at, label = row["position"], row["label"]
        shared = {row["id"]: await asyncio.to_thread(self._files.share, row["id"]) for row in
                  self._db.rows("SELECT id FROM files WHERE run = ? AND kept = 1", (key,))}
        with self._feed.change() as rev:
            new = self._insert_run(run.endpoint, rev, origin=key)
            self._db.execute("UPDATE runs SET (title, named, version) = (SELECT title, named, version FROM runs WHERE "
                             "key = ?), advance_due = 1 WHERE key = ?", (key, new))
            self._copy_steps(key, new, at, rev)
            for old, id in shared.items():
                self._db.execute("INSERT INTO files (id, run, step, name, size, sha256, kept, created_at) SELECT ?, ?, "
                                 "step, name, size, sha256, 1, created_at FROM files WHERE id = ?", (id, new, old))
                for table, mine in (("steps", "run = :run"),
                                    ("items", "step IN (SELECT id FROM steps WHERE run = :run)")):
                    self._db.execute(f"UPDATE {table} SET value = replace(value, :old, :new) WHERE {mine} AND "
                                     "instr(value, :old)", {"run": new, "old": old, "new": id})
            self._tell(key, by, "forked", f"to {new}", label)
            self._tell(new, by, "forked", f"from {key}", label)
        await self._runs._advance(new)
        await self._db.durable()
        return self._runs.get(new)

    def _copy_steps(self, key: str, new: str, at: int, rev: int) -> None:
        """Rows as they are, and those from position `at` on as what was reverted."""
        names = [row["name"] for row in self._db.rows(
            "SELECT name FROM pragma_table_info('steps') WHERE name NOT IN ('id', 'run', 'state', 'undo', 'rev')")]
        columns = ", ".join(names)
        items = ", ".join(row["name"] for row in self._db.rows(
            "SELECT name FROM pragma_table_info('items') WHERE name != 'step'"))
        for row in self._db.rows("SELECT id, state, position FROM steps WHERE run = ? AND state NOT IN ('open', "
                                 "'running') ORDER BY id", (key,)):
            state = row["state"] if row["position"] < at else "reverted"
            copy = self._db.execute(f"INSERT INTO steps (run, state, undo, rev, {columns}) SELECT ?, ?, 0, ?, "
                                    f"{columns} FROM steps WHERE id = ?", (new, state, rev, row["id"])).lastrowid
            self._db.execute(f"INSERT INTO items (step, {items}) SELECT ?, {items} FROM items WHERE step = ?",
                             (copy, row["id"]))

    # runs as files

    async def lines_of(self, key: str) -> AsyncIterator[str]:
        """A run as the lines of `importers.run_file`: what it holds, its files, its history. No secrets."""
        run = self._db.first("SELECT * FROM runs WHERE key = ? AND deleted = 0", (key,))
        if run is None:
            raise NotFound(f"There is no run {key[:80]}.")
        yield "[\n" + run_file.line(run={
            "format": run_file.FORMAT, **{name: run[name] for name in run_file.PARTS["run"] if name != "format"},
            "named": bool(run["named"]), "complete": bool(run["complete"])}) + ",\n"
        for row in self._db.rows("SELECT * FROM steps WHERE run = ? AND state != 'open' ORDER BY id", (key,)):
            yield run_file.line(step={name: row[name] for name in run_file.PARTS["step"]} | {
                "value": row["value"] and SECRET_ID.sub(lambda _: _unknown_secret(), row["value"])}) + ",\n"
            number = -1
            while items := self._db.rows("SELECT * FROM items WHERE step = ? AND number > ? ORDER BY number LIMIT ?",
                                         (row["id"], number, BATCH)):
                number = items[-1]["number"]
                yield "".join(run_file.line(item={name: item[name] for name in run_file.PARTS["item"]}) + ",\n"
                              for item in items)
        for told in reversed(self.history(key)):
            yield run_file.line(history=told._asdict()) + ",\n"
        for file, left_out in self.files_of(key):
            if left_out:
                continue
            yield run_file.line(file={**{name: file[name] for name in run_file.PARTS["file"]}}) + ",\n"
            lines = run_file.pieces(self._files.folder / file["id"])
            while (piece := await asyncio.to_thread(next, lines, None)) is not None:
                yield piece + ",\n"
        yield run_file.line(end=True) + "\n]\n"

    def files_of(self, key: str) -> Iterator[tuple[dict[str, Any], bool]]:
        """The files of a run, and of each whether it is too large for a saved run, or is gone."""
        room = EMBEDDED_MOST
        for row in self._db.rows("SELECT id, step, name, size, sha256 FROM files WHERE run = ? AND kept = 1 "
                                 "ORDER BY size, id", (key,)):
            left_out = row["size"] > room or not (self._files.folder / row["id"]).exists()
            room -= 0 if left_out else row["size"]
            yield dict(row), left_out

    async def bring_in(self, path: Path, *, by: str = "person") -> Line:
        """Make a run of a saved one. It is locked, and nothing of it runs, until somebody unlocks it.

        Raises `InvalidAnswer` with one sentence for anything that is not right; then nothing is left of it.
        """
        saved = await asyncio.to_thread(run_file.read, path)
        endpoint = saved.run["endpoint"]
        if endpoint in RESERVED:
            raise InvalidAnswer(f"This file names {endpoint}, which is no workflow.", field="value", hint=run_file.HINT)
        owner = f"import/{secrets.token_hex(8)}"
        try:
            ids = {file.id: await self._bring_file(file, path, owner) for file in saved.files}
            return await self._insert_saved(saved, ids, owner, by)
        except BaseException:
            self._files.remove(owner)
            raise

    async def _bring_file(self, file: run_file.FileIn, path: Path, owner: str) -> str:
        chunks = file.chunks(path)
        async with self._files.receive(file.name, run=owner, step=file.id, max_bytes=run_file.SIZE_MOST) as sink:
            while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
                await sink.write(chunk)
        assert sink.file is not None  # `receive` has stored it
        if (sink.file.size, sink.file.sha256) != (file.size, file.sha256):
            raise InvalidAnswer(f"This file cannot be read: {one_line(file.name, 60)} in it is damaged.",
                                field="value", hint="Nothing of it was taken.")
        return sink.file.id

    async def _insert_saved(self, saved: run_file.Saved, ids: dict[str, str], owner: str, by: str) -> Line:
        """Rows in batches under a run that is deleted until all are there: a kill leaves what `recover` removes."""
        run, workflow = saved.run, self._plugins.get(saved.run["endpoint"])
        with self._feed.change() as rev:
            key = self._insert_run(run["endpoint"], rev, origin="import")
            self._db.execute("UPDATE runs SET deleted = 2, title = ?, named = ?, state = 'finished', complete = ?, "
                             "version = ?, created_at = ? WHERE key = ?", (
                                 run["title"], run["named"], run["complete"], workflow.code if isinstance(
                                     workflow, Workflow) else run["version"], run["created_at"], key))
        for step in saved.steps:
            row = {**step.row, "value": _with(step.row["value"], ids), "run": key, "rev": rev}
            row["state"] = "stopped" if row["state"] == "running" else row["state"]
            with self._db.transaction():
                made = self._db.execute(f"INSERT INTO steps ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                                        (*row.values(),)).lastrowid
            for start in range(0, len(step.items), BATCH):
                with self._db.transaction():
                    for item in step.items[start:start + BATCH]:
                        state = "stopped" if item["state"] == "running" else item["state"]
                        self._db.execute("INSERT INTO items (step, number, digest, state, value, error) VALUES "
                                         "(?, ?, ?, ?, ?, ?)", (made, item["number"], item["digest"], state,
                                                                _with(item["value"], ids), item["error"]))
                await asyncio.sleep(0)  # others have their turn
        with self._feed.change() as rev:
            for told in saved.history:
                self._db.execute("INSERT INTO history (run, at, by, what, label, text) VALUES (?, ?, ?, ?, ?, ?)",
                                 (key, told["at"], told["by"], told["what"], told["label"], told["text"]))
            steps = {file.id: file.step for file in saved.files}
            for old, id in ids.items():
                self._db.execute("UPDATE files SET run = ?, step = ?, kept = 1 WHERE id = ?", (key, steps[old], id))
            self._db.execute("UPDATE runs SET deleted = 0, rev = ? WHERE key = ?", (rev, key))
            self._tell(key, by, "imported", f"from {run['key']}")
        await self._db.durable()
        return self.line(key)

    # within

    def _insert_run(self, endpoint: str, rev: int, *, origin: str) -> str:
        last = self._db.one("SELECT max(number) AS n FROM runs WHERE endpoint = ?", (endpoint,))["n"]
        number, now = (last or 0) + 1, self._clock.now()
        key = f"default-{endpoint}-{number:02d}"
        self._db.execute("INSERT INTO runs (key, endpoint, number, title, state, version, origin, created_at, "
                         "updated_at, rev) VALUES (?, ?, ?, ?, 'open', '', ?, ?, ?, ?)",
                         (key, endpoint, number, key, origin, now, now, rev))
        return key

    def _tell(self, key: str, by: str, what: str, text: str = "", label: str = "") -> None:
        self._db.execute("INSERT INTO history (run, at, by, what, label, text) VALUES (?, ?, ?, ?, ?, ?)",
                         (key, self._clock.now(), by, what, label, text))


def _with(value: str | None, ids: dict[str, str]) -> str | None:
    """A stored value with the ids its files have here. An id that came with no file becomes one nobody has, and so
    does that of a secret: both are asked for again."""
    if value is None:
        return None
    value = FILE_ID.sub(lambda found: f'{found[1]}{ids.get(found[2]) or secrets.token_hex(16)}"', value)
    return SECRET_ID.sub(lambda _: _unknown_secret(), value)


def _unknown_secret() -> str:
    return SECRET + secrets.token_hex(16)
