"""What `ui.export` makes when it is asked for: json, csv, tsv, xlsx, md, html."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from enum import Enum
from html import escape
from importlib.util import find_spec
from typing import Any

from ..files import File
from ..results import Failed, Results
from ..text import counted, cover, for_others, storable
from . import frames
from .frames import installs
from .table import Table, cell

MEDIA = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
MARK = "\ufeff"  # without it Excel takes UTF-8 for the encoding of the country
# Text a spreadsheet would run: behind = and @ always, behind + and - unless a number or words follow (-90%, +word).
_RUNS = re.compile(r"\s*[=@\uff1d\uff20]|[\t\r\n]|\s*[+\-\uff0b\uff0d](?![\w\s.,%]*\Z)")
# ... and where a program that expects semicolons, as Excel does in half of Europe, would begin a cell of its own.
_RUNS_WITHIN = re.compile(r"(;[\s\"]*)(?=[=@\uff1d\uff20]|[+\-\uff0b\uff0d]\w*[(|!])")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
EXACT = 10**15  # a spreadsheet keeps 15 digits of a number
_KEYS = (str, int, float, type(None))
_covered: ContextVar[Sequence[str]] = ContextVar("covered", default=())  # the secrets of the run an export is made of
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body{{font:14px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse}}th,td{{border:1px solid #ccc;padding:.25rem .5rem;text-align:left}}
pre{{white-space:pre-wrap}}</style></head><body><h1>{title}</h1>
{body}</body></html>
"""


def check(name: str, data: Mapping[str, Any]) -> None:
    """Raise `TypeError` with a sentence for the author when this export cannot be made."""
    kind = ending(name)
    if kind not in MEDIA:
        raise TypeError(f"{name!r} has no ending that can be exported: {', '.join(MEDIA)}.")
    if kind in ("csv", "tsv") and (len(data) != 1 or _table(next(iter(data.values()))) is None):
        raise TypeError(f"{name!r} holds exactly one table: rows of dicts, dataclasses or pydantic models.")
    for key, value in data.items():
        _named_keys(name, key, value)


def ending(name: str) -> str:
    """The kind of an export by its name: "csv" of "links.csv"."""
    return name.rpartition(".")[2].lower()


def make(name: str, data: Mapping[str, Any], secrets: Sequence[str] = ()) -> bytes:
    """The file itself, without the `secrets` of its run. May be slow: not for the event loop. Raises `TypeError` as
    `check` does, and where xlsx needs a package that is not installed."""
    check(name, data)
    before = _covered.set(secrets)
    try:
        return _made(name, data)
    finally:
        _covered.reset(before)


def _made(name: str, data: Mapping[str, Any]) -> bytes:
    kind = ending(name)
    if kind == "xlsx":
        return _sheets(data)
    if kind == "json":
        text = _dumped(name, {key: _rows(value) for key, value in data.items()}) + "\n"
    elif kind in ("csv", "tsv"):
        text = MARK + _separated(next(iter(data.values())), "," if kind == "csv" else "\t")
    elif kind == "md":
        text = "\n".join(f"## {key}\n\n{_markdown(name, value)}\n" for key, value in data.items())
    else:
        body = "\n".join(f"<h2>{escape(key)}</h2>\n{_html(name, value)}" for key, value in data.items())
        text = _PAGE.format(title=escape(name.rpartition(".")[0] or name), body=body)
    return for_others(storable(text)).encode()


