"""The crawl of one site, in rounds: what is found on the pages of one round is fetched in the next."""

import zlib
from collections.abc import Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from ._fetch import Rules, cleaned, fetch, robots_sitemaps
from ._pages import read
from ._urls import locations

SITEMAPS = 20        # files that are read
LISTED = 50_000      # addresses out of sitemaps
LINKS = 1_000        # of one page that are kept
LONGEST = 2_000      # characters of an address; none of the web is longer
UNPACKED = 50_000_000  # bytes of a sitemap, as large as one may be

Visit = dict[str, Any]


def visit(url: str, rules: Rules) -> Visit:
    """One page of a crawl: status, redirects, title, and where it leads."""
    page = fetch(url, rules)
    found = read(page)
    return {"url": url, "status": page.status, "final": page.final, "hops": len(page.chain), "error": page.error,
            "title": found.title, "canonical": found.canonical, "robots": found.robots, "seconds": page.seconds,
            "type": page.type if page.status else "", "bytes": len(page.body), "cut": page.cut,
            "links": found.links[:LINKS]}


def listed(start: str, rules: Rules) -> list[str]:
    """The addresses in the sitemaps of a site: those its robots.txt names, else /sitemap.xml."""
    waiting = robots_sitemaps(start, rules) or [cleaned(f"{site_of(start)}/sitemap.xml")]
    seen: set[str] = set()
    found: dict[str, None] = {}
    while waiting and len(seen) < SITEMAPS and len(found) < LISTED:
        sitemap = waiting.pop(0)
        if sitemap in seen or not same_site(start, sitemap):
            continue
        seen.add(sitemap)
        text = unpacked(fetch(sitemap, rules, read="all", most=UNPACKED).body).decode("utf-8", "replace")
        addresses = [address for _, _, address in islice(locations(text), LISTED) if len(address) <= LONGEST]
        if "<sitemapindex" in text:
            waiting += addresses[:SITEMAPS * 10]
        else:
            found |= dict.fromkeys(cleaned(address) for address in addresses if same_site(start, address))
    return list(found)[:LISTED]


def unpacked(body: bytes) -> bytes:
    """What is in a sitemap.xml.gz, as far as it can be read; what is not packed as it is."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        return zlib.decompressobj(31).decompress(body, UNPACKED)
    except zlib.error:
        return b""


def site_of(url: str) -> str:
    """Scheme and host."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def same_site(start: str, url: str) -> bool:
    """Whether an address belongs to the site that is crawled; www in front makes no difference."""
    try:
        one, two = (urlsplit(text).netloc.lower().removeprefix("www.") for text in (start, url))
    except ValueError:
        return False
    return one == two


def ahead(start: str, rounds: Sequence[Sequence[Visit]], room: int) -> list[str]:
    """What the last round leads to and nobody has seen yet: at most `room` addresses of the site."""
    seen = {cleaned(start)}
    for visits in rounds:
        for each in visits:
            seen |= {each["url"], each["final"]}
    found: dict[str, None] = {}
    for each in rounds[-1]:
        if same_site(start, each["final"]):
            for link in each["links"]:
                if link not in seen and same_site(start, link):
                    found[link] = None
    return list(found)[:max(0, room)]
