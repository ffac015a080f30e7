"""Crawl a site: status, titles, redirects, broken and orphan pages, and how it is linked."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from treadle import Graph, Range, Table, Ui, Url, workflow

from ._crawl import ahead, analyse, graph, listed, table, visit
from ._fetch import Rules, cleaned

MOST_SHOWN = 150  # pages of the graph


@dataclass
class Limits:
    """How far a crawl goes, and how fast."""

    pages: Annotated[int, Range(10, 2_000)] = 500
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
        "Limits", Limits, help="At most so many pages are fetched, so many clicks from the first. Requests are counted "
        "for each host; a longer pause that its robots.txt asks for is kept. Private networks are this computer and "
        "those around it: leave them out for the public web.")
    rules = Rules(float(limits.requests_a_second), limits.private_networks)
    sitemap = await ui.job("Read the sitemap", listed, start, rules)
    rounds = []
    waiting = [start]
    for clicks in range(limits.depth + 1):
        rounds.append(await ui.each("Crawl", waiting, partial(visit, rules=rules), key=clicks, workers=4, retries=1,
                                    failed="keep"))
        done = [each.ok for each in rounds]
        waiting = await ui.job("Find links", ahead, start, done, limits.pages - sum(map(len, rounds)), key=clicks)
        if not waiting:
            break
    found = await ui.job("Analyse", analyse, start, done, sitemap)
    pages = await ui.job("List pages", table, done)
    linked = await ui.job("Draw the links", graph, start, done, MOST_SHOWN)
    ui.show(f"**{found['visited']:,} addresses, {found['pages']:,} pages.** {len(found['broken']):,} are broken, "
            f"{len(found['redirects']):,} redirect, {len(found['orphans']):,} stand in the sitemap and no page links "
            f"to them. {found['not reached']:,} were seen and not fetched.")
    ui.show(Table(found["statuses"], sort="-pages"))
    for title, rows, sort in (("Broken", found["broken"], "-links"), ("Redirects", found["redirects"], "-links"),
                              ("Orphans", found["orphans"], None), ("Same title", found["same title"], "title")):
        if rows:
            ui.show(f"### {title}", Table(rows, sort=sort))
    ui.show("### How the pages are linked", Graph(linked["nodes"], linked["edges"], title=f"Links of {start}"))
    ui.show("### All pages", Table(pages))
    ui.export("crawl.xlsx", pages=pages, broken=found["broken"], redirects=found["redirects"], orphans=found["orphans"])
    ui.export("pages.csv", rows=pages)
    ui.export("links.json", **linked)
