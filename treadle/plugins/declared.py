"""What versions of plugins declare, as data: so a start, or an old run, imports no file before its code runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..workflow import Author, Late, Page, Workflow

TEXTS = ("endpoint", "title", "message", "training", "icon", "about", "kind")
LISTS = ("steps", "needs")
KINDS = {"workflow": Workflow, "page": Page}  # the types of a tool's parameters are read from its code

Record = dict[str, Any]


def record(item: Workflow) -> Record:
    """What a file says of one place, without its code."""
    return {"version": item.version} | {name: getattr(item, name) for name in TEXTS} | {
        name: list(getattr(item, name)) for name in LISTS}


def restored(records: object, load: Callable[[str], Author]) -> list[Workflow]:
    """The places that were recorded. Empty where one of them needs its code at once, or is not what `record` writes.

    `load`: imports the file and gives the function at an address.
    """
    if not isinstance(records, list) or not all(map(_whole, records)):
        return []
    return [_late(each, load) for each in records]


def _late(each: Record, load: Callable[[str], Author]) -> Workflow:
    said: dict[str, Any] = {name: tuple(value) if name in LISTS else value for name, value in each.items()}
    return KINDS[each["kind"]](**said, file="", order=0, code="", fn=Late(partial(load, each["endpoint"])))


def _whole(each: object) -> bool:
    return (isinstance(each, dict) and {*each} == {*TEXTS, *LISTS, "version"}
            and all(isinstance(each[name], str) for name in TEXTS)
            and each["kind"] in KINDS and isinstance(each["version"], int)
            and all(isinstance(each[name], list) and all(isinstance(part, str) for part in each[name])
                    for name in LISTS))


def read(file: Path) -> dict[str, Any]:
    """The records by version, as they were written last; empty after an update of Treadle."""
    try:
        found = json.loads(file.read_bytes())
        return dict(found["versions"]) if found["by"] == _by() else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def write(file: Path, versions: Mapping[str, Sequence[Record]]) -> None:
    """Keep the records for the next start. Where the disk refuses, it takes longer and nothing else."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    with suppress(OSError):
        partial.touch(mode=0o600)
        partial.write_text(json.dumps({"by": _by(), "versions": versions}))
        partial.replace(file)


def _by() -> int:
    return (Path(__file__).parent.parent / "workflow.py").stat().st_mtime_ns
