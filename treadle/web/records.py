"""What the steps of a run gave, in words: for two runs side by side, and for a run whose workflow is not here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ..archive import Result
from ..core import Core
from ..errors import NotFound, TreadleError
from ..files import FILE_ID, File
from ..replay import Step
from ..runs import RunView, summary
from ..shows.table import cell
from ..text import counted

TEXT = 100_000  # characters of one answer


class Record(NamedTuple):
    """A step, its result in words, and a text that is the same in two runs when their results are.

    `rows`: where the result is a list of rows. `file`: where it is a file.
    """

    label: str
    key: str
    kind: str
    state: str
    text: str
    same: str
    rows: Sequence[dict[str, Any]]
    file: File | None = None


async def records(core: Core, key: str) -> tuple[list[Record], RunView | None]:
    """The steps of a run, and its drawing where its workflow is there and can be drawn."""
    view = None
    with suppress(TreadleError):
        view = await core.runs.draw(key)
    found = await core.archive.results(key)
    files = dict[str, File]()
    for id in await asyncio.to_thread(_named, found):
        with suppress(NotFound):
            files[id] = core.files.get(id)
    return await asyncio.to_thread(_all, found, view, files), view


def _named(found: Sequence[Result]) -> set[str]:
    """The ids of the files in these results."""
    return {match[2] for result in found for text in (result.value, *(item for item, _ in result.items)) if text
            for match in FILE_ID.finditer(text)}


def _all(found: Sequence[Result], view: RunView | None, files: dict[str, File]) -> list[Record]:
    words, totals = dict[tuple[str, str], str](), dict[tuple[str, str], int]()
    for step in view.drawing.items if view is not None else ():
        if isinstance(step, Step) and step.state == "done" and (step.field is not None or step.approve is not None):
            words[step.label, step.key] = summary(step)
        if isinstance(step, Step) and step.work is not None and step.work.items is not None:
            totals[step.label, step.key] = len(step.work.items)
    return [_record(result, words, totals, files) for result in found]


def ended(done: int, failed: int, total: int) -> str:
    """What an each gave, in the same words everywhere. What neither was done nor failed was left out by who stopped it
    and went on with those there are."""
    rest = total - done - failed
    return ", ".join([counted(done, "result"), *[f"{failed:,} failed"][:failed], *[f"{rest:,} not run"][:max(0, rest)]])


def _record(result: Result, words: dict[tuple[str, str], str], totals: dict[tuple[str, str], int],
            files: dict[str, File]) -> Record:
    value = json.loads(result.value) if result.value is not None else None
    if result.items:
        value = [json.loads(item) if item is not None else {"error": error} for item, error in result.items]

    def content(id: str) -> str:
        return files[id].sha256 if id in files else id

    stored = "\n".join(item or error for item, error in result.items) if result.items else result.value or ""
    same = FILE_ID.sub(lambda found: f'{found[1]}{content(found[2])}"', stored)
    file = files.get(str(value.get("file", ""))) if isinstance(value, dict) and len(value) == 1 else None
    name = (result.label, result.key)
    text = words.get(name) or brief(value, files)
    if result.kind == "each":
        done, failed = (sum(map(bool, each)) for each in zip(*result.items, strict=True)) if result.items else (0, 0)
        text = ended(done, failed, totals.get(name, len(result.items)))
    if result.state != "done":
        text = f"{result.state.capitalize()}. {result.error}".strip()
    rows = value if isinstance(value, list) and all(isinstance(row, dict) for row in value) else []
    return Record(result.label, result.key, result.kind, result.state, text[:TEXT], same, rows, file)


def brief(value: Any, files: dict[str, File]) -> str:
    """A stored value in a few words."""
    if isinstance(value, dict) and set(value) == {"file"} and (file := files.get(str(value["file"]))) is not None:
        return file.name
    if isinstance(value, dict) and set(value) == {"secret"}:
        return "Kept secret"
    if isinstance(value, dict):
        parts = value["form"] if set(value) == {"form"} and isinstance(value["form"], dict) else value
        return ", ".join(f"{name}: {brief(part, files)}" for name, part in list(parts.items())[:12])
    if isinstance(value, list):
        if value and all(isinstance(part, dict) for part in value):
            return counted(len(value), "row")
        if len(value) > 8 or any(isinstance(part, list | dict) for part in value):
            return counted(len(value), "item")
        return ", ".join(brief(part, files) for part in value)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return "No answer" if value is None or value == "" else cell(value)
