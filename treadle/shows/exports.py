"""What `ui.export` makes when it is asked for: json, csv, tsv, md, html."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from .table import Table, cell

MEDIA = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
# Text a spreadsheet would run: behind = and @ always, behind + and - unless a number or words follow (-90%, +word).
_RUNS = re.compile(r"\s*[=@\uff1d\uff20]|[\t\r\n]|\s*[+\-\uff0b\uff0d](?![\w\s.,%]*\Z)")
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


def ending(name: str) -> str:
    """The kind of an export by its name: "csv" of "links.csv"."""
    return name.rpartition(".")[2].lower()


def make(name: str, data: Mapping[str, Any]) -> bytes:
    """The file itself. May be slow: not for the event loop. Raises `TypeError` as `check` does."""
    check(name, data)
    kind = ending(name)
    if kind == "json":
        text = json.dumps(dict(data), default=_json, ensure_ascii=False, indent=2) + "\n"
    elif kind in ("csv", "tsv"):
        text = _separated(next(iter(data.values())), "," if kind == "csv" else "\t")
    elif kind == "md":
        text = "\n".join(f"## {key}\n\n{_markdown(value)}\n" for key, value in data.items())
    else:
        body = "\n".join(f"<h2>{escape(key)}</h2>\n{_html(value)}" for key, value in data.items())
        text = _PAGE.format(title=escape(name.rpartition(".")[0] or name), body=body)
    return text.encode("utf-8", errors="replace")


def spreadsheet(value: Any) -> Any:
    """A cell no spreadsheet runs: text that begins a formula gets a ' in front. Numbers stay numbers."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    text = cell(value)
    return f"'{text}" if _RUNS.match(text) else text


def size_hint(name: str, data: Mapping[str, Any]) -> str:
    """What stands under the name in the list: its rows where they are known."""
    tables = [table for value in data.values() if (table := _table(value)) is not None]
    if ending(name) in ("csv", "tsv") and tables:
        return f"{len(tables[0]):,} {'row' if len(tables[0]) == 1 else 'rows'}, made when you ask for it"
    return {"json": "Everything in it, for programs", "html": "A page of its own, opens without Treadle"}.get(
        ending(name), "Made when you ask for it")


def _table(value: Any) -> Table | None:
    if isinstance(value, Table):
        return value
    if isinstance(value, list | tuple):
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
    writer.writerow([spreadsheet(name) for name in table.columns])
    for row in table.sorted(table.sort):
        writer.writerow([spreadsheet(row.get(name)) for name in table.columns])
    return out.getvalue()


def _json(value: Any) -> Any:
    if isinstance(value, Table):
        return value.records()
    if hasattr(value, "sha256"):
        return {"name": value.name, "size": value.size, "sha256": value.sha256}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json")
    return str(value)


def _markdown(value: Any) -> str:
    table = _table(value) if value else None
    if table is not None:
        lines = [table.columns, ["---"] * len(table.columns),
                 *([cell(row.get(name)) for name in table.columns] for row in table.sorted(table.sort))]
        return "\n".join("| " + " | ".join(re.sub(r"\s+", " ", text).replace("|", "\\|") for text in line) + " |"
                         for line in lines)
    if isinstance(value, list | tuple | dict):
        return f"```json\n{json.dumps(value, default=_json, ensure_ascii=False, indent=2)}\n```"
    return cell(value)


def _html(value: Any) -> str:
    table = _table(value) if value else None
    if table is not None:
        head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
        rows = "\n".join("<tr>" + "".join(f"<td>{escape(cell(row.get(name)))}</td>" for name in table.columns) + "</tr>"
                         for row in table.sorted(table.sort))
        return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
    nested = isinstance(value, list | tuple | dict)
    text = json.dumps(value, default=_json, ensure_ascii=False, indent=2) if nested else cell(value)
    return f"<pre>{escape(text)}</pre>"
