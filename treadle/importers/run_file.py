"""A run as lines of JSON, inside the HTML file it is saved as; and the strict reader of such a file.

The lines are one JSON array: the run, its steps each followed by their items, its history, its files each followed by
pieces of base64, and an end, without which the file was cut off. What is read brings no code, no path and no id that
is used: every value is checked, and whatever does not fit refuses the whole file with one sentence.
"""

from __future__ import annotations

import base64
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InvalidAnswer
from ..text import STORED_LEVELS, deeper, for_others, in_html, storable

FORMAT = 1
BEGIN = b'<script type="application/json" id="treadle-run">'
LINE_MOST = 16_000_000  # bytes of one line: a result of 1 MB, each character of it escaped
DATA_MOST = 100_000_000  # bytes of all lines that are no files
ROWS_MOST = 200_000     # steps, items and lines of the history
STEPS_MOST = 20_000     # all of them are drawn
FILES_MOST = 1_000
SIZE_MOST = 1_000_000_000  # bytes of one file
PIECE = 600_000         # bytes of a file in one line
KINDS = ("ask", "form", "choose", "approve", "job", "each", "llm")
STATES = ("done", "reverted", "failed", "stopped", "running")
HIDDEN = re.compile(r"(?<!\\)(?:\\\\)*\\u00(?:[2-6]|7[0-9a-eA-E])")
HINT = "Choose a file that was saved with “Save as one HTML file”."

Check = Callable[[Any], bool]


def line(**part: Any) -> str:
    """One line of the array, which can stand in a script element: it ends none and begins none."""
    return for_others(in_html(json.dumps(part, ensure_ascii=False)))


def pieces(path: Path) -> Iterator[str]:
    """A file as lines. Reads the disk: not for the event loop."""
    with open(path, "rb") as file:
        while data := file.read(PIECE):
            yield json.dumps(base64.b64encode(data).decode())


@dataclass(slots=True)
class Step:
    """A step as it was read, its items after it."""

    row: dict[str, Any]
    items: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class FileIn:
    """A file in the file: where its pieces begin, and what it must be."""

    id: str
    name: str
    size: int
    sha256: str
    step: str
    at: int = 0  # bytes from the start of the whole file
    count: int = 0

    def chunks(self, path: Path) -> Iterator[bytes]:
        """Its bytes. Reads the disk. Raises `InvalidAnswer` for what is no base64."""
        with open(path, "rb") as file:
            file.seek(self.at)
            for _ in range(self.count):
                try:
                    yield base64.b64decode(json.loads(file.readline().rstrip(b",\r\n")), validate=True)
                except (ValueError, TypeError) as error:
                    raise _damaged(f"the file {self.name}") from error


@dataclass(slots=True)
class Saved:
    """A run as it was read: checked, and not used yet."""

    run: dict[str, Any]
    steps: list[Step] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    files: list[FileIn] = field(default_factory=list)


def read(path: Path) -> Saved:
    """Read and check a saved run. Slow for large ones: not for the event loop. Raises `InvalidAnswer`."""
    with open(path, "rb") as file:
        while part := file.readline(LINE_MOST):
            if part.strip() == BEGIN:
                break
        else:
            raise InvalidAnswer("This file holds no run.", field="value", hint=HINT)
        try:
            return _Reader(file).all()
        except RecursionError as error:
            raise _damaged("something in it is nested too deeply") from error


def _damaged(what: str) -> InvalidAnswer:
    return InvalidAnswer(f"This file cannot be read: {what}.", field="value", hint="Nothing of it was taken. " + HINT)


