"""Figures 1 and 2: a page and a fragment beside Starlette with the same bytes; the app with its guard and without.

Servers in processes of their own, uvicorn set up alike, one connection each, asked in turn; CPU of the server process by
the kernel's count.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.measure import ROUNDS, Row, medians, process_cpu_s
from bench.start import ROOT, fetch, free_port, treadle

N, PART = 600, 60  # requests in a round, and how many before the other server is asked
TWICE = """
import asyncio, sys, uvicorn
from pathlib import Path
from treadle.config import Settings
from treadle.core import Core
from treadle.web.app import create_app
async def main():
    async with Core.open(Settings(data=Path(sys.argv[2]), port=int(sys.argv[1]), token=True, ollama_host="http://127.0.0.1:9")) as core:
        guard = create_app(core)
        app = guard if sys.argv[3] == "guarded" else guard.app
        await uvicorn.Server(uvicorn.Config(app, port=int(sys.argv[1]), http="h11", log_level="error", access_log=False,
                                            lifespan="off", proxy_headers=False, server_header=False)).serve()
asyncio.run(main())
"""
STARLETTE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
body = open(sys.argv[2], "rb").read()
async def page(request): return Response(body, media_type="text/html; charset=utf-8")
uvicorn.run(Starlette(routes=[Route("/", page)]), port=int(sys.argv[1]), http="h11", loop="asyncio", log_level="error",
            access_log=False, proxy_headers=False, server_header=False)
"""


class Asked:
    """A server process, asked over one connection that stays open."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def get(self, path: str, headers: dict[str, str]) -> bytes:
        """The body, which must come with 200."""
        self.connection.request("GET", path, headers=headers)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status)
        return body

    def cpu_s(self, path: str, headers: dict[str, str]) -> float:
        """CPU seconds the server spends on `PART` requests."""
        before = process_cpu_s(self.process.pid)
        for _ in range(PART):
            self.get(path, headers)
        return process_cpu_s(self.process.pid) - before

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()


def started(script: str, *arguments: str) -> Asked:
    """A server from a script that takes the port first."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", script, str(port), *arguments], cwd=ROOT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while True:
        try:
            fetch(port, "/")
            http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()
            return Asked(process, port)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def compare(ours: Asked, base: Asked, path: str, base_path: str, headers: dict[str, str]) -> tuple[float, float, float]:
    """Paired and interleaved: CPU seconds of N requests, medians of ours, the baseline, and of the ratios."""
    def once() -> tuple[float, float]:
        parts = [(ours.cpu_s(path, headers), base.cpu_s(base_path, headers)) for _ in range(N // PART)]
        return sum(a for a, _ in parts), sum(b for _, b in parts)

    once()
    return medians([once() for _ in range(ROUNDS)])


def rows() -> list[Row]:
    """The full page of home and of a workflow, the fragment of a workflow, and what the guard adds."""
    result: list[Row] = []
    with tempfile.TemporaryDirectory() as data:
        server = treadle(data)
        ours = Asked(server.process, server.port)
        page: dict[str, str] = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        fragment = page | {"HX-Request": "true", "HX-Current-URL": f"http://127.0.0.1:{server.port}/", "Sec-Fetch-Mode": "cors"}
        cases: list[tuple[str, str, dict[str, str], float]] = [
            ("full page, home", "/", page, 8), ("full page, Hello", "/hello", page, 8), ("fragment, Hello", "/hello", fragment, 4)]
        for what, path, headers, goal in cases:
            body = ours.get(path, headers)
            same = Path(data) / "same"
            same.write_bytes(body)
            base = started(STARLETTE, str(same))
            found, beside, ratio = compare(ours, base, path, "/", headers)
            base.end()
            result.append(Row("1", f"{what}, {len(body) / 1000:.1f} KB", f"{found / N * 1e6:.0f} us",
                              f"{beside / N * 1e6:.0f} us Starlette", f"{ratio:.1f}", f"{goal:g}", ratio <= goal))
        ours.end()
    result.append(guard_row())
    return result


def guard_row() -> Row:
    """Figure 2: the same app with the guard and its session cookie, and without."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        guarded, plain = started(TWICE, one, "guarded"), started(TWICE, other, "plain")
        token = (Path(one) / "token").read_text().strip()
        headers: dict[str, Any] = {"Sec-Fetch-Site": "same-origin", "HX-Request": "true", "Cookie": f"treadle-{guarded.port}={token}"}
        found, beside, ratio = compare(guarded, plain, "/hello", "/hello", headers)
        guarded.end(), plain.end()
    return Row("2", "guard and session, on the fragment", f"{found / N * 1e6:.0f} us", f"{beside / N * 1e6:.0f} us without",
               f"{ratio:.2f}", "1.3", ratio <= 1.3)
