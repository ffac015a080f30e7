"""What the tests share: counts, conditions, and a real server in its own process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import isawaitable
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

import httpx

from treadle.config import ROOT

T = TypeVar("T")
NOWHERE = "http://127.0.0.1:9"  # a model address at which nothing answers


def soak(small: T, full: T) -> T:
    """`small` in `make test`, `full` in `make soak`."""
    return full if os.environ.get("TREADLE_SOAK") == "1" else small


async def until(condition: Callable[[], Any], *, within: float = 5) -> Any:
    """Wait for a true result of `condition`, a function or a coroutine function, and return it.

    `within`: real seconds, then AssertionError.
    """
    end = time.monotonic() + within
    while not (result := await awaited if isawaitable(awaited := condition()) else awaited):
        assert time.monotonic() < end, f"not within {within} s"
        await asyncio.sleep(0.002)
    return result


def until_now(condition: Callable[[], T], *, within: float = 5) -> T:
    """`until` for code that has no event loop."""
    end = time.monotonic() + within
    while not (result := condition()):
        assert time.monotonic() < end, f"not within {within} s"
        time.sleep(0.002)
    return result


def free_port() -> int:
    """A port of 127.0.0.1 nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def same_origin(address: str) -> dict[str, str]:
    """The headers a browser sends with a request of our own page at `address` (http://host:port)."""
    return {"Origin": address, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


HX = {"HX-Request": "true"}


@contextmanager
def serving(folder: Path, plugin: str) -> Iterator[Server]:
    """A server whose one plugin has this text, which may be indented."""
    (folder / "plugins").mkdir()
    (folder / "plugins" / "010_plugin.py").write_text(dedent(plugin))
    with Server(folder, plugins=folder / "plugins") as server:
        yield server


class Server:
    """A real server in its own process: `start`, `kill` (-9), `terminate`, `restart` on the same port and folder."""

    def __init__(self, folder: Path, *args: str, plugins: Path | None = None, ollama: str = NOWHERE,
                 env: dict[str, str] | None = None) -> None:
        """`folder`: for the data and the log. `args`: more arguments. `plugins`: instead of the shipped ones."""
        self.folder, self.port = folder, free_port()
        self.data = folder / "data"
        self.log_file = folder / "server.log"
        self.args = args
        self.address = f"http://127.0.0.1:{self.port}"
        self.env = {**os.environ, "OLLAMA_HOST": ollama, "PYTHONUNBUFFERED": "1", **(env or {})}
        if plugins is not None:
            self.env["TREADLE_PLUGINS"] = str(plugins)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, within: float = 20) -> Server:
        """Start and wait until it serves. AssertionError with the log when it ends instead."""
        self.launch()
        until_now(self.ready, within=within)
        return self

    def launch(self) -> None:
        """Start without waiting."""
        assert self.process is None
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "server.py"), "--no-open", "--port", str(self.port),
                 "--data", str(self.data), *self.args],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=self.env, cwd=self.folder,
                start_new_session=True)

    def ready(self) -> bool:
        """Whether this process serves. AssertionError with the log when it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log()}"
        try:
            return bool(json.loads((self.data / "server.json").read_text())["pid"] == self.process.pid)
        except (OSError, ValueError):
            return False

    def kill(self) -> None:
        """kill -9, at once, without a goodbye."""
        self._end(signal.SIGKILL)

    def terminate(self, *, within: float = 10) -> float:
        """SIGTERM; the seconds it took to end. The exit code is in `returncode`."""
        began = time.monotonic()
        self._end(signal.SIGTERM, within=within)
        return time.monotonic() - began

    def _end(self, number: signal.Signals, *, within: float = 10) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.returncode = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end within {within} s of {number.name}:\n{self.log()}") from None
        self.process = None

    def restart(self) -> Server:
        """Start again after `kill` or `terminate`: same port, same folder."""
        return self.start()

    def log(self) -> str:
        """What it printed and logged, over all its lives."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def token(self) -> str:
        """The token of this data folder."""
        return (self.data / "token").read_text().strip()

    @property
    def cookies(self) -> dict[str, str]:
        """The cookie of a browser that is signed in."""
        return {f"treadle-{self.port}": self.token}

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A browser's page at this server: signed in, same origin, redirects not followed. Close it."""
        return httpx.AsyncClient(base_url=self.address, headers=same_origin(self.address), cookies=self.cookies,
                                 trust_env=False, timeout=10, **options)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
