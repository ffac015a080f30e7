"""A table: up to 100,000 rows, of which a page at a time is drawn, sorted and searched on the server."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

ROWS_MOST = 100_000
PAGE_ROWS = 50
CELL_LENGTH = 300  # characters of a cell that are drawn; exports hold all of it


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A column as it is drawn. `number`: all its values are numbers, which stand right."""

    name: str
    number: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a table, as text. `first` and `last` count from 1 among the `matched` rows."""

    columns: tuple[Column, ...]
    rows: list[list[str]]
    first: int
    last: int
    matched: int
    total: int
    number: int
    pages: int
    sort: str
    query: str


class Table:
    """Rows to show, to approve or to export: dicts, dataclasses or pydantic models. Empty is fine.

    `sort`: a column, or "-column" for the largest first. `columns`: which of them, in this order. The rows are read
    when the table is drawn: do not change them afterwards. Raises `TypeError` and `ValueError`, which name the row.
    """

    def __init__(self, rows: Iterable[Any], sort: str | None = None, columns: Sequence[str] | None = None) -> None:
        self.rows: list[Mapping[str, Any]] = [_row(row, number) for number, row in enumerate(rows, 1)]
        if len(self.rows) > ROWS_MOST:
            raise ValueError(f"A Table holds {ROWS_MOST:,} rows at most; this one has {len(self.rows):,}.")
        found = dict.fromkeys(name for row in self.rows for name in row)
        self.columns: tuple[str, ...] = tuple(columns) if columns is not None else tuple(found)
        missing = [name for name in self.columns if name not in found] if self.rows else []
        if missing:
            raise ValueError(f"The Table has no column {missing[0]!r}; it has {', '.join(found)}.")
        self.sort = sort or ""
        if self.rows and self.sort and self.sort.removeprefix("-") not in found and self.sort not in found:
            raise ValueError(f"sort={sort!r}: the Table has no such column; it has {', '.join(found)}.")

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def sha256(self) -> str:
        """A hash of what the table shows, by which an approval holds for exactly these rows."""
        shown = [[row.get(name) for name in self.columns] for row in self.rows]
        text = json.dumps([self.columns, shown], default=str, ensure_ascii=False)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()

    @cached_property
    def drawn_columns(self) -> tuple[Column, ...]:
        """The columns, and which of them hold numbers only."""
        return tuple(Column(name, _numbers(row.get(name) for row in self.rows)) for name in self.columns)

    def records(self) -> list[dict[str, Any]]:
        """The rows as dicts of the shown columns, in the author's order."""
        return [{name: row.get(name) for name in self.columns} for row in self.sorted(self.sort)]

    def sorted(self, sort: str) -> list[Mapping[str, Any]]:
        """All rows by one column: numbers before text, text without regard to case, empty cells last."""
        name = sort if sort in self.columns else sort.removeprefix("-")
        if not name or not any(name in row for row in self.rows):
            return list(self.rows)
        empty = [row for row in self.rows if _rank(row.get(name)) is None]
        full = [(rank, row) for row in self.rows if (rank := _rank(row.get(name))) is not None]
        full.sort(key=lambda pair: pair[0], reverse=sort != name)
        return [row for _, row in full] + empty

    def page(self, *, sort: str = "", number: int = 1, query: str = "") -> Page:
        """One page of 50 rows. An unknown column leaves the author's order; a page too far is the last one."""
        if sort.removeprefix("-") not in self.columns and sort not in self.columns:
            sort = self.sort
        rows = self.sorted(sort)
        if words := query.casefold().split():
            rows = [row for row in rows if _holds(row, self.columns, words)]
        pages = max(1, math.ceil(len(rows) / PAGE_ROWS))
        number = min(max(1, number), pages)
        start = (number - 1) * PAGE_ROWS
        drawn = [[_drawn(row.get(name)) for name in self.columns] for row in rows[start:start + PAGE_ROWS]]
        return Page(self.drawn_columns, drawn, start + 1 if drawn else 0, start + len(drawn), len(rows), len(self.rows),
                    number, pages, sort, query)


def cell(value: Any) -> str:
    """A value as a person reads it: 4,812, 0.18, yes, 2026-11-18."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(getattr(value, "name", value))


def _drawn(value: Any) -> str:
    text = cell(value)
    return text if len(text) <= CELL_LENGTH else text[:CELL_LENGTH - 1] + "…"


def _row(row: Any, number: int) -> Mapping[str, Any]:
    if isinstance(row, Mapping):
        return row if all(isinstance(name, str) for name in row) else {str(name): value for name, value in row.items()}
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {item.name: getattr(row, item.name) for item in dataclasses.fields(row)}
    if callable(dump := getattr(row, "model_dump", None)) and not isinstance(row, type):
        return dict(dump())
    raise TypeError(f"Row {number} of a Table is {type(row).__name__}; rows are dicts, dataclasses or pydantic models.")


def _rank(value: Any) -> tuple[int, Any] | None:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    return (0, value) if isinstance(value, int | float) else (1, cell(value).casefold())


def _numbers(values: Iterable[Any]) -> bool:
    kinds = {type(value) for value in values if value is not None}
    return bool(kinds) and kinds <= {int, float}


def _holds(row: Mapping[str, Any], columns: Sequence[str], words: list[str]) -> bool:
    text = "\n".join(f"{value} {cell(value)}" if isinstance(value, int | float | datetime.date) else cell(value)
                     for value in (row.get(name) for name in columns)).casefold()
    return all(word in text for word in words)
