"""Count a list of URLs by host, path depth and query parameter."""

from collections import Counter
from collections.abc import Collection
from functools import lru_cache
from typing import Any, Literal

from treadle import File, LongText, Table, Ui, Upload, workflow

from ._urls import Url, checked, depth, entries, parameters, read
from ._words import many

MOST_URLS = 50_000      # counting is part of drawing the page, which must end within a second
MOST_BYTES = 5_000_000
MOST_ROWS = 5_000       # of one table

Rows = list[dict[str, Any]]


@workflow("URL counts", message="Give me a list of URLs; I count them by host, path depth and query parameter.",
          about="Counts a list of URLs by host, path depth and query parameter. Takes real lists: text, CSV, sitemaps.",
          training="url_counts.md", icon="link", steps=["Source", "URLs", "Duplicates"])
async def url_counts(ui: Ui) -> None:
    source = await ui.ask("Source", Literal["Paste a list", "Upload a file"])
    given: str | File
    if source == "Paste a list":
        given = await ui.ask("URLs", LongText, check=countable, placeholder="https://example.org/guides/?page=2",
                             help=f"One in each line, or a table with a column of them. {MOST_URLS:,} at most.")
    else:
        given = await ui.ask("URLs", Upload, check=countable,
                             help=f"Text, CSV or a sitemap, up to 5 MB and {MOST_URLS:,} URLs.")
    found = read(given)
    duplicates = await ui.ask("Duplicates", Literal["Count each URL once", "Count every line"],
                              default="Count each URL once", help="Fragments (#part) never make two URLs of one.")
    hosts, depths, params, number = tally(given, once=duplicates == "Count each URL once")
    left = len(found.urls) - number
    ui.show(f"**{many(number, 'URL')}** on {many(len(hosts), 'host')}. "
            f"{many(left, 'duplicate')} left out, {many(len(found.rejected), 'line')} "
            f"without a URL, {found.blank:,} blank.")
    for title, name, rows in (("Hosts", "hosts.csv", hosts), ("Path depth", "depths.csv", depths),
                              ("Query parameters", "parameters.csv", params)):
        part = "" if len(rows) <= MOST_ROWS else f"\n\nThe {MOST_ROWS:,} largest of {len(rows):,}."
        if rows:
            ui.show(f"### {title}{part}", Table(rows[:MOST_ROWS], sort="depth" if rows is depths else "-urls"))
            ui.export(name, rows=rows)
        else:
            ui.show(f"### {title}\n\nNone of these URLs has one.")
    if found.rejected:
        ui.show("### Lines without a URL", Table(found.rejected[:MOST_ROWS], sort="line"))
        ui.export("no-urls.csv", rows=found.rejected)


def countable(given: str | File) -> str | File:
    """Refuse what is too much to count, or holds no URL."""
    if isinstance(given, File) and given.size > MOST_BYTES:
        size, limit = given.size / 1_000_000, MOST_BYTES // 1_000_000
        raise ValueError(f"{given.name} is {size:,.1f} MB; the limit is {limit} MB.")
    if (lines := entries(given)) > MOST_URLS:
        raise ValueError(f"{lines:,} lines is over the limit of {MOST_URLS:,}. Split the list.")
    return checked(given, MOST_URLS)


@lru_cache(maxsize=8)
def tally(given: str | File, *, once: bool) -> tuple[Rows, Rows, Rows, int]:
    """Rows for hosts, depths and parameters, the largest first, and how many URLs they count."""
    urls: Collection[Url] = read(given).urls
    if once:
        first: dict[tuple[str, str, str], Url] = {}
        for url in urls:
            first.setdefault(url[1:], url)
        urls = first.values()
    hosts = Counter(url.host for url in urls)
    depths: Counter[int] = Counter()
    with_name: Counter[str] = Counter()
    values: dict[str, set[str]] = {}
    example: dict[int | str, str] = {}
    for url in urls:
        deep = depth(url)
        depths[deep] += 1
        example.setdefault(deep, url.text)
        seen = set()
        for name, value in parameters(url):
            seen.add(name)
            values.setdefault(name, set()).add(value)
            example.setdefault(name, url.text)
        with_name.update(seen)
    return ([{"host": host, "urls": count} for host, count in hosts.most_common()],
            [{"depth": deep, "urls": count, "example": example[deep]} for deep, count in sorted(depths.items())],
            [{"parameter": name, "urls": count, "values": len(values[name]), "example": example[name]}
             for name, count in with_name.most_common()], len(urls))

