"""Uploads by id: bytes on the disk under a random name, everything else in a row."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from .clock import Clock
from .db import Database
from .errors import InvalidAnswer, NotFound, StorageError, TooLarge
from .text import counted

DAY = 86_400.0  # seconds a file that no answer took is kept
BUFFER = 1_000_000  # bytes gathered before a thread writes them
NAME_LENGTH = 120  # characters of a name that are kept
FILE_ID = re.compile(r'("file"\s*:\s*")([0-9a-f]{32})"')  # in a stored value
OURS = re.compile(r"[0-9a-f]{32}(?:\.partial)?")  # names on the disk
MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class FileId(str):
    """The id of a file that came with a form. A class of its own: a text that was typed is never taken for one."""


@dataclass(frozen=True, slots=True)
class File(os.PathLike[str]):
    """A file of a run: a path with the name the person knows it by. Open it, never write to it."""

    id: FileId
    name: str
    size: int  # bytes
    sha256: str
    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def open(self, mode: str = "r") -> IO[Any]:
        """Open for reading: text with its encoding detected and line ends as "\\n", or bytes with "rb"."""
        if mode not in ("r", "rt", "rb"):
            raise ValueError(f"A file of a run is opened with 'r' or 'rb', not {mode!r}.")
        return open(self.path, mode) if "b" in mode else open(self.path, encoding=self.encoding())

    def read_text(self) -> str:
        """The whole text, its encoding detected."""
        with self.open() as file:
            return str(file.read())

    def encoding(self) -> str:
        """That of its byte order mark, UTF-8 or Windows-1252: the first that fits all of it; else Latin-1."""
        with open(self.path, "rb") as file:
            head = file.read(4)
        for name in (*(name for mark, name in MARKS if head.startswith(mark)), "utf-8", "cp1252"):
            try:
                with open(self.path, encoding=name) as text:
                    while text.read(BUFFER):
                        pass
            except UnicodeDecodeError:
                continue
            return name
        return "latin-1"


class Arriving(NamedTuple):
    """An upload on its way: bytes so far, bytes in all, seconds since it began."""

    name: str
    received: int
    total: int
    seconds: float


def clean_name(name: str) -> str:
    """What a sender calls a file, made fit to be shown: no folders, no invisible characters, at most 120 long."""
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    name = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")).strip(". ")
    if len(name) > NAME_LENGTH:
        stem, dot, ending = name.rpartition(".")
        ending = dot + ending if stem and len(ending) <= 10 else ""
        name = name[:NAME_LENGTH - len(ending)] + ending
    return name or "file"


class Sink:
    """Where the bytes of one upload go. `received` counts them as they come."""

    def __init__(self, path: Path, name: str, max_bytes: int) -> None:
        self.name, self.received, self._max = name, 0, max_bytes
        self.file: File | None = None  # set when all of it is on the disk
        self._path, self._partial = path, path.with_name(f"{path.name}.partial")
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        try:
            self._out = open(os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._refused(error) from error

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes. Raises `TooLarge` over the limit, `StorageError` when the disk refuses."""
        self.received += len(chunk)
        if self.received > self._max:
            raise TooLarge(f"{self.name} is over the limit of {megabytes(self._max)}.", hint="Send a smaller file.")
        self._buffer += chunk
        if len(self._buffer) >= BUFFER:
            await self._flush()

    async def _flush(self, *, last: bool = False) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        try:
            await asyncio.to_thread(self._write, data, last)
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(f"The disk refused to save {self.name}: {error.strerror or error}.",
                            hint="Make room, then try again.")

    def _write(self, data: bytes, last: bool) -> None:
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[self._out.write(view):]
        if last:
            os.fsync(self._out.fileno())
            self._out.close()
            self._partial.rename(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    async def finish(self) -> File:
        """Bring all of it to the disk and under its final name."""
        await self._flush(last=True)
        self.file = File(FileId(self._path.name), self.name, self.received, self._hash.hexdigest(), self._path)
        return self.file

    def discard(self) -> None:
        """Leave nothing behind."""
        self._out.close()
        self._partial.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)


