"""Tables out of real files: CSV and TSV whatever their delimiter and encoding, and the first sheet of an XLSX."""

import csv
import datetime
import io
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from treadle import File, Progress

from ._words import many, unused

MOST_ROWS = 100_000
MOST_COLUMNS = 2_000
MOST_CELLS = 5_000_000
MOST_UNPACKED = 150_000_000  # bytes of all that is packed in an XLSX
MOST_PACKED = 100  # times its size, above `SMALL`: 90 kB of one short text keep Python for 15 s
SMALL = 20_000_000
EACH = 5_000        # rows between two reports
SAMPLE = 200_000    # characters that are looked at to find the delimiter
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
XLSX = b"PK\x03\x04"

Row = dict[str, str]


@dataclass(frozen=True)
class Source:
    """A file that was opened as a table. `delimiter` and `encoding` are "" of a spreadsheet."""

    format: str
    encoding: str
    delimiter: str
    rows: Iterator[list[str]]


_WHOLE = re.compile(r"[+-]?\d{1,3}(?:[,.\u00a0\u202f' ]\d{3})+|[+-]?\d+")
_DECIMAL = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:([,.\u00a0\u202f' ])\d{3})+)[.,]\d+%?|[+-]?\d+%")
_UNCLEAR = re.compile(r"[+-]?(?:\d*|[1-9]\d{0,2}[,.]\d{3})")  # 1,375: the mark is one of thousands or of decimals
_SLASHES = re.compile(r"\s*\d{1,2}/\d{1,2}/\d{4}\s*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y",
         "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")


def read(file: File, progress: Progress) -> list[Row]:
    """The rows of a table, all cells as text; the first row that is not empty names the columns.

    Raises `ValueError` for what is no table, or has more than 100,000 rows.
    """
    rows: list[Row] = []
    header: list[str] = []
    for cells in _source(file).rows:
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            if len(cells) > MOST_COLUMNS:
                raise ValueError(f"{file.name} has {len(cells):,} columns; the limit is {MOST_COLUMNS:,}.")
            header = _header(cells)
            continue
        if any(cell.strip() for cell in cells[len(header):MOST_COLUMNS]):  # what has no name is no less there
            for number in range(len(header) + 1, min(len(cells), MOST_COLUMNS) + 1):
                header.append(unused(f"Column {number}", header))
        rows.append(dict(zip(header, cells, strict=False)))
        if len(rows) > MOST_ROWS:
            raise ValueError(f"{file.name} has more than {MOST_ROWS:,} rows. Split it.")
        if len(rows) * len(header) > MOST_CELLS:
            raise ValueError(f"{file.name} has more than {MOST_CELLS:,} cells. Split it.")
        if len(rows) % EACH == 0:
            progress(len(rows), text=many(len(rows), "row"))
    if not rows:
        raise ValueError(f"{file.name} holds no rows." if header else f"{file.name} is empty.")
    return [{name: row.get(name, "") for name in header} for row in rows]


def readable(file: File) -> File:
    """Refuse what is no table or holds no rows while it is given. Of a spreadsheet the job sees whether it has rows:
    that takes longer than a check may."""
    with file.open("rb") as raw:
        if raw.read(4) == XLSX:
            if not _is_book(raw):
                raise ValueError(f"{file.name} is damaged, or no XLSX file. Save it anew as XLSX or CSV.")
            return file
    full = (cells for cells in _source(file).rows if any(cell.strip() for cell in cells))
    if (count := len(list(islice(full, 2)))) < 2:
        raise ValueError(f"{file.name} holds no rows below its first one." if count else f"{file.name} is empty.")
    return file


def _is_book(raw: IO[bytes]) -> bool:
    from zipfile import BadZipFile, ZipFile  # as what reads a spreadsheet: not at the start of the server

    try:
        with ZipFile(raw) as packed:
            return "xl/workbook.xml" in packed.namelist()
    except (BadZipFile, OSError, ValueError):
        return False


def describe(file: File, rows: Sequence[Row]) -> dict[str, Any]:
    """What a file is: its format, encoding and delimiter, lines that did not fit, and a row for each column."""
    source = _source(file)
    widths = [len(cells) for cells in source.rows if any(cell.strip() for cell in cells)]
    return {"format": source.format, "encoding": source.encoding, "delimiter": source.delimiter,
            "ragged": sum(width != widths[0] for width in widths),
            "slashes": any(_SLASHES.fullmatch(value) for row in rows for value in row.values()),
            "columns": profile(rows)}


def profile(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A row for each column: its type, how many cells are empty, how many values differ, and an example."""
    found = []
    for name in rows[0]:
        values = [value for row in rows if (value := row.get(name, "").strip())]
        found.append({"column": name, "type": type_of(values), "empty": len(rows) - len(values),
                      "different": len(set(values)), "example": values[0][:80] if values else ""})
    return found


def type_of(values: list[str]) -> str:
    """What at least 95 of 100 values are; text where that is nothing else."""
    if not values:
        return "empty"
    kinds = Counter(_kind(value) for value in values[:5_000])
    if kinds["whole number"] and kinds["number"]:
        kinds["number"] += kinds.pop("whole number")
    kind, count = kinds.most_common(1)[0]
    return kind if count >= 0.95 * min(len(values), 5_000) else "text"


def _kind(value: str) -> str:
    value = value.strip()
    if _WHOLE.fullmatch(value) and not re.match(r"[+-]?0\d|[+-]?0[.,]", value):  # 0049 is a code, 0,125 no thousand
        return "whole number"
    if _DECIMAL.fullmatch(value):
        return "number"
    if len(value) <= 30 and any(char.isdigit() for char in value) and date_of(value):
        return "date"
    if _URL.fullmatch(value):
        return "URL"
    if _EMAIL.fullmatch(value):
        return "email"
    if value.lower() in ("yes", "no", "true", "false"):
        return "yes or no"
    return "text"


def date_of(value: str, *, month_first: bool = False) -> str:
    """A date as 2026-11-21 (with its time where it has one), "" if it is none."""
    formats = DATES if not month_first else sorted(DATES, key=lambda format: not format.startswith("%m/"))
    for format in formats:
        try:
            found = datetime.datetime.strptime(value.strip(), format)
        except ValueError:
            continue
        return found.isoformat(sep=" ") if "%H" in format else found.date().isoformat()
    return ""


def number_of(text: str, kind: str = "number", decimal: str = "") -> float | None:
    """A number out of a cell, whichever marks it uses; None if it is none. "1.234,5" and "1,234.5" are the same.
    `kind` and `decimal` are those of its column, for a cell like 12.100: among whole numbers it is twelve thousand."""
    text = _bare(text)
    decimal = _decimal(text) or decimal or ("," if "." in text and kind == "whole number" else ".")
    whole, mark, rest = text.partition(decimal)
    between = "." if decimal == "," else ","
    if between in whole and not re.fullmatch(rf"[+-]?\d{{1,3}}([{between}]\d{{2,3}})*[{between}]\d{{3}}", whole):
        return None  # 192.168.1.1
    text = whole.replace(between, "") + (mark and ".") + rest
    return float(text) if re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)", text) else None


def decimal_of(values: Iterable[str]) -> str:
    """The mark of decimals that most numbers of a column show, "" if none does. 0,125 and 1.234.567 show a comma."""
    bare = map(_bare, values)
    shown = Counter(_decimal(text) for text in bare if _WHOLE.fullmatch(text) or _DECIMAL.fullmatch(text))
    return max(",.", key=lambda mark: shown[mark]) if shown[","] or shown["."] else ""


def _bare(text: str) -> str:
    return re.sub(r"[\u00a0\u202f' %\u20ac$\u00a3]", "", text.strip())


def _decimal(text: str) -> str:
    """The mark of decimals as the cell itself shows it: the last one, unless it stands there twice."""
    if _UNCLEAR.fullmatch(text):
        return ""
    last, other = (",", ".") if text.rfind(",") > text.rfind(".") else (".", ",")
    return other if text.count(last) > 1 else last


def _header(cells: list[str]) -> list[str]:
    """Names for all columns, each once."""
    names: dict[str, None] = {}
    for number, cell in enumerate(cells, 1):
        names[unused(" ".join(cell.split())[:80] or f"Column {number}", names)] = None
    return list(names)


def _source(file: File) -> Source:
    with file.open("rb") as raw:
        if raw.read(4) == XLSX:
            return _excel(file)
    text = file.read_text()
    if "\0" in text:
        raise ValueError(f"{file.name} is not text. Give a CSV, TSV or XLSX file.")
    text = text.removeprefix("\ufeff")
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:  # how Excel is told the delimiter
        delimiter, text = first[4], rest
    else:
        delimiter = _delimiter(text[:SAMPLE])
    return Source("text", file.encoding(), DELIMITERS.get(delimiter, delimiter), _rows(text, delimiter))


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise ValueError(f"The file could not be read as a table: {error}.") from None


def _delimiter(sample: str) -> str:
    """The one that gives the most rows of the same width, more than one cell wide."""
    def score(delimiter: str) -> tuple[float, int]:
        try:
            rows = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
            widths = Counter(len(row) for row in rows if row)
        except csv.Error:
            return 0.0, 0
        if not widths:
            return 0.0, 0
        width, count = widths.most_common(1)[0]
        return (count / widths.total() if width > 1 else 0.0), width

    return max(DELIMITERS, key=score)


def _excel(file: File) -> Source:
    from zipfile import ZipFile

    try:
        from openpyxl import load_workbook  # type: ignore[import-untyped,unused-ignore]
    except ModuleNotFoundError:
        raise ValueError("Reading XLSX needs openpyxl, which is not installed. Save the sheet as CSV, or install it "
                         f"with: {sys.executable} -m pip install openpyxl") from None
    try:
        with file.open("rb") as raw:
            with ZipFile(raw) as packed:  # no part of it gives more than it says
                size = sum(part.file_size for part in packed.infolist())
                if size > MOST_UNPACKED or size > max(SMALL, file.size * MOST_PACKED):
                    raise ValueError(f"unpacked it is over the limit, {size // 1_000_000:,} MB")
            book = load_workbook(raw, read_only=True, data_only=True)
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # what it says of itself would be filled up with empty cells
            rows, cells, width = [], 0, 0
            for row in islice(sheet.iter_rows(values_only=True), MOST_ROWS + 2):
                rows.append(["" if cell is None else _cell(cell) for cell in row])
                while rows[-1] and not rows[-1][-1]:  # a sheet may say that each row has 16,384
                    rows[-1].pop()
                if (cells := cells + len(rows[-1])) > MOST_CELLS or (width := width + len(row)) > 4 * MOST_CELLS:
                    raise ValueError(f"it has more than {MOST_CELLS:,} cells")
    except Exception as error:  # noqa: BLE001 - whatever two libraries say of a file that is none of theirs
        raise ValueError(f"{file.name} could not be read as XLSX: {error}.") from None
    return Source(f"XLSX, sheet {sheet.title}", "", "", iter(rows))


def _cell(value: Any) -> str:
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)
