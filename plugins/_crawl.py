"""The crawl of one site, in rounds: what is found on the pages of one round is fetched in the next."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from ._fetch import FORBIDDEN, Rules, cleaned, fetch, robots_sitemaps
from ._pages import read
from ._urls import locations

SITEMAPS = 20        # files that are read
LISTED = 50_000      # addresses out of sitemaps
LINKS = 1_000        # of one page that are kept

Visit = dict[str, Any]


def visit(url: str, rules: Rules) -> Visit:
    """One page of a crawl: status, redirects, title, and where it leads."""
    page = fetch(url, rules)
    found = read(page)
    return {"url": url, "status": page.status, "final": page.final, "hops": len(page.chain or []), "error": page.error,
            "title": found.title, "canonical": found.canonical, "robots": found.robots, "seconds": page.seconds,
            "bytes": len(page.body), "cut": page.cut, "links": found.links[:LINKS]}


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
        text = fetch(sitemap, rules, read="all").body.decode("utf-8", "replace")
        addresses = [address for _, _, address in locations(text)]
        if "<sitemapindex" in text:
            waiting += addresses[:SITEMAPS * 10]
        else:
            found |= dict.fromkeys(cleaned(address) for address in addresses if same_site(start, address))
    return list(found)[:LISTED]


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


def analyse(start: str, rounds: Sequence[Sequence[Visit]], sitemap: Sequence[str]) -> dict[str, Any]:
    """The tables of a finished crawl: broken links, redirects, orphans, titles that several pages have."""
    visits = [each for visits in rounds for each in visits]
    links_to: Counter[str] = Counter()
    source: dict[str, str] = {}
    for each in {each["final"]: each for each in reversed(visits)}.values():  # a redirect is no second page
        for link in each["links"]:
            if link != each["final"]:
                links_to[link] += 1
                source.setdefault(link, each["url"])

    def row(each: Visit, **more: Any) -> dict[str, Any]:
        """An address with what leads to it, as a path where it is one of the site."""
        return {"page": path(start, each["url"]), **more, "links to it": links_to[each["url"]],
                "linked from": path(start, source.get(each["url"], "")), "url": each["url"]}

    kept_out = [each for each in visits if each["error"] == FORBIDDEN]
    broken = [each for each in visits if each["error"] != FORBIDDEN and (each["error"] or each["status"] >= 400)]
    fine = [each for each in visits if not each["error"] and each["status"] < 400 and not each["hops"]]
    titles = Counter(each["title"] for each in fine if each["title"])
    reached = {address for each in visits for address in (each["url"], each["final"])}
    listed_there = set(sitemap)
    return {
        "addresses": len(visits), "pages": len(fine),
        "not fetched": sum(url not in reached for url in links_to if same_site(start, url)),
        "broken": [row(each, status=each["status"] or "", why=why(each)) for each in broken],
        "redirects": [row(each, **{"leads to": path(start, each["final"]), "hops": each["hops"]})
                      for each in visits if each["hops"] and not each["error"]],
        "orphans": [{"page": path(start, url), "url": url} for url in sitemap
                    if not links_to[url] and url != cleaned(start)],
        "unlisted": [{"page": path(start, each["url"]), "url": each["url"]} for each in fine
                     if sitemap and each["url"] not in listed_there][:5_000],
        "kept out": [row(each) for each in kept_out],
        "same title": [{"title": each["title"], "page": path(start, each["url"])} for each in fine
                       if titles[each["title"]] > 1],
        "statuses": [{"status": status, "addresses": count} for status, count in Counter(
            str(each["status"] or ("not asked" if each["error"] == FORBIDDEN else "no answer"))
            for each in visits).most_common()],
    }


def why(each: Visit) -> str:
    """What is wrong with an address, in a few words."""
    if each["error"]:
        return str(each["error"])
    if each["status"] in (404, 410):
        return "Not found"
    if each["status"] in (401, 403, 407):
        return "It asks who you are"
    if each["status"] == 429:
        return "Too many requests"
    return "The server fails" if each["status"] >= 500 else "The request is refused"


def path(start: str, url: str) -> str:
    """An address without the site it belongs to."""
    site = site_of(start)
    return url.removeprefix(site) if url.startswith(f"{site}/") else url


def table(start: str, rounds: Sequence[Sequence[Visit]]) -> list[dict[str, Any]]:
    """A row for each address that was visited."""
    return [{"page": path(start, each["url"]), "status": each["status"] or "", "title": each["title"], "depth": depth,
             "links": len(each["links"]), "leads to": path(start, each["final"]) if each["hops"] else "",
             "seconds": each["seconds"], "error": each["error"], "url": each["url"]}
            for depth, visits in enumerate(rounds) for each in visits]


def graph(start: str, rounds: Sequence[Sequence[Visit]], most: int) -> dict[str, Any]:
    """The pages that most links lead to, and the links between them."""
    visits = [each for visits in rounds for each in visits]
    links_to = Counter(link for each in visits for link in each["links"])
    shown = sorted((each for each in visits if not each["hops"]), key=lambda each: -links_to[each["url"]])[:most]
    known = {each["url"] for each in shown}
    return {"nodes": [{"id": each["url"], "label": path(start, each["url"]),
                       "group": "kept out" if each["error"] == FORBIDDEN else
                       "broken" if each["error"] or each["status"] >= 400 else "page"} for each in shown],
            "edges": [[each["url"], link] for each in shown for link in each["links"]
                      if link in known and link != each["url"]][:5_000]}
