"""Runs as files: what a run holds as lines, and a run made of them again. See `importers.run_file`."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from .clock import Clock
from .db import Database
from .errors import InvalidAnswer, NotFound
from .feed import Feed
from .fields.spec import SECRET
from .files import FILE_ID, Files
from .importers import run_file
from .plugins.registry import RESERVED
from .text import one_line

BATCH = 500  # items that are read or written at once
EMBEDDED_MOST = 100_000_000  # bytes of all files in a saved run; what is over that is left out and named
SECRET_ID = re.compile(re.escape(SECRET) + "[0-9a-f]{32}")


class SavedRuns:
    """Runs on their way out and in. Lives on the event loop."""

    def __init__(self, db: Database, feed: Feed, clock: Clock, files: Files) -> None:
        self._db, self._feed, self._clock, self._files = db, feed, clock, files

    async def lines_of(self, key: str) -> AsyncIterator[str]:
        """A run as the lines of `importers.run_file`: what it holds, its files, its history. No secrets."""
        run = self._db.first("SELECT * FROM runs WHERE key = ? AND deleted = 0", (key,))
        if run is None:
            raise NotFound(f"There is no run {key[:80]}.")
        yield "[\n" + run_file.line(run={
            "format": run_file.FORMAT, **{name: run[name] for name in run_file.PARTS["run"] if name != "format"},
            "named": bool(run["named"]), "complete": bool(run["complete"])}) + ",\n"
        for row in self._db.rows("SELECT * FROM steps WHERE run = ? AND state != 'open' ORDER BY id", (key,)):
            await asyncio.sleep(0)  # others have their turn
            yield run_file.line(step={name: row[name] for name in run_file.PARTS["step"]} | {
                "value": row["value"] and SECRET_ID.sub(lambda _: _unknown_secret(), row["value"])}) + ",\n"
            number = -1
            while items := self._db.rows("SELECT * FROM items WHERE step = ? AND number > ? ORDER BY number LIMIT ?",
                                         (row["id"], number, BATCH)):
                number = items[-1]["number"]
                await asyncio.sleep(0)
                yield "".join(run_file.line(item={name: item[name] for name in run_file.PARTS["item"]}) + ",\n"
                              for item in items)
        for told in self._db.rows("SELECT * FROM history WHERE run = ? ORDER BY id LIMIT 10000", (key,)):
            await asyncio.sleep(0)
            yield run_file.line(history={name: told[name] for name in run_file.PARTS["history"]}) + ",\n"
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

    async def bring_in(self, path: Path, *, by: str = "person") -> str:
        """Make a run of a saved one, and give its key. It is locked, and nothing of it runs, until somebody unlocks it.

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

    async def _insert_saved(self, saved: run_file.Saved, ids: dict[str, str], owner: str, by: str) -> str:
        """Rows in batches under a run that is deleted until all are there: a kill leaves what `recover` removes."""
        run = saved.run
        with self._feed.change() as rev:
            key = self._insert_run(run["endpoint"], rev, origin="import")
            self._db.execute("UPDATE runs SET deleted = 2, title = ?, named = ?, state = 'finished', complete = ?, "
                             "version = ?, created_at = ? WHERE key = ?",
                             (run["title"], run["named"], run["complete"], run["version"], run["created_at"], key))
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
                await asyncio.sleep(0)
            await asyncio.sleep(0)  # others have their turn
        with self._feed.change() as rev:
            for told in saved.history:
                self._db.execute("INSERT INTO history (run, at, by, what, label, text) VALUES (?, ?, ?, ?, ?, ?)",
                                 (key, told["at"], told["by"], told["what"], told["label"], told["text"]))
            steps = {file.id: file.step for file in saved.files}
            for old, id in ids.items():
                self._db.execute("UPDATE files SET run = ?, step = ?, kept = 1 WHERE id = ?", (key, steps[old], id))
            self._db.execute("UPDATE runs SET deleted = 0, rev = ? WHERE key = ?", (rev, key))
            self._tell(key, by, "imported", text=f"from {run['key']}")
        await self._db.durable()
        return key

    def _insert_run(self, endpoint: str, rev: int, *, origin: str) -> str:
        last = self._db.one("SELECT max(number) AS n FROM runs WHERE endpoint = ?", (endpoint,))["n"]
        number, now = (last or 0) + 1, self._clock.now()
        key = f"default-{endpoint}-{number:02d}"
        self._db.execute("INSERT INTO runs (key, endpoint, number, title, state, version, origin, created_at, "
                         "updated_at, rev) VALUES (?, ?, ?, ?, 'open', '', ?, ?, ?, ?)",
                         (key, endpoint, number, key, origin, now, now, rev))
        return key

    def _tell(self, key: str, by: str, what: str, label: str = "", text: str = "") -> None:
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
