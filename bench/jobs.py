"""Jobs: what an item and a job cost beside their functions, and pages while 10,000 items run beside pages while nothing
does.

A real server; what runs is a workflow like any other. The functions return at once, so that all there is is overhead.
"""

from __future__ import annotations

import http.client
import os
import re
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.measure import Row, p
from bench.start import treadle

PLUGIN = '''
import time
from treadle import workflow

@workflow("Items", message="Items.")
async def items(ui):
    n = await ui.ask("N", int)
    await ui.each("Work", range(n), at_once)

@workflow("Wide", message="Items.")
async def wide(ui):
    n = await ui.ask("N", int)
    await ui.each("Work", range(n), briefly, workers=8)

@workflow("Apart", message="Items.")
async def apart(ui):
    n = await ui.ask("N", int)
    await ui.each("Work", range(n), computes, workers=2, on="process")

@workflow("Several", message="Jobs.")
async def several(ui):
    n = await ui.ask("N", int)
    for number in range(n):
        await ui.job("Work", at_once, number, key=number)

def at_once(n):
    return n

def briefly(n):
    time.sleep(0.005)
    return n

def computes(n):
    return sum(i * i for i in range(20_000)) + n
'''


class Site:
    """A server with these workflows, and a browser's connection to it."""

    def __init__(self, folder: str) -> None:
        plugins = Path(folder) / "plugins"
        plugins.mkdir()
        (plugins / "010_items.py").write_text(PLUGIN)
        os.environ["TREADLE_PLUGINS"] = str(plugins)
        try:
            self.server = treadle(folder)
        finally:
            del os.environ["TREADLE_PLUGINS"]
        self.folder = folder
        self.headers = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
        self.database = sqlite3.connect(f"file:{next(Path(folder).rglob('treadle.db'))}?mode=ro", uri=True)

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, float, bytes]:
        """Status, seconds and body of one request."""
        began = time.perf_counter()
        self.connection.request(method, path, body, self.headers | headers)
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, time.perf_counter() - began, text

    def begin(self, endpoint: str, n: int) -> str:
        """Start a run; its key."""
        status, _, text = self.ask("POST", f"/runs/new/{endpoint}", f"value={n}&client_id=c{time.time_ns()}",
                                   **{"Content-Type": "application/x-www-form-urlencoded",
                                      "Origin": f"http://127.0.0.1:{self.server.port}"})
        assert status in (200, 303), text
        return str(self.one("SELECT key FROM runs ORDER BY created_at DESC, rowid DESC LIMIT 1"))

    def one(self, sql: str, *params: Any) -> Any:
        """The first value of a query."""
        return self.database.execute(sql, params).fetchone()[0]

    def complete(self, key: str) -> bool:
        """Whether the run has come to its end."""
        return bool(self.one("SELECT complete FROM runs WHERE key = ?", key))

    def seconds(self, endpoint: str, n: int) -> float:
        """How long a run of `n` takes."""
        began = time.perf_counter()
        key = self.begin(endpoint, n)
        while not self.complete(key):
            time.sleep(0.005)
        return time.perf_counter() - began

    def pages(self, path: str, count: int) -> list[float]:
        """Seconds of pages, one after the other, with a pause as between clicks."""
        found = []
        for _ in range(count):
            found.append(self.ask("GET", path)[1])
            time.sleep(0.01)
        return found

    def end(self) -> None:
        self.database.close()
        self.connection.close()
        self.server.process.kill()
        self.server.process.wait()


def rows() -> list[Row]:
    """What jobs cost, and what they cost others."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(folder)
        try:
            site.seconds("items", 100)
            item = statistics.median((site.seconds("items", 2_100) - site.seconds("items", 100)) / 2_000 for _ in range(9))
            job = statistics.median((site.seconds("several", 60) - site.seconds("several", 10)) / 50 for _ in range(9))
            found = [
                Row("14", "an item of an each, in threads", f"{item * 1e3:.2f} ms", "its function: 0", "", "0.3 ms",
                    item <= 0.0003),
                Row("15", "a job, with all that follows from it", f"{job * 1e3:.2f} ms", "its function: 0", "", "2 ms",
                    job <= 0.002)]
            for number, (endpoint, what) in enumerate([
                    ("wide", "10,000 items of 5 ms, 8 at a time"), ("items", "10,000 items that return at once"),
                    ("apart", "10,000 items that compute, in processes")], 16):
                found.append(beside(site, str(number), endpoint, what))
        finally:
            site.end()
    return found


def beside(site: Site, number: str, endpoint: str, what: str) -> Row:
    """Pages while these items run, and while nothing does; rounds in turn."""
    ours: list[float] = []
    idle: list[float] = []
    for _ in range(3):
        idle += site.pages("/", 100)
        key = site.begin(endpoint, 10_000)
        while not site.complete(key) and len(ours) < 1_000:
            ours += site.pages("/", 10)
        while not site.complete(key):
            time.sleep(0.05)
    busy, quiet = p(ours, 95), p(idle, 95)
    return Row(number, f"a page beside {what}, p95 of {len(ours)}", f"{busy * 1e3:.1f} ms", f"{quiet * 1e3:.1f} ms idle",
               f"{busy / quiet:.2f}", "2", busy <= 2 * quiet)


if __name__ == "__main__":
    for row in rows():
        print(re.sub(r"\s+", " ", str(row)))
