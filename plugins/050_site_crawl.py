"""Crawl a site: status, titles, redirects, broken and orphan pages, and how it is linked."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from treadle import Graph, Range, Table, Ui, Url, workflow

from ._crawl import ahead, listed, same_site, visit
from ._fetch import Rules, cleaned, reachable
from ._findings import Row, findings, graph, summary, table
from ._words import many

MOST_SHOWN = 150  # pages of the graph
COLUMNS = ["page", "link", "title", "status", "why", "leads to", "hops", "robots", "links to it", "linked from"]


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
          steps=["Address", "Limits", "Read the sitemap", "Crawl", "Find links", "Analyse", "List findings",
                 "List pages", "Draw the links"])
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
        rounds.append(await ui.each("Crawl", waiting, partial(visit, rules=rules), key=at, workers=4, failed="keep"))
        done = [each.ok for each in rounds]
        if any(each.error == "Stopped" for each in rounds[-1].failed):  # continued with those there are: ask no more
            break
        waiting = await ui.job("Find links", ahead, start, done, limits.pages - sum(map(len, rounds)), key=at)
        if not waiting:
            break
    if not any(done):
        ui.show("Nothing was fetched. Revert to **Crawl** to begin again.")
        return
    found = await ui.job("Analyse", summary, start, done, sitemap)
    rows = await ui.job("List findings", findings, start, done, sitemap)
    pages = await ui.job("List pages", table, start, done)
    linked = await ui.job("Draw the links", graph, start, done, MOST_SHOWN)
    ui.show(f"**{many(found['addresses'], 'address', 'addresses')}, {many(found['pages'], 'page')}.** "
            + " ".join(f"{kind}: {count:,}." for kind, count in found["kinds"].items() if count),
            Table(found["statuses"], sort="-addresses"))
    if found["addresses"] == 1 and not same_site(start, done[0][0]["final"]):
        ui.show(f"{start} leads to another site. Crawl that one: {done[0][0]['final']}")
    if found["left"]:
        ui.show(f"{many(found['left'], 'address was', 'addresses were')} found and not asked for, as the crawl had "
                "come to its limits or was stopped. They may link to what is shown as an orphan.")
    if not sitemap:
        ui.show("No sitemap was found, so nobody can tell which pages are orphans.")
    sheets: dict[str, list[Row]] = {kind: [] for kind in found["kinds"]}
    for row in rows:
        sheets[row["finding"]].append(row)
    for kind, of_kind in sheets.items():
        if of_kind:
            count = found["kinds"][kind]
            part = f"\n\nThe first {len(of_kind):,} of {count:,}." if count > len(of_kind) else ""
            columns = [name for name in COLUMNS if name in of_kind[0]]
            most_linked = "-links to it" if "links to it" in columns else "page"
            ui.show(f"### {kind}{part}", Table(of_kind, columns=columns,
                                               sort="title" if kind == "Same title" else most_linked))
    part = f" The {MOST_SHOWN} that most links lead to." if len(pages) > MOST_SHOWN else ""
    ui.show(f"### How the pages are linked\n\nDrag, zoom, and choose a page to see its links.{part}",
            Graph(linked["nodes"], linked["edges"], title=f"Links of {start}"))
    ui.show("### All addresses", Table(pages, columns=[name for name in pages[0] if name != "url"]))
    ui.export("crawl.xlsx", **{"All addresses": pages, **sheets})
    ui.export("pages.csv", rows=pages)
    ui.export("findings.csv", rows=rows)
    ui.export("broken-links.csv", rows=sheets["Links to what is broken"])
    ui.export("links.json", **linked)


def crawlable(start: str, limits: Limits) -> Limits:
    """Refuse a site that is not there, or on a private network that is not allowed."""
    reachable(start, private=limits.private_networks)
    return limits