class _Reader:
    def __init__(self, file: Any) -> None:
        self._file, self._number, self._data, self._rows = file, 0, 0, 0
        self._saved: Saved | None = None
        self._live: set[tuple[str, str]] = set()

    def all(self) -> Saved:
        if self._line() != b"[":
            raise _damaged("its data does not begin as it should")
        while True:
            at = self._file.tell()
            text = self._line()
            if text.startswith(b'"'):
                self._piece(text, at)
                continue
            self._data += len(text)
            if self._data > DATA_MOST:
                raise _damaged(f"its data is over the limit of {DATA_MOST // 1_000_000} MB")
            part = _json(text, self._number)
            if not isinstance(part, dict) or len(part) != 1:
                raise _damaged(f"line {self._number} of its data is none of a run's")
            (kind, value), = part.items()
            if kind == "end":
                break
            self._take(kind, value)
        if self._saved is None:
            raise _damaged("it has no run")
        return self._saved

    def _line(self) -> bytes:
        self._number += 1
        text: bytes = self._file.readline(LINE_MOST + 1)
        if len(text) > LINE_MOST:
            raise _damaged(f"line {self._number} of its data is over the limit of {LINE_MOST // 1_000_000} MB")
        if not text or text.startswith(b"<"):
            raise _damaged("its data was cut off")
        return text.strip().removesuffix(b",")

    def _take(self, kind: str, value: Any) -> None:
        if kind not in PARTS or (kind == "run") != (self._saved is None):
            raise _damaged(f"line {self._number} of its data is none of a run's")
        row = self._checked(kind, value)
        if kind == "run":
            self._saved = Saved(row)
            return
        saved = self._saved
        assert saved is not None  # the first line is the run
        self._rows += 1
        if self._rows > ROWS_MOST:
            raise _damaged(f"it has more than {ROWS_MOST:,} lines")
        if kind == "step":
            if len(saved.steps) == STEPS_MOST:
                raise _damaged(f"it has more than {STEPS_MOST:,} steps")
            name = (row["label"], row["key"])
            if row["state"] != "reverted":
                if name in self._live:
                    raise _damaged(f"it has two steps {row['label']}")
                self._live.add(name)
            saved.steps.append(Step(row))
        elif kind == "item":
            if not saved.steps or any(row["number"] <= item["number"] for item in saved.steps[-1].items[-1:]):
                raise _damaged(f"line {self._number} of its data is an item of no step")
            saved.steps[-1].items.append(row)
        elif kind == "history":
            saved.history.append(row)
        else:
            if len(saved.files) == FILES_MOST or any(file.id == row["id"] for file in saved.files):
                raise _damaged("it has too many files, or one of them twice")
            saved.files.append(FileIn(**row))

    def _piece(self, text: bytes, at: int) -> None:
        if self._saved is None or not self._saved.files:
            raise _damaged(f"line {self._number} of its data belongs to no file")
        file = self._saved.files[-1]
        file.at, file.count = file.at or at, file.count + 1
        if (len(text) - 2) * 3 // 4 > PIECE + 3:
            raise _damaged(f"the file {file.name} is not stored as it should be")

    def _checked(self, kind: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _damaged(f"line {self._number} of its data is no {kind}")
        row = {}
        for name, fits in PARTS[kind].items():
            if name not in value or not fits(value[name]):
                raise _damaged(f"line {self._number} of its data has no valid {name}")
            row[name] = value[name]
        return row


def _json(text: bytes, number: int) -> Any:
    def no(name: str) -> Any:
        raise ValueError(name)

    try:
        return json.loads(text, parse_constant=no)
    except ValueError as error:
        raise _damaged(f"line {number} of its data is no JSON") from error


def _text(most: int, least: int = 0, *, pattern: str = "") -> Check:
    form = re.compile(pattern) if pattern else None
    return lambda value: (isinstance(value, str) and least <= len(value) <= most and storable(value) == value
                          and "\0" not in value and (form is None or form.fullmatch(value) is not None))


def _one_line(most: int, least: int = 0) -> Check:
    fits = _text(most, least)
    return lambda value: fits(value) and (not value or bool(value.strip())) and not any(
        unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in value)


def _whole(most: int) -> Check:
    return lambda value: type(value) is int and 0 <= value <= most


def _time(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value < 1e11


def _one_of(*values: str) -> Check:
    return lambda value: isinstance(value, str) and value in values


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _stored(value: Any) -> bool:
    """JSON as it stands in a row: a text of it, in which no plain letter is hidden (`"\\u0066ile"`)."""
    if not _text(LINE_MOST)(value) or HIDDEN.search(value):
        return False
    try:
        return not deeper(json.loads(value), STORED_LEVELS)
    except ValueError:
        return False


def _yes_no(value: Any) -> bool:
    return isinstance(value, bool)


CODE = _text(80, pattern="[A-Za-z0-9_]*")

PARTS: Mapping[str, Mapping[str, Check]] = {
    "run": {"format": lambda value: value == FORMAT and type(value) is int,
            "endpoint": _text(60, 1, pattern="[A-Za-z_][A-Za-z0-9_]*"), "key": _one_line(120, 1),
            "title": _one_line(400, 1), "named": _yes_no, "state": _one_of("open", "finished"), "complete": _yes_no,
            "version": CODE, "created_at": _time, "updated_at": _time},
    "step": {"label": _text(1_000, 1), "key": _text(1_000), "slug": _text(100, 1, pattern="[a-z0-9-]+"),
             "kind": _one_of(*KINDS), "state": _one_of(*STATES), "value": _or_none(_stored), "digest": _one_line(200),
             "position": _whole(1_000_000), "answered_at": _or_none(_time), "created_at": _time,
             "was": _one_of(*STATES, "open"), "again": _whole(1), "version": CODE, "error": _text(1_000_000),
             "log": _text(4_000_000), "started_at": _or_none(_time), "by": _one_line(40)},
    "item": {"number": _whole(1_000_000), "digest": _one_line(200),
             "state": _one_of("done", "failed", "stopped", "running"), "value": _or_none(_stored),
             "error": _text(1_000_000)},
    "history": {"at": _time, "by": _one_line(40), "what": _one_line(40, 1), "label": _text(1_000),
                "text": _text(4_000)},
    "file": {"id": _text(32, 32, pattern="[0-9a-f]+"), "name": _text(200, 1), "size": _whole(SIZE_MOST),
             "sha256": _text(64, 64, pattern="[0-9a-f]+"), "step": _text(100, pattern="[a-z0-9-]*")},
}
