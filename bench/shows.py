"""A run with a large table beside the same page with the 50 rows that are drawn: CPU of the server, asked in turn."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.measure import Row, medians, process_cpu_s
from bench.start import ROOT, fetch, free_port

N, ROUNDS = 10, 7  # requests of one kind before the other is asked
PLUGIN = '''
from treadle import Table, workflow

ROWS = [{"path": f"/guides/{n}", "status": 200 if n % 9 else 404, "clicks": n * 7919 % 10007, "seconds": n % 97 / 50,
         "title": f"Title of page {n}"} for n in range(100_000)]


@workflow("Ten thousand", message="m")
async def ten(ui):
    ui.show("A list.", Table(ROWS[:10_000], sort="-clicks"))


@workflow("All", message="m")
async def hundred(ui):
    ui.show("A list.", Table(ROWS, sort="-clicks"))


@workflow("Fifty", message="m")
async def fifty(ui):
    ui.show("A list.", Table(ROWS[:50], sort="-clicks"))
'''


def rows() -> list[Row]:
    """The page of 10,000 rows, one of its pages sorted otherwise, a search; and the page of 100,000."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "010_tables.py").write_text(PLUGIN)
        port = free_port()
        env = {**os.environ, "TREADLE_PLUGINS": folder, "OLLAMA_HOST": "http://127.0.0.1:9"}
        server = subprocess.Popen(
            [sys.executable, "server.py", "--no-open", "--no-token", "--port", str(port), "--data", f"{folder}/data"],
            cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while fetch(port, "/fifty") is None:
                assert server.poll() is None, "the server ended"
            return _measured(server.pid, port)
        finally:
            server.kill()
            server.wait()


def _measured(pid: int, port: int) -> list[Row]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Sec-Fetch-Site": "same-origin"}

    def asking(path: str, fragment: bool) -> Callable[[], float]:
        def ask() -> float:
            before = process_cpu_s(pid)
            for _ in range(N):
                connection.request("GET", path, headers={**headers, "HX-Request": "true"} if fragment else headers)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200, (path, answer.status)
            return process_cpu_s(pid) - before
        return ask

    found = []
    for what, path, base, fragment, goal in [
            ("page of a run with a table of 10,000 rows", "/ten", "/fifty", False, 12),
            ("10,000 rows sorted by text", "/runs/new/ten/shows/2?sort=title", "/runs/new/fifty/shows/2", True, 10),
            ("10,000 rows searched", "/runs/new/ten/shows/2?q=guides/99", "/runs/new/fifty/shows/2", True, 40),
            ("page of a run with a table of 100,000 rows", "/hundred", "/fifty", False, 150)]:
        ours, plain = asking(path, fragment), asking(base, fragment)
        ours(), plain()
        own, other, ratio = medians([(ours(), plain()) for _ in range(ROUNDS)])
        found.append(Row("20", what, f"{own / N * 1e3:.1f} ms", f"{other / N * 1e3:.1f} ms with the 50 that are drawn",
                         f"{ratio:.1f}", f"{goal}", ratio <= goal))
    return found
