"""The crawl on a real documentation site, its figures against a count that shares no code with it."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin

import httpx
import pytest

from tests.harness import Server, until

DOCS = Path(os.environ.get("TREADLE_DOCS", "/usr/share/doc/python3-doc/html"))
pytestmark = [
    pytest.mark.skipif(os.environ.get("TREADLE_SOAK") != "1", reason="It takes minutes; make soak runs it."),
    pytest.mark.skipif(not DOCS.is_dir(), reason="It crawls Debian's python3-doc: apt-get install python3-doc.")]
UNLINKED = ("made-up.html", "library/made-up.html")  # in the sitemap and nowhere else


class _Docs(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path != "/sitemap.xml":
            super().do_GET()
            return
        files = [*(file.relative_to(DOCS).as_posix() for file in DOCS.rglob("*.html")), *UNLINKED]
        body = "".join(f"<url><loc>http://{self.headers['Host']}/{file}</loc></url>" for file in sorted(files))
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body) + 17))
        self.end_headers()
        self.wfile.write(f"<urlset>{body}</urlset>".encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none."""


@pytest.fixture
def docs() -> Iterator[str]:
    with _Server(("127.0.0.1", 0), partial(_Docs, directory=str(DOCS))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Links(HTMLParser):
    def __init__(self, base: str) -> None:
        super().__init__()
        self.base, self.found = base, set[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag in ("a", "area") and href is not None:
            self.found.add(urldefrag(urljoin(self.base, href.strip().replace("\\", "/")))[0])


class Count:
    """What a plain walk over the site finds: the status of each address, redirects, what another page links to."""

    def __init__(self, start: str) -> None:
        self.status: dict[str, int] = {}
        self.redirects: set[str] = set()
        self.linked: set[str] = set()
        waiting = [start]
        while waiting:
            url = waiting.pop()
            if url in self.status:
                continue
            final, links = self._ask(url)
            if final != url:
                self.redirects.add(url)
            self.linked |= links - {final}
            waiting += [link for link in links if link.startswith(start)]

    def _ask(self, url: str) -> tuple[str, set[str]]:
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                self.status[url] = answer.status
                if "html" not in answer.headers["Content-Type"]:
                    return answer.url, set()
                links = _Links(answer.url)
                links.feed(answer.read().decode())
                return answer.url, links.found
        except urllib.error.HTTPError as error:
            self.status[url] = error.code
            return url, set()


async def test_the_crawl_of_a_real_site_finds_what_an_independent_count_finds(docs, tmp_path, capsys):
    counted = await asyncio.to_thread(Count, docs)
    server = Server(tmp_path)
    await asyncio.to_thread(server.start)
    began = time.monotonic()
    try:
        token = (server.data / "cli.token").read_text().strip()
        async with httpx.AsyncClient(base_url=server.address, trust_env=False, timeout=30,
                                     headers={"Authorization": f"Bearer {token}"}) as api:
            run = (await api.post("/api/workflows/site_crawl/runs",
                                  json={"value": docs, "client_id": "crawl-of-real-docs"})).json()["run"]
            (await api.post(f"/api/runs/{run}/answer", json={"value": {
                "pages": 2_000, "depth": 20, "requests_a_second": 20, "private_networks": True}})).raise_for_status()

            async def complete() -> bool:
                return bool((await api.get(f"/api/runs/{run}")).json()["complete"])

            await until(complete, within=300)
            took = time.monotonic() - began
        async with server.client() as person:
            answer = await person.get(f"/runs/{run}/exports/pages-csv")
            sheets = await person.get(f"/runs/{run}/exports/crawl-xlsx")
    finally:
        await asyncio.to_thread(server.kill)
    pages = {row["url"]: row for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))}
    found = {name: _column(sheets.content, name) for name in ("Broken", "Redirects", "Orphans")}
    broken = {url for url, status in counted.status.items() if status >= 400}
    listed = {f"{docs}{file.relative_to(DOCS).as_posix()}" for file in DOCS.rglob("*.html")}
    orphans = (listed | {f"{docs}{file}" for file in UNLINKED}) - counted.linked - {docs}
    with capsys.disabled():
        print(f"\n{len(pages)} addresses in {took:.0f} s, broken {len(broken)}, redirects {len(counted.redirects)}, "
              f"orphans {len(orphans)}")
    assert {url: int(row["status"]) for url, row in pages.items()} == counted.status
    assert found == {"Broken": broken, "Redirects": counted.redirects, "Orphans": orphans}


def _column(data: bytes, sheet: str) -> set[str]:
    from openpyxl import load_workbook

    rows = list(load_workbook(io.BytesIO(data))[sheet].iter_rows(values_only=True))
    return {row[rows[0].index("url")] for row in rows[1:]} if rows and rows[0] and "url" in rows[0] else set()
