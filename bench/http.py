"""Figures 1 and 2: a page and a fragment beside Starlette with the same bytes; the app with its guard and without."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from bench.measure import Row, paired
from treadle.config import Settings
from treadle.core import Core

N = 150
App = Callable[[Any, Any, Any], Awaitable[None]]


def scope(path: str, headers: dict[str, str]) -> dict[str, Any]:
    """A GET as uvicorn hands it over."""
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 5001), "state": {},
        "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
    }


async def get(app: App, path: str, headers: dict[str, str]) -> bytes:
    """One request, straight into the app: its body, which must come with 200."""
    body = bytearray()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200, (path, message)
        body.extend(message.get("body", b""))

    await app(scope(path, headers), receive, send)
    return bytes(body)


def starlette(body: bytes) -> App:
    """The baseline: Starlette returning the same bytes."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def page(request: object) -> Response:
        return Response(body, media_type="text/html; charset=utf-8")

    return Starlette(routes=[Route("/", page)])


def cost(loop: asyncio.AbstractEventLoop, app: App, path: str, headers: dict[str, str]) -> Callable[[], float]:
    """CPU seconds of N requests, all threads (a replay runs in one)."""
    async def many() -> None:
        for _ in range(N):
            await get(app, path, headers)

    def measure() -> float:
        before = time.process_time()
        loop.run_until_complete(many())
        return time.process_time() - before

    return measure


def rows() -> list[Row]:
    """The full page of home and of a workflow, the fragment of a workflow, and what the guard adds."""
    from treadle.web.app import create_app

    result = []
    with tempfile.TemporaryDirectory() as data, asyncio.Runner() as runner:
        loop = runner.get_loop()
        opened = Core.open(Settings(data=Path(data), token=True, ollama_host="http://127.0.0.1:9"))
        core = runner.run(opened.__aenter__())
        guarded = create_app(core)
        headers = {"host": "127.0.0.1:5001", "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate",
                   "cookie": f"treadle-5001={core.folder.secret('token')}"}
        fragment = headers | {"hx-request": "true", "hx-current-url": "http://127.0.0.1:5001/", "sec-fetch-mode": "cors"}
        for what, path, head, goal in (("full page, home", "/", headers, 8), ("full page, Hello", "/hello", headers, 8),
                                       ("fragment, Hello", "/hello", fragment, 4)):
            body = runner.run(get(guarded, path, head))
            ours, base, ratio = paired(cost(loop, guarded, path, head), cost(loop, starlette(body), "/", head))
            result.append(Row("1", f"{what}, {len(body) / 1000:.1f} KB", f"{ours / N * 1e6:.0f} us",
                              f"{base / N * 1e6:.0f} us Starlette", f"{ratio:.1f}", str(goal), ratio <= goal))
        ours, base, ratio = paired(cost(loop, guarded, "/hello", fragment), cost(loop, guarded.app, "/hello", fragment))
        result.append(Row("2", "guard and session, on the fragment", f"{ours / N * 1e6:.0f} us",
                          f"{base / N * 1e6:.0f} us without", f"{ratio:.2f}", "1.3", ratio <= 1.3))
        runner.run(opened.__aexit__(None, None, None))
    return result
