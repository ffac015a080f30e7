"""Which query parameters make many addresses of one page."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_plus, urlsplit

from treadle import File, Progress

from ._logs import NOTHING, requests
from ._words import many

EACH = 20_000           # lines between two reports
MOST_ADDRESSES = 2_000_000  # different ones that are told apart; a larger list is many in parts
VALUES = 10_000         # different values of one parameter that are told apart
ROWS = 1_000  # parameters, or pages, that are told of; a job may return 1 MB
MOST_NAMES = 100_000  # different parameters that are told apart
PAIRS = 200   # parts of a query that are looked at: for each of them all are
NAME = 100    # characters of a name; what is longer is no parameter
# that only tell where a click came from: no page shows anything else because of them
TRACKING = ("utm_", "gclid", "gbraid", "wbraid", "fbclid", "msclkid", "yclid", "dclid", "mc_", "_ga", "_gl", "igshid",
            "ref", "sessionid", "phpsessid", "jsessionid", "sid")

# that are mostly part of the page itself: blocking them would hide it
CONTENT = frozenset({"page", "paged", "p", "pg", "id", "pid", "product", "item", "sku", "category", "cat", "lang", "hl",
                     "locale", "year", "month", "slug", "post", "article", "seite", "sprache"})


@dataclass
class Seen:
    """What is known of one parameter."""

    requests: int = 0
    values: set[str] = field(default_factory=set)
    pages: set[int] = field(default_factory=set)
    addresses: set[int] = field(default_factory=set)
    without: set[int] = field(default_factory=set)
    sample: str = ""


def count(file: File, progress: Progress) -> dict[str, Any]:
    """Rows for the parameters and for the pages that they multiply, `ROWS` of each, and how many lines were read.

    Raises `ValueError` where no line is a request or a URL, or there are more addresses or parameters than can be told
    apart.
    """
    params: dict[str, Seen] = {}
    lines = rejected = errors = 0
    addresses: dict[int, int] = {}
    pages: dict[str, int] = {}
    for request in requests(file):
        lines += 1
        if lines % EACH == 0:
            progress(lines, text=f"{many(lines, 'line')}, {many(len(addresses), 'address', 'addresses')}")
        if request is None:
            rejected += 1
            continue
        if request.status >= 300:  # no page was shown
            errors += 1
            continue
        host, path, query = _split(request.target)
        page = host + path
        pages.setdefault(page, len(pages))
        address = hash((page, query))
        addresses[address] = pages[page]
        if len(addresses) > MOST_ADDRESSES:
            raise ValueError(f"There are more than {MOST_ADDRESSES:,} different addresses. Split the file, by days or "
                             "by folders.")
        if query:
            _count(params, page, pages[page], address, query, request.target)
        if len(params) > MOST_NAMES:
            raise ValueError(f"There are more than {MOST_NAMES:,} different parameters. Split the file, by days or by "
                             "folders.")
    if lines == rejected:
        raise ValueError(NOTHING)
    per_page = Counter(addresses.values())
    names = list(pages)
    rows = sorted((_row(name, seen) for name, seen in params.items()),
                  key=lambda row: (-row["extra"], row["parameter"]))
    return {
        "lines": lines, "rejected": rejected, "errors": errors, "pages": len(pages), "addresses": len(addresses),
        "names": len(params), "parameters": rows[:ROWS],
        "multiplied": [{"page": names[page][:300], "addresses": number} for page, number in per_page.most_common(ROWS)
                       if number > 1],
    }


def _split(target: str) -> tuple[str, str, str]:
    try:
        parts = urlsplit(target)
    except ValueError:  # a bracket that is no IPv6 address
        path, _, query = target.partition("?")
        return "", path, query
    return parts.netloc.lower(), parts.path or "/", parts.query


def _count(params: dict[str, Seen], page: str, number: int, address: int, query: str, target: str) -> None:
    pairs = [part.partition("=") for part in query.split("&", PAIRS) if part][:PAIRS]
    for name in {name for pair in pairs if len(name := unquote_plus(pair[0])) <= NAME}:
        seen = params.setdefault(name, Seen())
        seen.requests += 1
        if address in seen.addresses:
            continue
        seen.addresses.add(address)
        seen.pages.add(number)
        seen.without.add(hash((page, "&".join("".join(pair) for pair in pairs if unquote_plus(pair[0]) != name))))
        if len(seen.values) < VALUES:
            seen.values.update(pair[2] for pair in pairs if unquote_plus(pair[0]) == name)
        seen.sample = seen.sample or target[:200]


def _row(name: str, seen: Seen) -> dict[str, Any]:
    """`extra`: how many addresses fewer there would be without this parameter."""
    return {"parameter": name, "extra": len(seen.addresses) - len(seen.without), "addresses": len(seen.addresses),
            "pages": len(seen.pages), "values": len(seen.values), "requests": seen.requests,
            "kind": kind(name), "sample": seen.sample}


def kind(name: str) -> str:
    """What a name tells of a parameter; "" for nothing."""
    return ("content" if name.lower() in CONTENT else "tracking" if name.lower().startswith(TRACKING) else "")


def proposed(rows: list[dict[str, Any]]) -> list[str]:
    """The parameters that are worth blocking: tracking, and those that make at least three addresses of a page and
    are by their name no part of it."""
    return [row["parameter"] for row in rows if rule(row["parameter"]) and (row["kind"] == "tracking" or (
        row["kind"] == "" and row["values"] > 1 and row["addresses"] >= 3 * row["pages"]))]


def remaining(file: File, blocked: list[str], progress: Progress) -> dict[str, Any]:
    """What crawlers may still fetch with rules for these parameters: addresses, pages, and some of the pages that were
    only seen with one of them."""
    addresses, pages, names = set[int](), dict[str, bool](), set(blocked)
    for number, request in enumerate(requests(file), 1):
        if number % EACH == 0:
            progress(number, text=f"{number:,} lines")
        if request is None or request.status >= 300:
            continue
        host, path, query = _split(request.target)
        free = names.isdisjoint(unquote_plus(part.partition("=")[0]) for part in query.split("&"))
        pages[host + path] = free or pages.get(host + path, False)
        if free:
            addresses.add(hash((host + path, query)))
    lost = [page for page, free in pages.items() if not free]
    return {"addresses": len(addresses), "pages": len(pages) - len(lost), "lost": [page[:300] for page in lost[:ROWS]]}


def rule(name: str) -> str:
    """The part of a robots.txt rule that stands for a parameter; "" for a name that cannot stand in one."""
    plain = name.strip()
    return plain if plain and plain == name and not any(char in "*$#%?&=" or char.isspace() for char in plain) else ""


def robots(names: list[str]) -> str:
    """Rules that keep crawlers away from addresses with these parameters, wherever they stand in the query."""
    lines = ["User-agent: *"]
    for written in dict.fromkeys(form for name in names for form in (name, quote(name))):  # plain, and with %5B for [
        lines += [f"Disallow: /*?{written}=", f"Disallow: /*&{written}="]
    return "\n".join(lines) + "\n"
