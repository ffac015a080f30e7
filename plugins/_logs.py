"""URLs out of access logs and lists, line by line: plain or gzip, of any size."""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import IO, NamedTuple

from treadle import File

from ._urls import LOOKED_AT as TABLE
from ._urls import table_in

# common and combined log format, with or without the name of the virtual host in front
_LOG = re.compile(r'^(?:\S+ )?\S+ \S+ \S+ \[[^\]]+\] "(?P<method>[A-Z]+) (?P<target>\S+)(?: HTTP/[\d.]+)?" '
                  r'(?P<status>\d{3}) (?:\d+|-)')
LINE = 65_536  # characters of a line that are read
LOOKED_AT = 1_000  # lines
BLANK = 10_000  # empty lines one after another; a packed file of nothing else may have billions
NOTHING = ("No line is a request or a URL. Give an access log in the common or combined format, or one URL in each "
           "line; both may be gzipped.")
GZIP = b"\x1f\x8b"


class Request(NamedTuple):
    """One line of a log, or of a list, where the status is 0."""

    target: str
    status: int


def requests(file: File) -> Iterator[Request | None]:
    """What each line asks for; None for a line that is neither a request nor a URL. Blank lines are left out. Of a
    table it is the column of URLs."""
    with _opened(file) as text:
        lines = iter(lambda: text.readline(LINE), "")
        first = list(islice(lines, TABLE))
        blank = 0
        for line in _column(first, chain(first, lines)):
            line = line.strip(" \t\r\n\f\v\0\ufeff\"'")
            if not line:
                blank += 1
                if blank > BLANK:
                    raise ValueError(f"{file.name} has more than {BLANK:,} empty lines one after another.")
                continue
            blank = 0
            if (found := _LOG.match(line)) is not None:
                yield Request(found["target"], int(found["status"]))
            elif line.startswith("/") or "://" in line[:12]:
                yield Request(line.split()[0].rstrip(",;"), 0)
            else:
                yield None


def _column(first: list[str], lines: Iterator[str]) -> Iterator[str]:
    full = [line.strip("\r\n") for line in first if line.strip()]
    table = None if not full or any(map(_LOG.match, full)) else table_in(full)
    if table is None:
        return lines
    delimiter, column, header = table
    return _cells((line.replace("\0", "") for line in lines), delimiter, column, header=header)


def _cells(lines: Iterator[str], delimiter: str, column: int, *, header: bool) -> Iterator[str]:
    rows = csv.reader(lines, delimiter=delimiter)
    try:
        for row in rows:
            if header and any(row):
                header = False
            else:
                yield row[column] if column < len(row) else " ".join(row)
    except csv.Error as error:
        raise ValueError(f"The table cannot be read at line {rows.line_num:,}: {error}. Is a quote missing?") from None


def readable(file: File) -> File:
    """Refuse what holds neither requests nor URLs while it is given, by its first lines."""
    if all(request is None for request in islice(requests(file), LOOKED_AT)):
        raise ValueError(NOTHING)
    return file


@contextmanager
def _opened(file: File) -> Iterator[IO[str]]:
    with file.open("rb") as raw:
        packed = raw.read(2) == GZIP
        raw.seek(0)
        if packed:
            try:
                with gzip.open(raw, "rt", encoding="utf-8", errors="replace") as text:
                    yield text
            except (EOFError, gzip.BadGzipFile, zlib.error):
                raise ValueError(f"{file.name} is damaged or was cut off. Pack it anew.") from None
            return
    with file.open() as text:
        yield text