def spreadsheet(value: Any) -> Any:
    """A cell no spreadsheet runs: text that begins a formula gets a ' in front. Numbers stay numbers."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    text = for_others(_text(value))
    return f"'{text}" if _RUNS.match(text) else text


def _apart(value: Any) -> Any:
    return _RUNS_WITHIN.sub(r"\1'", value) if isinstance(value, str) else value


def _text(value: Any) -> str:
    return str(cover(cell(value), _covered.get()))


def size_hint(name: str, data: Mapping[str, Any]) -> str:
    """What stands under the name in the list: its rows where they are known."""
    tables = [table for value in data.values() if (table := _table(value)) is not None]
    if ending(name) == "xlsx" and _writer() is None:
        return f"A spreadsheet needs openpyxl; {installs('openpyxl')}"
    if ending(name) in ("csv", "tsv") and tables:
        return f"{counted(len(tables[0]), 'row')}, made when you ask for it"
    return {"json": "Everything in it, for programs", "html": "A page of its own, opens without Treadle"}.get(
        ending(name), "Made when you ask for it")


def _named_keys(name: str, key: str, value: Any) -> None:
    """Raise `TypeError` where a dict has keys that no file holds: JSON, and a column, have names."""
    if isinstance(value, Mapping):
        for inner in value:
            if not isinstance(inner, _KEYS):
                raise TypeError(f"{name!r}: {key} has the key {inner!r}, a {type(inner).__name__}; keys are texts or "
                                f"numbers. Join its parts: '/'.join(...), or make rows of it.")


def _rows(value: Any) -> Any:
    """A table, a frame or results as rows in which a failed item has its error; all else as it is."""
    if isinstance(value, Results):
        return [{**_row(each)} if isinstance(each, Failed) else each for each in value]
    if isinstance(value, list | tuple) and any(isinstance(each, Failed) for each in value):
        return [_row(each) if isinstance(each, Failed) else each for each in value]
    return Table(value).records() if frames.is_frame(value) or frames.is_table(value) else value


def _row(failed: Failed) -> dict[str, Any]:
    return {**(failed.item if isinstance(failed.item, Mapping) else {"item": failed.item}), "error": failed.error}


def _table(value: Any) -> Table | None:
    if isinstance(value, Table):
        return value
    if isinstance(value, list | tuple | Results) or frames.is_frame(value) or frames.is_table(value):
        try:
            return Table(value)
        except TypeError:
            return None
    return None


def _separated(value: Any, delimiter: str) -> str:
    table = _table(value)
    assert table is not None  # `check` has seen it
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow([_apart(spreadsheet(name)) for name in table.columns])
    for row in table.sorted(table.sort):
        writer.writerow([_apart(spreadsheet(row.get(name))) for name in table.columns])
    return out.getvalue()


def _dumped(name: str, value: Any) -> str:
    """As JSON. Raises `TypeError` that names a key JSON does not have."""
    try:
        text = json.dumps(value, default=_json, ensure_ascii=False, indent=2)
    except TypeError as error:
        raise TypeError(f"{name!r} cannot be written: {error}. Join the parts of such a key: '/'.join(...).") from None
    secrets = _covered.get()
    same = cover(text, secrets) == text
    return text if same else json.dumps(cover(json.loads(text), secrets), ensure_ascii=False, indent=2)


def _json(value: Any) -> Any:
    if isinstance(value, Table):
        return value.records()
    if isinstance(value, Results | Failed) or frames.is_frame(value):
        return _row(value) if isinstance(value, Failed) else _rows(value)
    if isinstance(value, File):
        return {"name": value.name, "size": value.size, "sha256": value.sha256}
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json")
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if callable(native := getattr(value, "tolist", None)):  # of numpy
        return native()
    return str(value)


def _writer() -> str | None:
    """The installed package that writes spreadsheets."""
    return next((name for name in ("openpyxl", "xlsxwriter") if find_spec(name) is not None), None)


def _sheets(data: Mapping[str, Any]) -> bytes:
    """A sheet a name: a table, the names and values of a dict, or one value."""
    writer = _writer()
    if writer is None:
        raise TypeError(f"A spreadsheet is written with openpyxl, which is not installed; {installs('openpyxl')}")
    out, titles = io.BytesIO(), [""]
    sheets = []
    for key, value in data.items():
        title = clipped = re.sub(r"[\[\]:*?/\\']", " ", storable(key)).strip()[:31] or "Sheet"
        number = 1
        while title.casefold() in titles:  # a spreadsheet has no two sheets of one name
            number += 1
            title = f"{clipped[:31 - len(str(number)) - 1]} {number}"
        titles.append(title.casefold())
        sheets.append((title, _lines(value)))
    if writer == "openpyxl":
        from openpyxl import Workbook

        book = Workbook(write_only=True)
        for title, lines in sheets:
            sheet = book.create_sheet(title)
            for line in lines:
                sheet.append(line)
        book.save(out)
    else:
        import xlsxwriter

        with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False,
                                       "strings_to_urls": False}) as book:
            for title, lines in sheets:
                sheet = book.add_worksheet(title)
                for number, line in enumerate(lines):
                    sheet.write_row(number, 0, line)
    return out.getvalue()


def _lines(value: Any) -> Iterator[list[Any]]:
    table = _table(value)
    if table is not None:
        yield [_cell(name) for name in table.columns]
        for row in table.sorted(table.sort):
            yield [_cell(row.get(name)) for name in table.columns]
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield [_cell(name), _cell(inner)]
    else:
        for inner in value if isinstance(value, list | tuple) else [value]:
            yield [_cell(inner)]


def _cell(value: Any) -> Any:
    """As a spreadsheet takes it: numbers and dates as such, texts without signs XML does not have."""
    if isinstance(value, datetime.date) and not (isinstance(value, datetime.datetime) and value.tzinfo):
        return value
    value = spreadsheet(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > EXACT:
        return str(value)  # a spreadsheet would round it, or cannot hold it
    return _NO_XML.sub("\ufffd", value)[:32_767] if isinstance(value, str) else value


def _markdown(name: str, value: Any) -> str:
    table = _table(value) if _holds(value) else None
    if table is not None:
        lines = [table.columns, ["---"] * len(table.columns),
                 *([_text(row.get(name)) for name in table.columns] for row in table.sorted(table.sort))]
        return "\n".join("| " + " | ".join(re.sub(r"\s+", " ", text).replace("|", "\\|") for text in line) + " |"
                         for line in lines)
    if isinstance(value, list | tuple | dict):
        return f"```json\n{_dumped(name, value)}\n```"
    return _text(value)


def _html(name: str, value: Any) -> str:
    table = _table(value) if _holds(value) else None
    if table is not None:
        head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
        rows = "\n".join("<tr>" + "".join(f"<td>{escape(_text(row.get(name)))}</td>" for name in table.columns)
                         + "</tr>" for row in table.sorted(table.sort))
        return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
    nested = isinstance(value, list | tuple | dict)
    text = _dumped(name, value) if nested else _text(value)
    return f"<pre>{escape(text)}</pre>"


def _holds(value: Any) -> bool:
    """Whether there is something in it; a frame does not say so itself."""
    return bool(len(value)) if isinstance(value, list | tuple | Results | Table) or frames.is_frame(value) else True
