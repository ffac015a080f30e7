"""A table: up to 100,000 rows, of which a page at a time is drawn, sorted and searched on the server."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import heapq
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cached_property
from itertools import islice
from typing import Any

from ..files import File
from ..results import Failed, Results
from . import frames

ROWS_MOST = 100_000
PAGE_ROWS = 50
CHUNK = 2_000  # rows sorted or hashed in one piece, as that holds the GIL: 2 ms
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
    """Rows to show, to approve or to export: dicts, dataclasses or pydantic models, a frame of pandas or polars, what
    an `each` returned, or a file of a table. Empty is fine.

    `sort`: a column, or "-column" for the largest first. `columns`: which of them, in this order. Frames, results and
    files are read when the table is drawn: do not change them afterwards. Raises `TypeError` and `ValueError`, which
    name the row.
    """

    def __init__(self, rows: Any, sort: str | None = None, columns: Sequence[str] | None = None) -> None:
        self._source, self.sort = rows, sort or ""
        self._chosen = tuple(columns) if columns is not None else None
        if isinstance(columns, str):
            raise TypeError(f"columns= is a list of names, not the text {columns!r}.")
        if not _is_read_late(rows):
            if isinstance(rows, str | Mapping) or not isinstance(rows, Iterable):
                raise TypeError(f"A Table takes a list of rows, not {type(rows).__name__}. Rows are dicts, dataclasses "
                                "or pydantic models; a frame, what an each returned and a CSV file of the run do too.")
            self._source = list(rows)
            _ = self.rows, self.columns
        elif not isinstance(rows, File):
            self._limit(len(rows))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """A job that is annotated with Table returns one: its shown rows are stored, in their order, and its sort."""
        from pydantic_core import core_schema as kinds

        def read(value: Any) -> Table:
            if isinstance(value, Table):
                return value
            if not isinstance(value, dict):
                raise ValueError("it is no Table")
            return cls(value["rows"], value["sort"], value["columns"])

        def plain(table: Table) -> dict[str, Any]:
            return {"rows": table.records(), "sort": table.sort, "columns": table._chosen}

        return kinds.no_info_plain_validator_function(
            read, serialization=kinds.plain_serializer_function_ser_schema(plain))

    @cached_property
    def rows(self) -> list[Mapping[str, Any]]:
        """All of them, in the author's order."""
        if frames.is_frame(self._source):
            return list(frames.records(self._source))
        source = frames.from_file(self._source) if isinstance(self._source, File) else self._source
        each = isinstance(source, Results)
        rows = [_row(row, number, each=each) for number, row in enumerate(source, 1)]
        self._limit(len(rows))
        return rows

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns. Raises `ValueError` for one that was chosen and is not there."""
        found = dict.fromkeys(frames.names(self._source) if frames.is_frame(self._source) else
                              (name for row in self.rows for name in row))
        if found:
            missing = next((name for name in self._chosen or () if name not in found), None)
            if missing is not None:
                raise ValueError(f"The Table has no column {missing!r}; it has {', '.join(found)}.")
            if self.sort and self.sort.removeprefix("-") not in found and self.sort not in found:
                raise ValueError(f"sort={self.sort!r}: the Table has no such column; it has {', '.join(found)}.")
        return self._chosen if self._chosen is not None else tuple(found)

    def __len__(self) -> int:
        late = _is_read_late(self._source) and not isinstance(self._source, File)
        return len(self._source if late else self.rows)

    @staticmethod
    def _limit(rows: int) -> None:
        if rows > ROWS_MOST:
            raise ValueError(f"A Table holds {ROWS_MOST:,} rows at most; this one has {rows:,}.")

    @cached_property
    def sha256(self) -> str:
        """A hash of what the table shows, by which an approval holds for exactly these rows."""
        if _is_read_late(self._source):
            known = frames.content(self._source) if frames.is_frame(self._source) else self._source.sha256
            return hashlib.sha256(json.dumps([known, self._chosen]).encode()).hexdigest()
        found = hashlib.sha256(json.dumps(self.columns).encode())
        for at in range(0, len(self.rows), CHUNK):
            part = [[row.get(name) for name in self.columns] for row in self.rows[at:at + CHUNK]]
            try:
                found.update(json.dumps(part, default=str).encode())
            except TypeError:  # a cell is a dict with keys JSON does not have
                found.update(json.dumps(_keyed(part), default=str).encode())
        return found.hexdigest()

    @cached_property
    def drawn_columns(self) -> tuple[Column, ...]:
        """The columns, and which of them hold numbers only."""
        return tuple(Column(name, _numbers(row.get(name) for row in self.rows)) for name in self.columns)

    def records(self) -> list[dict[str, Any]]:
        """The rows as dicts of the shown columns, in the author's order."""
        return [{name: row.get(name) for name in self.columns} for row in self.sorted(self.sort)]

    def sorted(self, sort: str) -> list[Mapping[str, Any]]:
        """All rows by one column: numbers before text, text without regard to case, empty cells last."""
        return list(self._by(sort, self.rows))

    def _by(self, sort: str, rows: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Rows in their order, of which only the first may be asked for: sorted in pieces, merged as they are read."""
        name = sort if sort in self.columns else sort.removeprefix("-")
        if not name or not any(name in row for row in rows):
            yield from rows
            return
        reverse = sort != name
        empty = [row for row in rows if _rank(row.get(name)) is None]
        full = [(rank, row) for row in rows if (rank := _rank(row.get(name))) is not None]
        parts = [sorted(full[at:at + CHUNK], key=_first, reverse=reverse) for at in range(0, len(full), CHUNK)]
        for _, row in heapq.merge(*parts, key=_first, reverse=reverse):
            yield row
        yield from empty

    def page(self, *, sort: str = "", number: int = 1, query: str = "") -> Page:
        """One page of 50 rows. An unknown column leaves the author's order; a page too far is the last one."""
        if sort.removeprefix("-") not in self.columns and sort not in self.columns:
            sort = self.sort
        rows = self.rows
        if words := query.casefold().split():
            rows = [row for row in rows if _holds(row, self.columns, words)]
        pages = max(1, math.ceil(len(rows) / PAGE_ROWS))
        number = min(max(1, number), pages)
        start = (number - 1) * PAGE_ROWS
        drawn = [[_drawn(row.get(name)) for name in self.columns]
                 for row in islice(self._by(sort, rows), start, start + PAGE_ROWS)]
        return Page(self.drawn_columns, drawn, start + 1 if drawn else 0, start + len(drawn), len(rows), len(self.rows),
                    number, pages, sort, query)


def _is_read_late(rows: Any) -> bool:
    return isinstance(rows, Results) or frames.is_frame(rows) or frames.is_table(rows)


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def cell(value: Any) -> str:
    """A value as a person reads it: 4,812, 0.18, yes, 2026-11-18."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, list | tuple | dict):
        return json.dumps(_keyed(value), default=str, ensure_ascii=False)
    if isinstance(value, Enum):
        return cell(value.value)
    if callable(native := getattr(value, "tolist", None)) and type(value).__module__.startswith("numpy"):
        return cell(native())
    if type(value).__name__ in ("NAType", "NaTType"):
        return ""
    return str(getattr(value, "name", value))


def _keyed(value: Any) -> Any:
    """The same with keys that JSON has."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _keyed(inner) for key, inner in value.items()}
    return [_keyed(inner) for inner in value] if isinstance(value, list | tuple) else value


def _drawn(value: Any) -> str:
    text = cell(value)
    return text if len(text) <= CELL_LENGTH else text[:CELL_LENGTH - 1] + "…"


def _row(row: Any, number: int, *, each: bool = False) -> Mapping[str, Any]:
    if isinstance(row, Mapping):
        return row if all(isinstance(name, str) for name in row) else {str(name): value for name, value in row.items()}
    if isinstance(row, Failed):  # its item, and why it has no result
        item = row.item if isinstance(row.item, Mapping) else {"item": row.item}
        return {**_row(item, number), "error": row.error}
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {item.name: getattr(row, item.name) for item in dataclasses.fields(row)}
    if callable(dump := getattr(row, "model_dump", None)) and not isinstance(row, type):
        return dict(dump())
    if each:
        return {"value": row}
    raise TypeError(f"Row {number} of a Table is {type(row).__name__}; rows are dicts, dataclasses or pydantic models.")


def _rank(value: Any) -> tuple[int, Any] | None:
    if isinstance(value, str):
        return (1, value.casefold()) if value else None
    if isinstance(value, int | float):
        return None if math.isnan(value) else (0, value)
    if callable(native := getattr(value, "tolist", None)):  # of numpy
        return _rank(native())
    return (1, text.casefold()) if (text := cell(value)) else None


def _numbers(values: Iterable[Any]) -> bool:
    kinds = {type(value) for value in values if value is not None}
    return bool(kinds) and all(kind in (int, float) or (kind.__module__ == "numpy" and
                               kind.__name__.startswith(("int", "uint", "float"))) for kind in kinds)


def _holds(row: Mapping[str, Any], columns: Sequence[str], words: list[str]) -> bool:
    text = "\n".join(f"{value} {cell(value)}" if isinstance(value, int | float | datetime.date) else cell(value)
                     for value in (row.get(name) for name in columns)).casefold()
    return all(word in text for word in words)
