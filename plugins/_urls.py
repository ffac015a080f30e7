"""URLs out of real lists: text with one a line, CSV with a column of them, sitemaps. Nothing is dropped silently."""

import csv
import html
import ipaddress
import posixpath
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from treadle import File

SCHEMES = {"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443"}  # and the port that is not written
LOOKED_AT = 50  # lines that say whether a text is a table
COLUMNS = {"url", "urls", "uri", "address", "link", "loc", "page", "landing page", "location", "href"}
# what stands around a URL and is never part of one: spaces, marks that are not seen, quotes
JUNK = " \t\r\n\f\v\0\ufeff\u200b\u200e\u200f\u2060\u00a0\"'`<>\u201c\u201d\u2018\u2019"

_URL = re.compile(r"(?:([a-z][a-z0-9+.-]*):)?//([^/?#\\]*)([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_BARE = re.compile(r"([^/?#\\:@\s]+(?::\d+)?)(?![^/?#])([^?#]*)(?:\?([^#]*))?")
_BULLET = re.compile(r"\A(?:[-*\u2022]|\d+[.)])\s+")
_NUMERIC = re.compile(r"(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+))*", re.IGNORECASE)


class Url(NamedTuple):
    """What is counted of one URL. The fragment is no part of it: it names a place on the same page."""

    text: str
    host: str
    path: str
    query: str


@dataclass
class Found:
    """What a list held. `rejected`: rows of line number, text and reason."""

    urls: list[Url] = field(default_factory=list)
    rejected: list[dict[str, int | str]] = field(default_factory=list)
    blank: int = 0


@lru_cache(maxsize=4)
def read(source: str | File) -> Found:
    """The URLs of a pasted text or an uploaded file. Remembered, as a run is drawn again and again."""
    text = (source if isinstance(source, str) else source.read_text()).removesuffix("\n")
    found = Found()
    for line, entry in _entries(text):
        entry = entry.strip(JUNK)
        if not entry:
            found.blank += 1
            continue
        parts = entry.split()
        if len(parts) == 1 or not all("://" in part for part in parts):  # a space may stand in a path
            parts = [entry]
        for part in parts:
            url = parse(part)
            if isinstance(url, Url):
                found.urls.append(url)
            else:
                found.rejected.append({"line": line, "text": part[:300], "why": url})
    return found


def checked(given: str | File, most: int) -> str | File:
    """Refuse what holds no URL, or more than `most`."""
    if isinstance(given, File) and not is_text(given.read_text()[:4096]):
        raise ValueError(f"{given.name} is not text. Give text, CSV or a sitemap; of a spreadsheet, a CSV file.")
    count = len(read(given).urls)
    if not count:
        raise ValueError("No URL was found. Give one in each line; of a spreadsheet, a CSV file.")
    if count > most:
        raise ValueError(f"{count:,} URLs is over the limit of {most:,}. Split the list.")
    return given


def is_text(start: str) -> bool:
    """Whether a file that begins so is text: in a picture or an archive, letters would make hosts by chance."""
    return sum(not (char.isprintable() or char.isspace()) for char in start) * 20 <= len(start)


def entries(source: str | File) -> int:
    """How many lines, or pages of a sitemap, a list has, without reading them as URLs."""
    text = (source if isinstance(source, str) else source.read_text()).removesuffix("\n")
    return text.count("<loc>") if _is_sitemap(text) else text.count("\n") + 1


def parse(text: str) -> Url | str:
    """One URL, or why this is none. Without a scheme it needs a host with a dot, or localhost."""
    if not text.startswith("http"):
        text = _BULLET.sub("", text, count=1)
    text = text.strip(JUNK).rstrip(",;")
    if "&amp;" in text:
        text = text.replace("&amp;", "&")  # copied out of the source of a page
    if (match := _URL.match(text)) is not None:
        scheme, authority, path, query = match.groups()
        scheme = (scheme or "https").lower()
        if scheme not in SCHEMES:
            return f"the scheme {scheme} is not counted"
        host = _host(authority, SCHEMES[scheme])
        if not host:
            return "no host" if not authority else "the host is not valid"
    elif (match := _BARE.match(text)) is not None:
        authority, path, query = match.groups()
        host = _host(authority, "443")
        name = host.partition(":")[0]
        if not host or not (name == "localhost" or _NUMERIC.fullmatch(name) or re.search(r"\.[^\W\d_][\w-]+$", name)):
            return "no URL"
    else:
        return "no host" if text.startswith("/") else "no URL"
    path = path.replace("\\", "/")
    if "/." in path:
        path = posixpath.normpath(path) + ("/" if path.endswith(("/", "/.", "/..")) else "")
    return Url(text, host, path or "/", query or "")


def depth(url: Url) -> int:
    """How many parts its path has: 0 for /, 2 for /guides/returns/."""
    return sum(map(bool, url.path.split("/")))


def parameters(url: Url) -> Iterator[tuple[str, str]]:
    """The names and values of its query."""
    for part in url.query.split("&") if url.query else ():
        name, _, value = part.partition("=")
        if part:
            yield (unquote_plus(name) if "%" in name or "+" in name else name), value


@lru_cache(maxsize=4096)
def _host(authority: str, default_port: str) -> str:
    """A host as it is counted, "" if it is none: small letters, one spelling of IDN and IPv6, no usual port."""
    host = authority.rpartition("@")[2]
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d*))?", host)
    if match is None:
        return ""
    name, port = unquote(match[1]).lower().rstrip("."), (match[2] or "").lstrip("0")
    if port and int(port[:6]) > 65_535:
        return ""
    if name.startswith("["):
        try:
            name = f"[{ipaddress.IPv6Address(name[1:-1])}]"
        except ValueError:
            return ""
    elif _NUMERIC.fullmatch(name):
        try:
            ipaddress.IPv4Address(name)
        except ValueError:
            return ""
    else:
        name = _readable(name)
        if not re.fullmatch(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}", name) or len(name) > 253:
            return ""
    return name if not port or port == default_port else f"{name}:{port}"


def _readable(name: str) -> str:
    """An international name in its own letters, whichever way it was written."""
    if name.isascii() and "xn--" not in name:
        return name
    try:
        return name.encode("idna").decode("ascii").encode("ascii").decode("idna")
    except UnicodeError:
        return name


def _entries(text: str) -> Iterator[tuple[int, str]]:
    """What may be a URL, with the number of its line."""
    if _is_sitemap(text):
        line = at = 0
        for start, _, address in locations(text):
            line, at = line + text.count("\n", at, start), start
            yield line + 1, address
        return
    if "<loc>" in text:  # lines of one
        pieces, at = [], 0
        for start, end, address in locations(text):
            pieces += [text[at:start], address, " "]
            at = end
        text = "".join([*pieces, text[at:]])
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip(JUNK)), 0)
    table = table_in(lines[first:first + LOOKED_AT])
    if table is None:
        skip = _is_name(lines[first])
        yield from ((number, line) for number, line in enumerate(lines, 1) if not skip or number != first + 1)
        return
    delimiter, column, header = table
    rows = csv.reader(lines[first:], delimiter=delimiter)
    try:
        for number, row in enumerate(rows):
            if number or not header:
                yield first + rows.line_num, row[column] if len(row) > column else " ".join(row)
    except csv.Error:  # no table after all, for example a quote that never ends
        yield from enumerate(lines[first + rows.line_num:], first + rows.line_num + 1)


