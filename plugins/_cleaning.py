"""What the CSV cleaner does to a table."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from treadle import Progress

from ._tables import EACH, Row, date_of, decimal_of, number_of, type_of

FIXES = {
    "spaces": "Trim spaces, and make one of several",
    "empty": "Drop rows without a value",
    "invisible": "Remove invisible characters, and use one spelling of accents",
    "numbers": "Write numbers as 1234.5",
    "dates": "Write dates as 2026-11-21",
    "emails": "Write email addresses in small letters",
}
NO_DUPLICATES, ALL = "Keep every row", "Drop rows that are equal in all columns"
DAY_FIRST, MONTH_FIRST = "Day first: 21/11/2026", "Month first: 11/21/2026"
SAMPLE = 20  # changed cells of a column that are shown
_HIDDEN = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"))


def renames(text: str, columns: list[str]) -> dict[str, str]:
    """All columns with their names to be, out of lines like "old = new". Raises `ValueError` that names the line."""
    found = {column: column for column in columns}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        old, mark, new = (part.strip() for part in line.partition("="))
        if not mark or not new:
            raise ValueError(f"Line {number} is not like: old = new.")
        if old not in columns:
            raise ValueError(f"Line {number}: there is no column {old!r}. There are {', '.join(columns)}.")
        found[old] = new
    names = list(found.values())
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise ValueError(f"Two columns would be called {twice!r}.")
    return found


def renamable(text: str, columns: list[str]) -> str:
    """Refuse lines that `renames` cannot read."""
    renames(text, columns)
    return text


@dataclass(frozen=True)
class Settings:
    """How a table is cleaned. `columns`: those that are kept, in this order, with their new names."""

    columns: dict[str, str]
    fixes: list[str]
    duplicates: str
    dates: str = DAY_FIRST


def clean(rows: Sequence[Row], settings: Settings, progress: Progress) -> list[Row]:
    """The rows as they are after cleaning."""
    return Cleaning(rows, settings).rows(progress)


def changes(rows: Sequence[Row], settings: Settings, progress: Progress) -> dict[str, Any]:
    """What cleaning does: how many rows it drops and why, the cells it changes in each column, and some of them."""
    cleaning = Cleaning(rows, settings)
    cleaning.rows(progress)
    return {"empty": cleaning.empty, "duplicates": cleaning.doubles, "sample": cleaning.sample,
            "changed": [{"column": name, "cells": count} for name, count in cleaning.changed.items() if count]}


class Cleaning:
    """One pass over a table."""

    def __init__(self, rows: Sequence[Row], settings: Settings) -> None:
        self._rows, self._settings = rows, settings
        values = {name: [value for row in rows if (value := row.get(name, "").strip())] for name in settings.columns}
        self._types = {name: type_of(values[name]) for name in values}
        self._decimals = {name: decimal_of(values[name]) for name in values}
        self.empty = self.doubles = 0
        self.changed = dict.fromkeys(settings.columns, 0)
        self.sample: list[dict[str, Any]] = []
        self._sampled: Counter[str] = Counter()

    def rows(self, progress: Progress) -> list[Row]:
        """The rows that are kept, cleaned."""
        how, seen, kept = self._settings, set[tuple[str, ...]](), list[Row]()
        for number, row in enumerate(self._rows, 1):
            if number % EACH == 0:
                progress(number, len(self._rows), text="rows")
            new = {how.columns[name]: self._cell(number, name, row.get(name, "")) for name in how.columns}
            if "empty" in how.fixes and not any(new.values()):
                self.empty += 1
                continue
            if how.duplicates != NO_DUPLICATES:
                by = (*new.values(),) if how.duplicates == ALL else (new[how.columns[how.duplicates]],)
                if by in seen:
                    self.doubles += 1
                    continue
                seen.add(by)
            kept.append(new)
        return kept

    def _cell(self, number: int, name: str, before: str) -> str:
        how = self._settings
        after = fixed(before, self._types[name], how.fixes, month_first=how.dates == MONTH_FIRST,
                      decimal=self._decimals[name])
        if after != before:
            self.changed[name] += 1
            if self._sampled[name] < SAMPLE:
                self._sampled[name] += 1
                self.sample.append({"row": number, "column": name, "before": before, "after": after})
        return after


def fixed(value: str, kind: str, fixes: list[str], *, month_first: bool, decimal: str = "") -> str:
    """One cell, cleaned. What does not fit the type of its column stays as it is."""
    if "invisible" in fixes:
        value = unicodedata.normalize("NFC", value.translate(_HIDDEN))
    if "spaces" in fixes:
        value = re.sub(r"[^\S\n]+", " ", value).strip()
    if "numbers" in fixes and kind in ("number", "whole number"):
        number = number_of(value, kind, decimal)
        if number is not None:
            value = f"{number:.15g}" + ("%" if value.rstrip().endswith("%") else "")
    if "dates" in fixes and kind == "date":
        value = date_of(value, month_first=month_first) or value
    if "emails" in fixes and kind == "email":
        value = value.lower()
    return value
