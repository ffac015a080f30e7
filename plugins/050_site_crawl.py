"""Crawl a site: status, titles, redirects, broken and orphan pages, and how it is linked."""

from functools import partial
from typing import Annotated

from treadle import Range, Table, Ui, Url, workflow

from ._crawl import ahead, analyse, graph, listed, table, visit
from ._fetch import Rules, cleaned

MOST_SHOWN = 150  # pages of the graph


@workflow("Site crawl", message="Give me the address of a site; I follow its links and show what is broken or lonely.",
          about="Follows the links of a site: titles, status, redirects, broken links, orphans, and a graph of links. "
                "Reads robots.txt, and goes on where it was after a stop.",
          icon="network", training="site_crawl.md", needs=["network"],
          steps=["Address", "Pages", "Depth", "Requests a second", "Private networks", "Read the sitemap", "Crawl",
                 "Find links", "Analyse", "Graph"])
async def site_crawl(ui: Ui) -> None:
    start = cleaned(await ui.ask("Address", Url, placeholder="https://example.org/"))
    most = await ui.ask("Pages", Annotated[int, Range(10, 2000)], default=500, help="At most so many are fetched.")
    depth = await ui.ask("Depth", Annotated[int, Range(1, 20)], default=10, help="Clicks from the first page.")
    speed = await ui.ask("Requests a second", Annotated[int, Range(1, 20)], default=2,
                         help="To one host. A longer pause that its robots.txt asks for is kept.")
    private = await ui.ask("Private networks", bool, default=False,
                           help="Also fetch from this computer and its network. Leave it out for the public web.")
    rules = Rules(float(speed), private)
    sitemap = await ui.job("Read the sitemap", listed, start, rules)
    rounds = []
    waiting = [start]
    for clicks in range(depth + 1):
        rounds.append(await ui.each("Crawl", waiting, partial(visit, rules=rules), key=clicks, workers=4, retries=1,
                                    failed="keep"))
        done = [each.ok for each in rounds]
        waiting = await ui.job("Find links", ahead, start, done, most - sum(map(len, rounds)), key=clicks)
        if not waiting:
            break
    found = await ui.job("Analyse", analyse, start, [each.ok for each in rounds], sitemap)
    linked = await ui.job("Graph", graph, start, [each.ok for each in rounds], MOST_SHOWN)
    pages = await ui.job("Pages table", table, [each.ok for each in rounds])
    ui.show(f"**{found['visited']:,} addresses, {found['pages']:,} pages.** {len(found['broken']):,} are broken, "
            f"{len(found['redirects']):,} redirect, {len(found['orphans']):,} stand in the sitemap and no page links "
            f"to them. {found['not reached']:,} were seen and not fetched.")
    ui.show(Table(found["statuses"], sort="-pages"))
    for title, rows, sort in (("Broken", found["broken"], "-links"), ("Redirects", found["redirects"], "-links"),
                              ("Orphans", found["orphans"], None), ("Same title", found["same title"], "title")):
        if rows:
            ui.show(f"### {title}", Table(rows, sort=sort))
    ui.show("### All pages", Table(pages))
    ui.export("crawl.xlsx", pages=pages, broken=found["broken"], redirects=found["redirects"], orphans=found["orphans"])
    ui.export("pages.csv", rows=pages)
    ui.export("links.json", **linked)