def locations(text: str) -> Iterator[tuple[int, int, str]]:
    """What stands in each <loc>, and from where to where that goes. No regular expression: with one, a text of a
    megabyte in which none of them ends would hold Python, and with it the server, for hours."""
    at = 0
    while (start := text.find("<loc>", at)) >= 0 and (at := text.find("</loc>", start) + 6) > 5:
        inner = text[start + 5:at - 6].strip().removeprefix("<![CDATA[").removesuffix("]]>").strip()
        with suppress(ValueError):  # the number of a character, with thousands of digits
            inner = html.unescape(inner)
        yield start, at, inner


def _is_sitemap(text: str) -> bool:
    """Whether only what is in <loc> counts. One such line in a list of others makes no sitemap of it."""
    return "<loc>" in text and ("<url" in text or "<sitemap" in text)


def table_in(lines: list[str]) -> tuple[str, int, bool] | None:
    """Delimiter, column of the URLs and whether there is a header, of text that is a table.

    Commas are legal in URLs: a table is what has a header of as many cells, cells in quotes, or tabs.
    """
    quoted = lines[0].strip("\ufeff").startswith('"')
    for delimiter in "\t;,":
        try:
            rows = [row for row in csv.reader(lines, delimiter=delimiter) if any(row)]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        if width < 2 and not (quoted and delimiter == ","):
            continue
        if sum(len(row) == width for row in rows) < 0.8 * len(rows):
            continue
        hits = [sum(isinstance(parse(row[n].strip(JUNK)), Url) for row in rows if n < len(row)) for n in range(width)]
        header = not any(isinstance(parse(cell.strip(JUNK)), Url) for cell in rows[0])
        if not header and delimiter != "\t" and not quoted:
            continue
        named = [n for n, cell in enumerate(rows[0]) if _is_name(cell)] if header else []
        column = max(named or range(width), key=lambda n: hits[n])
        if hits[column] * 2 >= len(rows) - header or named:
            return delimiter, column, header
    return None


def _is_name(cell: str) -> bool:
    """Whether a header calls its column one of URLs."""
    name = cell.strip(JUNK).lower()
    return name in COLUMNS or "url" in name.split()
