"""The helpers of the plugins that fetch pages, against a site on a real socket."""

from __future__ import annotations

import gzip
import socket
import time
from typing import Any

import pytest

from plugins import _fetch
from plugins._check import check
from plugins._crawl import ahead, listed, same_site, unpacked, visit
from plugins._fetch import Rules, cleaned, fetch, is_public
from plugins._findings import findings, graph, summary, table
from plugins._pages import joined, main_text, read
from tests.site import Site, page

RULES = Rules(per_second=0, private=True)


def crawled(site: Site, most: int = 100) -> list[list[dict[str, Any]]]:
    """As the plugin does it, without the rows."""
    start = f"{site.url}/"
    rounds: list[list[dict[str, Any]]] = []
    waiting = [start]
    while waiting:
        rounds.append([visit(url, RULES) for url in waiting])
        waiting = ahead(start, rounds, most - sum(map(len, rounds)))
    return rounds


def test_redirects_are_followed_and_each_is_told(site):
    found = fetch(f"{site.url}/old", RULES)
    assert (found.status, found.final, found.error) == (200, f"{site.url}/a", "")
    chain = [(hop["status"], hop["url"].removeprefix(site.url)) for hop in found.chain]
    assert chain == [(301, "/old"), (302, "/old-2")]
    assert "circle" in fetch(f"{site.url}/circle-1", RULES).error


def test_robots_txt_is_kept_and_read_once(site):
    assert fetch(f"{site.url}/secret/x", RULES).error == "robots.txt does not allow it"
    assert site.asked("/secret/x") == 0
    fetch(f"{site.url}/a", RULES)
    assert site.asked("/robots.txt") == 1
    assert fetch(f"{site.url}/secret/x", Rules(0, True, robots=False)).status == 200


def test_a_robots_txt_that_fails_forbids_all(site, monkeypatch):
    monkeypatch.setattr(Site, "answer", lambda self, path: (503, {}, b""))
    assert "robots.txt" in fetch(f"{site.url}/a", RULES).error


def test_a_host_is_asked_no_faster_than_said(site):
    rules = Rules(per_second=20, private=True, robots=False)
    began = time.monotonic()
    took = sum(fetch(f"{site.url}/a", rules).seconds for _ in range(5))
    assert time.monotonic() - began >= 0.2 > took  # the pauses are no part of how long it took


def test_a_huge_page_is_cut_and_a_file_is_not_read(site):
    huge = fetch(f"{site.url}/huge", RULES)
    assert huge.cut and len(huge.body) == _fetch.MOST_BYTES
    assert read(huge).links[-1].endswith("/after-huge")
    assert fetch(f"{site.url}/file.pdf", RULES).body == b""


@pytest.mark.parametrize("address", [
    "127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"])
def test_an_address_of_this_computer_or_a_private_network_is_not_public(address):
    assert not is_public(address)


def test_private_addresses_are_refused_by_name_by_number_and_behind_a_redirect(site, monkeypatch):
    public = Rules(per_second=0, private=False, robots=False)
    for url in (site.url, site.url.replace("127.0.0.1", "localhost"), f"http://2130706433:{site.port}/",
                f"http://0x7f.1:{site.port}/", f"http://[::ffff:7f00:1]:{site.port}/"):
        assert "private network" in fetch(url, public).error, url
    assert site.requests == []
    public_once = iter([True, False])  # the first name is one of the web, and sends us to this computer
    monkeypatch.setattr(_fetch, "is_public", lambda address: next(public_once))
    assert "private network" in fetch(f"{site.url}/to-localhost", public).error


def test_a_name_is_resolved_once_so_that_it_cannot_lead_elsewhere_a_moment_later(site, monkeypatch):
    asked = []

    def resolve(host: str, port: int, *more: Any, **named: Any) -> Any:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    found = fetch(f"http://rebound.example:{site.port}/a", Rules(0, True, robots=False))
    assert found.status == 200
    assert asked.count("rebound.example") == 1


@pytest.mark.parametrize(("url", "said"), [
    ("http://nothing.invalid/", "no host"), ("ftp://example.org/", "no web address"), ("http:///x", "no web address"),
    ("http://127.0.0.1:1/", "Nothing answers")])
def test_what_goes_wrong_is_a_sentence_and_never_raised(url, said):
    assert said in fetch(url, Rules(0, True, robots=False)).error


def test_a_page_is_read_for_what_search_engines_see(site):
    found = read(fetch(f"{site.url}/a?x=1", RULES))
    assert (found.title, found.canonical, found.language) == ("Page A", f"{site.url}/a", "en")
    assert read(fetch(f"{site.url}/b/", RULES)).robots == "noindex, follow"


@pytest.mark.parametrize(("link", "address"), [
    ("b#c", "https://e.org/a/b"), ("//x.org/ü", "https://x.org/%C3%BC"), ("?q=1", "https://e.org/a/?q=1"),
    ("..\\x\n.html?a=\\", "https://e.org/x.html?a=%5C"),
    ("mailto:a@b.c", ""), ("javascript:alert(1)", ""), ("http://[x/", ""), ("HTTP://E.ORG:80/", "http://e.org/")])
def test_a_link_is_joined_to_its_page_or_left_out(link, address):
    assert joined("https://e.org/a/", link) == address


def test_the_same_address_is_written_in_one_way():
    assert cleaned("HTTPS://Example.ORG:443/a b?x=ü#top") == "https://example.org/a%20b?x=%C3%BC"
    assert cleaned(cleaned("http://[::1]:80/%20")) == "http://[::1]/%20"


