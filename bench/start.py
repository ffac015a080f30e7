"""Figure 13: the start beside a bare FastHTML app under uvicorn; memory; the weight of the first page."""

from __future__ import annotations

import gzip
import importlib.metadata
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench.measure import Row, paired, process_cpu_s, rss_bytes

ROOT = Path(__file__).resolve().parent.parent

BARE = """
import sys, uvicorn
from fasthtml.common import FastHTML, H1
app = FastHTML()
@app.get("/")
def home(): return H1("Hello")
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetch(port: int, path: str) -> bytes | None:
    """The page as a browser asks for it, or None while nobody answers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Sec-Fetch-Site": "none", "Accept-Encoding": "gzip"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            body: bytes = answer.read()
            return body
    except (urllib.error.URLError, ConnectionError):
        return None


class Started:
    """A server process, from its start to its first 200."""

    def __init__(self, *command: str, port: int, cwd: Path | str = ROOT) -> None:
        self.port = port
        self.process = subprocess.Popen([sys.executable, *command], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while fetch(port, "/") is None:
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"{command} did not answer")
            time.sleep(0.02)
        self.cpu_s = process_cpu_s(self.process.pid)

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def treadle(data: str) -> Started:
    """Treadle on a data folder of its own, without a token, so that the first page is the real one."""
    port = free_port()
    return Started("server.py", "--no-open", "--no-token", "--data", data, "--port", str(port), port=port)


def bare(folder: str) -> Started:
    """The least FastHTML app there is, under uvicorn; it writes its key into `folder`."""
    port = free_port()
    return Started("-c", BARE, str(port), port=port, cwd=folder)


def rows() -> list[Row]:
    """Start, memory, first page, distributions."""
    with tempfile.TemporaryDirectory() as data:
        def ours() -> float:
            with treadle(data) as server:
                return server.cpu_s

        def baseline() -> float:
            with bare(data) as server:
                return server.cpu_s

        start = paired(ours, baseline)
        with treadle(data) as server:
            weight, requests = first_page(server.port)
            memory = rss_bytes(server.process.pid)
    needed = distributions()
    return [
        Row("13", "start to the first 200, CPU", f"{start[0]:.2f} s", f"{start[1]:.2f} s bare FastHTML", f"{start[2]:.2f}", "1.5", start[2] <= 1.5),
        Row("13", "first page, gzipped", f"{weight / 1000:.1f} KB", "", "", "90 KB", weight <= 90_000),
        Row("13", "first page, requests", str(requests), "", "", "10", requests <= 10),
        Row("13", "resident after the first page", f"{memory / 1e6:.0f} MB", "", "", "80 MB", memory <= 80_000_000),
        Row("13", "distributions at run time", str(needed), "", "", "50", needed <= 50),
    ]


def first_page(port: int) -> tuple[int, int]:
    """Gzipped bytes and number of requests of the first page with all it names, the stream not counted."""
    seen: dict[str, int] = {}
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        body = fetch(port, path) or b""
        text = gzip.decompress(body).decode() if body[:2] == b"\x1f\x8b" else body.decode(errors="replace")
        seen[path] = len(body) if body[:2] == b"\x1f\x8b" or path.endswith(".woff2") else len(gzip.compress(body))
        if path == "/":
            waiting += re.findall(r'(?:src|href)="(/static/[^"#]+)', text)
        elif ".css" in path:
            waiting += [url for url in re.findall(r'url\("?([^")]+)"?\)', text) if url.startswith("/static/") and "latin-ext" not in url]
    return sum(seen.values()), len(seen)


def distributions() -> int:
    """How many distributions requirements.txt installs."""
    names = re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE | re.IGNORECASE)
    installed = {dist.metadata["Name"].lower().replace("_", "-") for dist in importlib.metadata.distributions()}
    return len([name for name in names if name.lower().replace("_", "-") in installed])
