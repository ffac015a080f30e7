"""A site to be crawled, on a real socket: redirects, circles, broken links, slow and huge pages, robots.txt, a sitemap.

`requests` lists what was asked for, in its order, with the seconds since the start.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

SLOW_S = 0.3
HUGE = 4_000_000  # bytes


def page(title: str, *links: str, head: str = "", text: str = "") -> bytes:
    """A page with these links."""
    body = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
    return (f'<!doctype html><html lang="en"><head><title>{title}</title>{head}</head><body><nav><a href="/">Home</a>'
            f"</nav><main><h1>{title}</h1><p>{text or title}</p><ul>{body}</ul></main></body></html>").encode()


class Site:
    """What the server answers: path to (status, headers, body)."""

    def __init__(self, pages: int = 12) -> None:
        self.requests: list[tuple[float, str]] = []
        self.began = time.monotonic()
        self.port = 0
        html = {"Content-Type": "text/html; charset=utf-8"}
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {
            "/": (200, html, page("Home", "/a", "/b/", "/old", "/missing", "/circle-1", "/slow", "/secret/x", "/huge",
                                  "https://elsewhere.invalid/", "mailto:a@b.example", "#top", "/list/0",
                                  "/file.pdf", "/error")),
            "/a": (200, html, page("Page A", "/b/", "/a?x=1#part", "/missing")),
            "/a?x=1": (200, html, page("Page A", head='<link rel="canonical" href="/a">')),
            "/b/": (200, html, page("Page B", "../a", head='<meta name="robots" content="NOINDEX, follow">')),
            "/old": (301, {"Location": "/old-2"}, b""),
            "/old-2": (302, {"Location": "/a"}, b""),
            "/circle-1": (302, {"Location": "/circle-2"}, b""),
            "/circle-2": (302, {"Location": "/circle-1"}, b""),
            "/secret/x": (200, html, page("Secret")),
            "/slow": (200, html, page("Slow")),
            "/huge": (200, html, page("Huge", "/after-huge") + b" " * HUGE),
            "/file.pdf": (200, {"Content-Type": "application/pdf"}, b"%PDF-1.4"),
            "/error": (500, html, page("Error")),
            "/orphan": (200, html, page("Orphan")),
            "/to-localhost": (302, {"Location": "http://127.0.0.1:1/"}, b""),
        }
        for number in range(pages):
            links = [f"/list/{number + 1}"] if number + 1 < pages else []
            self.answers[f"/list/{number}"] = (200, html, page(f"Item {number}", *links))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(asked == path for _, asked in self.requests)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.requests.append((time.monotonic() - self.began, path))
        if path == "/robots.txt":
            text = f"User-agent: *\nDisallow: /secret/\n\nSitemap: {self.url}/map.xml\n"
            return 200, {"Content-Type": "text/plain"}, text.encode()
        if path == "/map.xml":
            locs = "".join(f"<url><loc>{self.url}{each}</loc></url>" for each in ("/", "/a", "/orphan"))
            return 200, {"Content-Type": "text/xml"}, f"<urlset>{locs}</urlset>".encode()
        if path == "/slow":
            time.sleep(SLOW_S)
        return self.answers.get(path, (404, {"Content-Type": "text/html"}, page("Not found")))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status, headers, body = cast(Any, self.server).site.answer(self.path)
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # it had read enough

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is none."""


@contextmanager
def running(site: Site | None = None) -> Iterator[Site]:
    """Serve a site on a free port."""
    site = site or Site()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        cast(Any, server).site = site
        site.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    """One of its own for each test."""
    with running() as site:
        yield site