@pytest.mark.parametrize(("path", "verdict"), [
    ("/a", "fine"), ("/old", "redirects"), ("/missing", "broken"), ("/circle-1", "fails"), ("/secret/x", "kept out"),
    ("/b/", "noindex"), ("/a?x=1", "canonical elsewhere")])
def test_a_url_is_judged(site, path, verdict):
    row = check(f"{site.url}{path}", RULES)
    assert row["verdict"] == verdict
    assert row["url"] == f"{site.url}{path}"


def test_a_crawl_finds_all_pages_once_and_says_what_is_wrong(site):
    start = f"{site.url}/"
    rounds = crawled(site)
    urls = [each["url"] for visits in rounds for each in visits]
    assert len(urls) == len(set(urls))
    paths = {url.removeprefix(site.url) for url in urls}
    linked = {"/", "/a", "/b/", "/old", "/missing", "/circle-1", "/slow", "/secret/x", "/huge", "/file.pdf", "/error",
              "/a?x=1", "/after-huge", *(f"/list/{number}" for number in range(12))}
    assert paths == linked
    assert all(site.asked(path) == 1 for path in ("/a?x=1", "/huge", "/list/11"))
    sitemap = listed(start, RULES)
    found, of = summary(start, rounds, sitemap), {}
    for row in findings(start, rounds, sitemap):
        of.setdefault(row["finding"], []).append(row)
    told = {row["page"]: (row["why"], row["links to it"], row["linked from"]) for row in of["Broken"]}
    assert told.keys() == {"/missing", "/error", "/circle-1", "/after-huge"}
    assert (told["/missing"], told["/error"]) == (("Not found", 2, "/"), ("The server fails", 1, "/"))
    links = {(row["page"], row["link"]) for row in of["Links to what is broken"]}
    assert links == {("/", "/missing"), ("/a", "/missing"), ("/", "/error"), ("/", "/circle-1"),
                     ("/huge", "/after-huge")}
    assert [row["page"] for row in of["Kept out by robots.txt"]] == ["/secret/x"]
    assert [(row["page"], row["leads to"]) for row in of["Redirects"]] == [("/old", "/a")]
    assert [row["page"] for row in of["Orphans"]] == ["/orphan"]
    assert [row["page"] for row in of["Not for the index"]] == ["/b/"]
    assert {row["page"] for row in of["Same title"]} == {"/a", "/a?x=1"}
    assert {kind: len(rows) for kind, rows in of.items()} == {kind: n for kind, n in found["kinds"].items() if n}
    assert {row["status"]: row["addresses"] for row in found["statuses"]} == {
        "200": len(urls) - 5, "404": 2, "500": 1, "302": 1, "not asked": 1}
    pages = {row["page"]: row for row in table(start, rounds)}
    assert len(pages) == len(urls) and pages["/huge"]["note"] == "Only its beginning was read"
    assert (pages["/file.pdf"]["type"], pages["/a"]["links to it"]) == ("application/pdf", 2)
    assert found["pages"] == len(urls) - 7  # without what is broken, kept out, no page, and what /old leads to again


def test_a_sitemap_may_be_packed_and_a_damaged_one_is_empty():
    packed = gzip.compress(b"<urlset/>" * 9_999)
    assert unpacked(packed) == b"<urlset/>" * 9_999 and unpacked(b"<urlset/>") == b"<urlset/>"
    assert unpacked(packed[:99]) != b"<urlset/>" * 9_999 and unpacked(b"\x1f\x8bnot") == b""


def test_a_start_that_redirects_is_a_page_of_the_site_all_the_same(site):
    site.answers["/start"] = (301, {"Location": "/list/0"}, b"")
    rounds = [[visit(f"{site.url}/start", RULES)]]
    found = summary(f"{site.url}/start", rounds, [])
    assert (found["addresses"], found["pages"], found["kinds"]["Redirects"]) == (1, 1, 1)
    assert [node["label"] for node in graph(f"{site.url}/start", rounds, 9)["nodes"]] == ["/list/0"]


def test_a_crawl_keeps_to_its_number_of_pages_and_its_site(site):
    rounds = crawled(site, most=5)
    assert sum(map(len, rounds)) == 5
    assert all(same_site(site.url, each["url"]) for visits in rounds for each in visits)
    assert same_site("https://www.example.org/", "https://example.org/x")
    assert not same_site("https://example.org/", "https://example.org.evil/")


def test_the_graph_holds_links_between_the_pages_it_shows(site):
    found = graph(f"{site.url}/", crawled(site), 5)
    known = {node["id"] for node in found["nodes"]}
    assert len(known) == 5
    assert all(one in known and two in known and one != two for one, two in found["edges"])


def test_the_main_text_is_that_of_the_page_without_its_menus(site):
    site.answers["/text"] = (200, {"Content-Type": "text/html"}, page(
        "News", text="First <b>words</b>.", head="<script>no()</script>") + b"<footer>Imprint</footer>")
    text = main_text(fetch(f"{site.url}/text", RULES), 1_000)
    assert text == "# News\n\nFirst words."
    assert main_text(fetch(f"{site.url}/text", RULES), 8) == "# News"


def test_a_robots_txt_that_leads_out_of_the_web_is_a_sentence_too(site, monkeypatch):
    monkeypatch.setattr(Site, "answer", lambda self, path: (302, {"Location": "ftp://example.org/robots.txt"}, b""))
    assert fetch(f"{site.url}/a", RULES).error == "ftp://example.org/robots.txt is no web address"
