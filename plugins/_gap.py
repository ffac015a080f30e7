"""Lists joined by a key: what one has and the others lack."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import unquote, urlsplit

from treadle import Progress

from ._tables import EACH, Row, decimal_of, number_of, type_of
from ._words import unused

KEYS = ("keyword", "keywords", "query", "top queries", "search term", "url", "page", "top pages", "landing page",
        "address", "title", "suchbegriff", "seite")
WEIGHTS = ("search volume", "volume", "avg. monthly searches", "traffic", "clicks", "impressions", "sessions", "visits",
           "suchvolumen", "klicks", "impressionen")
BY_PATH = "The path of an address: hosts are left out"
BY_TEXT = "The text, in small letters"
MISSING, ONLY, SHARED = "missing", "only", "shared"  # what a key is to one of the lists
PARTS = {MISSING: "Missing in {}", ONLY: "Only in {}", SHARED: "Shared"}
MOST = 100_000  # rows of a part; what a Table takes

Joined = dict[str, Any]  # a row of the result


@dataclass(frozen=True)
class List:
    """One export: whose it is, the column to compare by, and the one that says what matters ("" for none)."""

    name: str
    key: str
    weight: str


def guess(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column whose name is one of `names`, the better one first; then one that holds such a word."""
    lower = {column.strip().lower(): column for column in columns}
    for name in names:
        if name in lower:
            return lower[name]
    return next((column for name in names for low, column in lower.items() if name in low), None)


def name_of(file: str, lists: Sequence[List]) -> str:
    """What a list is called: as its file, without its ending and the comma that stands between names."""
    plain = file.rpartition(".")[0].replace(",", " ")[:60].strip() or "List"
    return unused(plain, [each.name for each in lists])


def compare(lists: Sequence[List], tables: Sequence[Sequence[Row]], how: str,
            progress: Progress) -> list[Joined]:
    """A row for each key: who has it, the largest weight that anybody gives it, and what each list says. The heaviest
    first."""
    found: dict[str, dict[str, Any]] = {}
    title = lists[0].key if lists[0].key not in ("priority", "in", "has") else "entry"
    columns = [f"{own.name}: {own.weight}" for own in lists]
    for own, column, rows in zip(lists, columns, tables, strict=True):
        weights = [row[own.weight] for row in rows if row.get(own.weight, "").strip()]
        kind, decimal = type_of(weights), decimal_of(weights)
        for number, row in enumerate(rows, 1):
            if number % EACH == 0:
                progress(number, len(rows), text=own.name)
            text = row.get(own.key, "").strip()
            key = normal(text, how)
            if not key:
                continue
            entry = found.setdefault(key, {title: text, "priority": 0, "has": []})
            if own.name not in entry["has"]:
                entry["has"].append(own.name)
            if own.weight and (weight := number_of(row.get(own.weight, ""), kind, decimal)) is not None:
                weight = int(weight) if weight.is_integer() else weight
                entry[column] = max(weight, entry.get(column, weight))
                entry["priority"] = max(weight, entry["priority"])
    weighed = [column for own, column in zip(lists, columns, strict=True) if own.weight]
    joined = [{title: entry[title], "priority": entry["priority"], "in": len(entry["has"]),
               "has": ", ".join(entry["has"]), **{name: entry.get(name, "") for name in weighed}}
              for entry in found.values()]
    return sorted(joined, key=lambda row: (-row["priority"], -row["in"], row[title]))


def listed(found: Sequence[Joined], mine: str, part: str) -> list[Joined]:
    """The heaviest of what `mine` lacks, of what only `mine` has, or of what it shares: at most `MOST`. A job of its
    own, as looking through 100,000 rows takes longer than drawing a page may."""
    wanted = (row for row in found if part == part_of(row["has"].split(", "), mine))
    return list(islice(wanted, MOST))


def part_of(has: list[str], mine: str) -> str:
    """Whether a key that these lists have is missing in `mine`, only there, or shared."""
    if mine not in has:
        return MISSING
    return ONLY if has == [mine] else SHARED


def normal(text: str, how: str) -> str:
    """What makes two keys one."""
    if how == BY_PATH:
        try:
            parts = urlsplit(text if "//" in text else f"//{text.lstrip('/')}" if "." in text.split("/")[0] else text)
        except ValueError:
            return text.lower()
        return unquote(parts.path).rstrip("/").lower() or "/"
    return re.sub(r"\s+", " ", text).strip().lower()
