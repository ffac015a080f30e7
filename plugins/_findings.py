"""What is wrong with a site that was crawled: rows of one kind each, and how many there are."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from ._crawl import LISTED, Visit, same_site, site_of
from ._fetch import FORBIDDEN, cleaned

MOST = 5_000  # rows of one kind

Rounds = Sequence[Sequence[Visit]]
Row = dict[str, Any]


class Findings:
    """One look at all that was visited, against the addresses of the sitemap."""

    def __init__(self, start: str, rounds: Rounds, sitemap: Sequence[str]) -> None:
        self._start, self._sitemap = start, sitemap
        self.visits = [each for visits in rounds for each in visits]
        self.seen: dict[str, Visit] = {}  # what came, by where it was found: a redirect is no second page
        for each in self.visits:
            self.seen.setdefault(each["final"], each)
        self.pages = {url: each for url, each in self.seen.items() if is_page(each) and same_site(start, url)}
        self.linked_from: dict[str, list[str]] = defaultdict(list)
        for url, each in self.seen.items():
            for link in each["links"]:
                if link != url:
                    self.linked_from[link].append(url)
        reached = {each["url"] for each in self.visits} | self.seen.keys()
        self.left = sum(url not in reached for url in self.linked_from if same_site(start, url))

    def kinds(self) -> dict[str, Iterator[Row]]:
        """The rows of each kind, in the order in which they are shown."""
        listed = set(self._sitemap) if len(self._sitemap) < LISTED else set()  # what is cut off would be missing
        titles = Counter(each["title"] for each in self.pages.values())
        by_title = sorted(self.pages.items(), key=lambda page: str(page[1]["title"]))
        return {
            "Broken": (self._row(each["url"], status=each["status"] or "", why=why(each))
                       for each in self.visits if is_broken(each)),
            "Links to what is broken": (
                {"page": path(self._start, page), "link": path(self._start, each["url"]),
                 "status": each["status"] or "", "why": why(each), "url": page}
                for each in self.visits if is_broken(each) for page in self.linked_from.get(each["url"], ())),
            "Redirects": (self._row(each["url"], **{"leads to": path(self._start, each["final"]), "hops": each["hops"]})
                          for each in self.visits if each["hops"] and not each["error"]),
            "Orphans": ({"page": path(self._start, url), "url": url} for url in self._sitemap
                        if url not in self.linked_from and url != cleaned(self._start)),
            "Not in the sitemap": (self._row(url) for url in self.pages if listed and url not in listed),
            "Kept out by robots.txt": (self._row(each["url"]) for each in self.visits if each["error"] == FORBIDDEN),
            "Not for the index": (self._row(url, robots=each["robots"])
                                  for url, each in self.pages.items() if "noindex" in each["robots"]),
            "Without a title": (self._row(url) for url, each in self.pages.items() if not each["title"]),
            "Same title": (self._row(url, title=each["title"]) for url, each in by_title
                           if each["title"] and titles[each["title"]] > 1),
        }

    def _row(self, url: str, **more: Any) -> Row:
        """An address with what leads to it, as a path where it is one of the site."""
        pages = self.linked_from.get(url, [""])
        return {"page": path(self._start, url), **more, "links to it": len(pages) if pages[0] else 0,
                "linked from": path(self._start, pages[0]), "url": url}


def summary(start: str, rounds: Rounds, sitemap: Sequence[str]) -> dict[str, Any]:
    """How many there are of all."""
    found = Findings(start, rounds, sitemap)
    statuses = Counter(str(each["status"] or ("not asked" if each["error"] == FORBIDDEN else "no answer"))
                       for each in found.visits)
    return {"addresses": len(found.visits), "pages": len(found.pages), "left": found.left,
            "kinds": {kind: sum(1 for _ in rows) for kind, rows in found.kinds().items()},
            "statuses": [{"status": status, "addresses": count} for status, count in statuses.most_common()]}


def findings(start: str, rounds: Rounds, sitemap: Sequence[str]) -> list[Row]:
    """The rows of all kinds, at most `MOST` of each; `finding` says which one it is of."""
    return [{"finding": kind, **row} for kind, rows in Findings(start, rounds, sitemap).kinds().items()
            for row in islice(rows, MOST)]


def table(start: str, rounds: Rounds) -> list[Row]:
    """A row for each address that was visited."""
    links = Findings(start, rounds, ()).linked_from
    return [{"page": path(start, each["url"]), "status": each["status"] or "", "title": each["title"], "depth": depth,
             "links to it": len(links.get(each["url"], ())), "links": len(each["links"]), "type": each["type"],
             "robots": each["robots"], "canonical": path(start, each["canonical"]),
             "leads to": path(start, each["final"]) if each["hops"] else "", "seconds": each["seconds"],
             "bytes": each["bytes"], "note": each["error"] or ("Only its beginning was read" if each["cut"] else ""),
             "url": each["url"]} for depth, visits in enumerate(rounds) for each in visits]


def graph(start: str, rounds: Rounds, most: int) -> dict[str, Any]:
    """The pages that most links lead to, and the links between them."""
    found = Findings(start, rounds, ())
    final = {each["url"]: each["final"] for each in found.visits}
    shown = dict(sorted(found.seen.items(), key=lambda page: -len(found.linked_from.get(page[0], ())))[:most])
    edges = ((url, final.get(link, link)) for url, each in shown.items() for link in each["links"])
    return {"nodes": [{"id": url, "label": path(start, url), "group": "kept out" if each["error"] == FORBIDDEN else
                       "broken" if is_broken(each) else "page"} for url, each in shown.items()],
            "edges": list(islice(dict.fromkeys(edge for edge in edges if edge[1] in shown and edge[0] != edge[1]),
                                 MOST))}


def is_page(each: Visit) -> bool:
    """Whether it is a page that came."""
    return not each["error"] and each["status"] < 400 and "html" in each["type"]


def is_broken(each: Visit) -> bool:
    """Whether who follows a link to it finds nothing."""
    return each["error"] != FORBIDDEN and bool(each["error"] or each["status"] >= 400)


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
