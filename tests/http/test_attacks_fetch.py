"""Pages and lists made to harm who reads them: bombs, drips, floods, and texts for which patterns take for ever."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from plugins import _bounded, _fetch
from plugins._crawl import listed
from plugins._fetch import Page, Rules, fetch, is_public
from plugins._pages import main_text, read
from plugins._urls import locations, parse
from plugins._urls import read as read_list
from tests.site import Site

RULES = Rules(per_second=0, private=True, robots=False)
LENGTH = 1_000_000  # of what takes hours where reading takes the square of it


@contextmanager
def raw(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that answers each connection with bytes of its own making."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with closing(connection), suppress(OSError):
                        connection.recv(65_536)
                        answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def bomb(megabytes: int) -> bytes:
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packing.compress(bytes(1_000_000)) for _ in range(megabytes)), packing.flush()])


def test_a_body_that_unpacks_to_hundreds_of_megabytes_is_unpacked_to_three(site):
    site.answers["/bomb"] = (200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, bomb(200))
    tracemalloc.start()
    found = fetch(f"{site.url}/bomb", RULES)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.cut and len(found.body) == _fetch.MOST_BYTES
    assert most < 100_000_000


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd"])
def test_a_body_packed_twice_or_in_ways_nobody_asked_for_is_not_unpacked(site, coding):
    site.answers["/twice"] = (200, {"Content-Type": "text/html", "Content-Encoding": coding},
                              gzip.compress(bomb(20)))
    found = fetch(f"{site.url}/twice", RULES)
    assert coding in found.error and found.body == b""


def test_what_is_packed_as_asked_for_is_read(site):
    site.answers["/packed"] = (200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, gzip.compress(b"<p>Ada"))
    site.answers["/no"] = (200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, b"<p>Ada")
    assert fetch(f"{site.url}/packed", RULES).body == b"<p>Ada"
    assert "unpacked" in fetch(f"{site.url}/no", RULES).error


@pytest.mark.parametrize("begins", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"])
def test_an_answer_that_drips_ends(monkeypatch, begins):
    monkeypatch.setattr(_fetch, "WHOLE_S", 0.5)

    def drip(connection: socket.socket) -> None:
        connection.sendall(begins)
        for _ in range(400):
            connection.sendall(b"a")
            time.sleep(0.02)

    with raw(drip) as url:
        began = time.monotonic()
        assert "did not end" in fetch(url, RULES).error
        assert time.monotonic() - began < 3


def test_interim_answers_without_end_do_end(monkeypatch):
    monkeypatch.setattr(_fetch, "WHOLE_S", 0.5)

    def flood(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10)
            time.sleep(0.01)

    with raw(flood) as url:
        assert "did not end" in fetch(url, RULES).error


def test_headers_without_end_are_refused():
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000)

    with raw(flood) as url:
        assert fetch(url, RULES).error


def test_a_pause_with_hundreds_of_digits_is_the_longest_there_is(site, monkeypatch):
    monkeypatch.setattr(_fetch, "MOST_DELAY_S", 0.01)
    monkeypatch.setattr(Site, "answer", lambda self, path: (
        200, {"Content-Type": "text/html"}, b"User-agent: *\nCrawl-delay: " + b"9" * 400))
    assert fetch(f"{site.url}/a", Rules(0, True)).error == ""


@pytest.mark.parametrize("line", ["Crawl-delay: \u00b2", "Crawl-delay: " + "9" * 5_000, "Request-rate: 1/\u00b2"])
def test_a_number_that_is_none_leaves_the_rest_of_a_robots_txt(site, monkeypatch, line):
    text = f"User-agent: *\n{line}\nDisallow: /no\n"
    monkeypatch.setattr(Site, "answer", lambda self, path: (200, {"Content-Type": "text/html"}, text.encode()))
    rules = Rules(0, True)
    assert [fetch(f"{site.url}{path}", rules).error for path in ("/yes", "/no")] == ["", _fetch.FORBIDDEN]


def test_a_sitemap_of_a_million_addresses_and_one_of_a_million_letters_leave_what_can_be_kept(site, monkeypatch):
    monkeypatch.setattr("plugins._crawl.LISTED", 50)
    text = f"<urlset><loc>{site.url}/{'a' * 1_000_000}</loc>" + "".join(
        f"<loc>{site.url}/{number}</loc>" for number in range(200_000)) + "</urlset>"
    monkeypatch.setattr(Site, "answer", lambda self, path: (
        200, {"Content-Type": "application/xml"}, text.encode() if "sitemap" in path else b""))
    tracemalloc.start()
    try:
        assert listed(f"{site.url}/", Rules(0, True)) == [f"{site.url}/{number}" for number in range(49)]
        assert tracemalloc.get_traced_memory()[1] < 8 * len(text)
    finally:
        tracemalloc.stop()


def test_no_connection_is_kept_for_another_host_at_the_same_address(site):
    """The certificate was that of the first."""
    assert fetch(f"{site.url}/a", RULES).status == 200
    assert _bounded.pool().connections == []


@pytest.mark.parametrize("address", ["::7f00:1", "::ffff:0:7f00:1", "64:ff9b:1::7f00:1", "2001:0:7f00:1::", "fec0::1",
                                     "192.0.2.1", "198.18.0.1", "240.0.0.1", "255.255.255.255", "::"])
def test_more_spellings_of_what_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("text", [
    "<loc>" * (LENGTH // 5), f"<loc>{' ' * LENGTH}", f"<url><loc>{'<![CDATA[' * (LENGTH // 9)}",
    f"x{'1' * LENGTH}", f"{'a' * LENGTH}:{'1' * LENGTH}x", "." * LENGTH, f"//{'.a' * (LENGTH // 2)}"])
def test_a_list_made_for_patterns_is_read_in_time(text):
    began = time.process_time()
    read_list.__wrapped__(text)
    assert time.process_time() - began < 2


def test_a_bullet_goes_and_a_number_within_stays():
    assert parse("1. example.org/a").host == "example.org"
    assert parse("example.org/a 2. b").path == "/a 2. b"


def test_a_sitemap_is_read_as_before():
    text = "<url> <loc> <![CDATA[ http://a.test/?x=1&amp;y ]]> </loc></url>\n<loc>b</loc><loc>c"
    assert [address for *_, address in locations(text)] == ["http://a.test/?x=1&y", "b"]
    assert [address for *_, address in locations(f"<loc>&#{'9' * 5000};</loc>")] == [f"&#{'9' * 5000};"]


@pytest.mark.parametrize("text", ["<loc>" * 500_000, "<sitemapindex>" + "<loc>http://x/</loc>" * 150_000,
                                  "<sitemapindex><loc>http://[</loc>"])
def test_a_sitemap_made_to_harm_is_read_in_time(site, monkeypatch, text):
    monkeypatch.setattr(Site, "answer", lambda self, path: (
        (404, {}, b"") if path == "/robots.txt" else (200, {"Content-Type": "text/xml"}, text.encode())))
    began = time.process_time()
    assert listed(f"{site.url}/", RULES) == []
    assert time.process_time() - began < 3


MARKUP = ["<!--", "<![CDATA[", "<a ", '<a b="', f"<a{' a' * 10}", "<!--a--!", "</a <", "<?", "&#99999999999;"]


@pytest.mark.parametrize("piece", MARKUP)
def test_markup_that_never_ends_is_read_in_time(piece):
    page = Page("http://a.test/", final="http://a.test/", headers={"content-type": "text/html"},
                body=(piece * (200_000 // len(piece))).encode())
    began = time.process_time()
    read(page)
    main_text(page, 1_000)
    assert time.process_time() - began < 3


@pytest.mark.parametrize("charset", ["punycode", "idna", "zlib_codec", "unicode_escape", "rot13", "none-such"])
def test_an_encoding_that_is_none_of_a_page_is_not_used(charset):
    body = b"<meta charset='%s'><title>Ada</title>" % charset.encode() + b"a-b" * 300_000
    began = time.process_time()
    found = read(Page("http://a.test/", final="http://a.test/", body=body,
                      headers={"content-type": f"text/html; charset={charset}"}))
    assert (found.title, time.process_time() - began < 3) == ("Ada", True)


@pytest.mark.parametrize(("body", "header"), [
    ("<title>Bücher</title>".encode(), ""), ("<title>Bücher</title>".encode("latin-1"), ""),
    ("<title>Bücher</title>".encode("latin-1"), "; charset=iso-8859-1"), ("<title>Bücher</title>".encode("utf-16"), ""),
    ("<meta charset=windows-1252><title>Bücher</title>".encode("cp1252"), "")])
def test_pages_are_read_in_their_encoding(body, header):
    if b"charset" not in body and not header and b"\xfc" in body and b"\0" not in body:
        body += b"\xfc" * 4  # what is not UTF-8 in more than one place
    page = Page("http://a.test/", final="http://a.test/", headers={"content-type": f"text/html{header}"}, body=body)
    assert read(page).title == "Bücher"