class Files:
    """The one store of files. A file belongs to a run and a step; it is `kept` once an answer has taken it.

    What no answer took is replaced by the next file of that step, and goes after a day.
    """

    def __init__(self, folder: Path, db: Database, clock: Clock) -> None:
        self.folder, self._db, self._clock = folder, db, clock
        self._arriving: dict[str, tuple[Sink, int, float]] = {}
        self._since: dict[str, float] = {}  # by id of what no answer took: since when, on the monotonic clock

    @asynccontextmanager
    async def receive(self, name: str, *, run: str, step: str, max_bytes: int, watch: str = "",
                      total: int = 0) -> AsyncIterator[Sink]:
        """Stream one upload to the disk; on leaving, `sink.file` is stored and has its row.

        An exception or a cancelled request leaves nothing. `watch`: by which `arriving` tells how far it is. `total`:
        bytes of the whole request.
        """
        self.sweep()
        sink = Sink(self.folder / secrets.token_hex(16), clean_name(name), max_bytes)
        if watch:
            self._arriving[watch] = (sink, total, self._clock.monotonic())
        try:
            yield sink
            file = await sink.finish()
            with self._db.transaction():
                old = self._db.rows("DELETE FROM files WHERE run = ? AND step = ? AND kept = 0 RETURNING id",
                                    (run, step))
                self._db.execute("INSERT INTO files (id, run, step, name, size, sha256, created_at) "
                                 "VALUES (?, ?, ?, ?, ?, ?, ?)",
                                 (file.id, run, step, file.name, file.size, file.sha256, self._clock.now()))
            self._since[file.id] = self._clock.monotonic()
        except BaseException:
            sink.discard()
            raise
        finally:
            self._arriving.pop(watch, None)
        self._unlink(old)

    def arriving(self, watch: str) -> Arriving | None:
        """How far an upload is, while it is on its way."""
        if watch not in self._arriving:
            return None
        sink, total, began = self._arriving[watch]
        return Arriving(sink.name, sink.received, max(total, sink.received), self._clock.monotonic() - began)

    def receiving(self, watch: str) -> bool:
        """Whether an upload is on its way whose name begins like this: of several in a form one comes after another."""
        return any(name.startswith(watch) for name in self._arriving)

    def get(self, id: str) -> File:
        """The file with this id. Raises `NotFound`."""
        row = self._db.first("SELECT * FROM files WHERE id = ?", (id,))
        if row is None or not (self.folder / row["id"]).exists():
            raise NotFound("There is no file with this id.", hint="It may have been replaced by a newer one.")
        return self._file(row)

    def pending(self, run: str, step: str) -> File | None:
        """The file of a refused form, which waits for its answer."""
        row = self._db.first("SELECT * FROM files WHERE run = ? AND step = ? AND kept = 0", (run, step))
        return None if row is None else self._file(row)

    def belongs(self, id: str, run: str) -> bool:
        """Whether this file was sent to this run."""
        return self._db.first("SELECT 1 FROM files WHERE id = ? AND run = ?", (id, run)) is not None

    def keep(self, id: str, *, run: str, step: str) -> None:
        """An answer took this file: it goes with its run. Inside the answer's transaction.

        Raises `InvalidAnswer` when another file has replaced it meanwhile, as the same form sent twice does.
        """
        if not self._db.execute("UPDATE files SET kept = 1, run = ?, step = ? WHERE id = ?", (run, step, id)).rowcount:
            raise InvalidAnswer("Another file was sent in place of this one.", field="value", hint="Choose one again.")

    def share(self, id: str) -> str:
        """A second name on the disk for the bytes of a file, for a run that is forked: deleting one leaves the other.

        Returns the id, whose row is the caller's to write. Not for the event loop. Raises `StorageError`.
        """
        new = secrets.token_hex(16)
        try:
            os.link(self.folder / id, self.folder / new)
        except FileNotFoundError:
            return new  # it was gone before: the question is asked again
        except OSError:  # a file system without links
            try:
                shutil.copyfile(self.folder / id, self.folder / new)
            except OSError as error:
                raise StorageError(f"The disk refused to save: {error.strerror or error}.",
                                   hint="Make room, then try again.") from error
        return new

    def remove(self, run: str) -> None:
        """Remove all files of a run."""
        with self._db.transaction():
            old = self._db.rows("DELETE FROM files WHERE run = ? RETURNING id", (run,))
        self._unlink(old)

    def remove_under(self, prefix: str) -> None:
        """Remove the files of all owners whose names begin like this."""
        for row in self._db.rows("SELECT DISTINCT run FROM files WHERE substr(run, 1, ?) = ?", (len(prefix), prefix)):
            self.remove(row["run"])

    def recover(self) -> None:
        """At the start: remove what an upload that was cut off left behind, and what `sweep` removes."""
        self.sweep()
        known = {row["id"] for row in self._db.rows("SELECT id FROM files")}
        for path in self.folder.iterdir() if self.folder.exists() else ():
            if path.name not in known and OURS.fullmatch(path.name):  # what else lies there is somebody's
                path.unlink()

    def sweep(self) -> None:
        """Remove files that no answer took within a day. The wall clock, which may jump, counts once: at the start."""
        now, wall = self._clock.monotonic(), self._clock.now()
        waiting = self._db.rows("SELECT id, created_at FROM files WHERE kept = 0")
        self._since = {row["id"]: self._since.get(row["id"], now - max(0.0, wall - row["created_at"]))
                       for row in waiting}
        if late := [(id,) for id, since in self._since.items() if now - since > DAY]:
            with self._db.transaction():
                self._db.connection.executemany("DELETE FROM files WHERE id = ? AND kept = 0", late)
            for (id,) in late:
                (self.folder / id).unlink(missing_ok=True)

    def _file(self, row: Any) -> File:
        return File(FileId(row["id"]), row["name"], row["size"], row["sha256"], self.folder / row["id"])

    def _unlink(self, rows: list[Any]) -> None:
        for row in rows:
            (self.folder / row["id"]).unlink(missing_ok=True)


def megabytes(size: int) -> str:
    """A size as a person reads it: "812 bytes", "48 kB", "1.2 MB"."""
    if size < 1_000:
        return counted(size, "byte")
    if size < 1_000_000:
        return f"{size / 1_000:.0f} kB"
    return f"{size / 1_000_000:.1f}".removesuffix(".0") + " MB"
