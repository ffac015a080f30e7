"""Crawl a site: status, titles, redirects, broken and orphan pages, and how it is linked."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from treadle import Graph, Range, Table, Ui, Url, workflow

from ._crawl import ahead, analyse, graph, listed, table, visit
from ._fetch import Rules, cleaned, reachable

MOST_SHOWN = 150  # pages of the graph


@dataclass
class Limits:
    """How far a crawl goes, and how fast."""

    pages: Annotated[int, Range(10, 2_000, 10)] = 500
    depth: Annotated[int, Range(1, 20)] = 10
    requests_a_second: Annotated[int, Range(1, 20)] = 2
    private_networks: bool = False


@workflow("Site crawl", message="Give me the address of a site; I follow its links and show what is broken or lonely.",
          about="Follows the links of a site: titles, status, redirects, broken links, orphans, and a graph of links. "
                "Reads robots.txt, and goes on where it was after a stop.",
          icon="network", training="site_crawl.md", needs=["network"],
          steps=["Address", "Limits", "Read the sitemap", "Crawl", "Find links", "Analyse", "List pages",
                 "Draw the links"])
async def site_crawl(ui: Ui) -> None:
    start = cleaned(await ui.ask("Address", Url, placeholder="https://example.org/"))
    limits = await ui.form(
        "Limits", Limits, check=lambda limits: crawlable(start, limits),
        help="At most so many pages are fetched, so many clicks from the first. Requests are counted "
        "for each host; a longer pause that its robots.txt asks for is kept. Private networks are this computer and "
        "those around it: leave them out for the public web.")
    rules = Rules(float(limits.requests_a_second), limits.private_networks)
    sitemap = await ui.job("Read the sitemap", listed, start, rules)
    rounds = []
    waiting = [start]
    for depth in range(limits.depth + 1):
        at = f"depth {depth}"
        rounds.append(await ui.each("Crawl", waiting, partial(visit, rules=rules), key=at, workers=4, retries=1,
                                    failed="keep"))
        done = [each.ok for each in rounds]
        waiting = await ui.job("Find links", ahead, start, done, limits.pages - sum(map(len, rounds)), key=at)
        if not waiting:
            break
    found = await ui.job("Analyse", analyse, start, done, sitemap)
    pages = await ui.job("List pages", table, start, done)
    linked = await ui.job("Draw the links", graph, start, done, MOST_SHOWN)
    ui.show(f"**{found['addresses']:,} addresses, {found['pages']:,} pages.** Broken: {len(found['broken']):,}. "
            f"Redirects: {len(found['redirects']):,}. In the sitemap, and no page links to it: "
            f"{len(found['orphans']):,}. Linked, and past the limits: {found['not fetched']:,}.",
            Table(found["statuses"], sort="-addresses"))
    for title, rows, columns in (
            ("Broken", found["broken"], ["page", "status", "why", "links to it", "linked from"]),
            ("Redirects", found["redirects"], ["page", "leads to", "hops", "links to it", "linked from"]),
            ("Orphans", found["orphans"], ["page"]), ("Not in the sitemap", found["unlisted"], ["page"]),
            ("Kept out by robots.txt", found["kept out"], ["page", "links to it", "linked from"]),
            ("Same title", found["same title"], ["title", "page"])):
        if rows:
            ui.show(f"### {title}", Table(rows, columns=columns, sort="-links to it" if "links to it" in columns
                                          else columns[0]))
    part = f" The {MOST_SHOWN} that most links lead to." if len(pages) > MOST_SHOWN else ""
    ui.show(f"### How the pages are linked\n\nDrag, zoom, and choose a page to see its links.{part}",
            Graph(linked["nodes"], linked["edges"], title=f"Links of {start}"))
    ui.show("### All addresses", Table(pages, columns=["page", "status", "title", "depth", "links", "seconds",
                                                       "leads to", "error"]))
    ui.export("crawl.xlsx", pages=pages, broken=found["broken"], redirects=found["redirects"], orphans=found["orphans"],
              unlisted=found["unlisted"])
    ui.export("pages.csv", rows=pages)
    ui.export("links.json", **linked)


def crawlable(start: str, limits: Limits) -> Limits:
    """Refuse a site that is not there, or on a private network that is not allowed."""
    reachable(start, private=limits.private_networks)
    return limits
