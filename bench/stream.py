"""Figures 3 to 6: delivery beside a raw ASGI stream and a queue per client; latency; idle streams; streams under pages."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.measure import ROUNDS, Row, p, process_cpu_s, rss_bytes
from bench.start import ROOT, fetch, free_port
from treadle.config import Settings
from treadle.core import Core

App = Callable[[Any, Any, Any], Awaitable[None]]
HEAD = (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
VIEWERS, FRAMES, PACE_S = 100, 75, 0.04
FLOOD = 3_000


def scope(path: str, headers: dict[str, str]) -> dict[str, Any]:
    """A GET as uvicorn hands it over."""
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 5001), "state": {},
        "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
    }


def say(core: Core, text: str) -> int:
    """One row that every viewer is told of, committed as the product does it. Its rev."""
    with core.feed.change() as rev:
        core.db.execute("INSERT INTO messages (conversation, role, state, text, created_at, born, rev) "
                        "VALUES (1, 'user', 'done', ?, 0, ?, ?)", (text, rev, rev))
    return rev


class RawStream:
    """The baseline: the least ASGI stream there is. One condition, the bytes of the latest frame, no cursor, no text."""

    def __init__(self) -> None:
        self.frame, self.number = b"", 0
        self.changed: asyncio.Future[None] | None = None

    def publish(self, frame: bytes) -> None:
        self.frame, self.number = frame, self.number + 1
        if self.changed is not None:
            self.changed.set_result(None)
            self.changed = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        seen = self.number
        while True:
            while self.number == seen:
                if self.changed is None:
                    self.changed = asyncio.get_running_loop().create_future()
                await asyncio.shield(self.changed)
            seen = self.number
            await send({"type": "http.response.body", "body": self.frame, "more_body": True})


class QueueStream:
    """The other baseline: a queue for each client, every event put into every queue."""

    def __init__(self) -> None:
        self.queues: list[asyncio.Queue[bytes]] = []

    def publish(self, frame: bytes) -> None:
        for queue in self.queues:
            queue.put_nowait(frame)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.queues.append(queue)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        while True:
            await send({"type": "http.response.body", "body": await queue.get(), "more_body": True})


async def viewers(app: App, core: Core, count: int) -> tuple[list[asyncio.Task[None]], list[bytes]]:
    """`count` viewers of conversation 1 on `app`, without sockets; the last frame each was given."""
    headers = {"host": "127.0.0.1:5001", "authorization": f"Bearer {core.folder.secret('token')}"}
    last = [b""] * count

    def viewer(number: int) -> asyncio.Task[None]:
        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {}

        async def send(message: Any) -> None:
            if message.get("body"):
                last[number] = message["body"]

        request = scope("/events/1", headers) | {"query_string": f"since={core.db.epoch}-{core.feed.rev}".encode()}
        return asyncio.ensure_future(app(request, receive, send))

    tasks = [viewer(number) for number in range(count)]
    while not all(last):
        await asyncio.sleep(0)
        if isinstance(app, QueueStream) and len(app.queues) >= count:
            break
    return tasks, last


async def until_all(last: list[bytes], text: bytes) -> None:
    """Every viewer has been given `text`."""
    while not all(text in frame for frame in last):
        await asyncio.sleep(0.001)


async def leave(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def delivery_rows(app: App, core: Core) -> list[Row]:
    """Figure 3: 100 viewers at 25 frames a second; and as many changes as there can be."""
    sample = b""

    async def ours_paced() -> float:
        nonlocal sample
        tasks, last = await viewers(app, core, VIEWERS)
        before = time.process_time()
        for number in range(FRAMES):
            say(core, f"row {number} of a conversation that goes on and on")
            await asyncio.sleep(PACE_S)
        spent = time.process_time() - before
        sample = last[0]
        await leave(tasks)
        return spent

    async def raw_paced() -> float:
        raw = RawStream()
        tasks, _ = await viewers(raw, core, VIEWERS)
        before = time.process_time()
        for number in range(FRAMES):
            say(core, f"row {number} of a conversation that goes on and on")
            raw.publish(sample)
            await asyncio.sleep(PACE_S)
        spent = time.process_time() - before
        await leave(tasks)
        return spent

    async def ours_flat() -> float:
        tasks, last = await viewers(app, core, VIEWERS)
        before = time.perf_counter()
        for number in range(FLOOD):
            say(core, f"flood {number}.")
            if number % 10 == 0:
                await asyncio.sleep(0)
        await until_all(last, f"flood {FLOOD - 1}.".encode())
        spent = time.perf_counter() - before
        await leave(tasks)
        return spent

    async def queue_flat() -> float:
        queue = QueueStream()
        tasks, last = await viewers(queue, core, VIEWERS)
        before = time.perf_counter()
        for number in range(FLOOD):
            say(core, f"flood {number}.")
            queue.publish(f"data: flood {number}.".encode().ljust(len(sample)))
            if number % 10 == 0:
                await asyncio.sleep(0)
        await until_all(last, f"flood {FLOOD - 1}.".encode())
        spent = time.perf_counter() - before
        await leave(tasks)
        return spent

    async def pairs(ours: Callable[[], Any], base: Callable[[], Any]) -> tuple[float, float, float]:
        await ours(), await base()
        found = [(await ours(), await base()) for _ in range(ROUNDS)]
        return (statistics.median(a for a, _ in found), statistics.median(b for _, b in found),
                statistics.median(a / b for a, b in found))

    paced = await pairs(ours_paced, raw_paced)
    flat = await pairs(ours_flat, queue_flat)
    return [
        Row("3", f"delivery, {VIEWERS} viewers, 25 frames/s, CPU a frame and viewer",
            f"{paced[0] / FRAMES / VIEWERS * 1e6:.1f} us", f"{paced[1] / FRAMES / VIEWERS * 1e6:.1f} us raw ASGI stream",
            f"{paced[2]:.2f}", "1.15", paced[2] <= 1.15),
        Row("3", f"flat out, {FLOOD} changes to {VIEWERS} viewers", f"{FLOOD * VIEWERS / flat[0] / 1000:.0f}k changes/s",
            f"{FLOOD * VIEWERS / flat[1] / 1000:.0f}k/s raw queue per client", f"{1 / flat[2]:.1f} times", "4 times", 1 / flat[2] >= 4),
    ]


@contextlib.asynccontextmanager
async def listening(app: App) -> AsyncIterator[int]:
    """`app` under uvicorn on a port of its own, in this loop."""
    import uvicorn

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    yield port
    server.should_exit = True
    await serving


class Readers:
    """Ten sockets read in a thread of their own: when each saw each mark."""

    def __init__(self, port: int, path: str, headers: str, count: int = 10) -> None:
        self.seen: list[list[tuple[float, bytes]]] = [[] for _ in range(count)]
        self.sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        for each in self.sockets:
            each.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:5001\r\n{headers}\r\n".encode())
        self.threads = [threading.Thread(target=self._read, args=(n,), daemon=True) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def _read(self, number: int) -> None:
        with contextlib.suppress(OSError):
            while data := self.sockets[number].recv(65536):
                self.seen[number].append((time.perf_counter(), data))

    def close(self) -> None:
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def latencies(self, published: dict[bytes, float]) -> list[float]:
        """Seconds from each mark's commit to each reader's receipt of it."""
        found = []
        for chunks in self.seen:
            for mark, at in published.items():
                found += [when - at for when, data in chunks if mark in data][:1]
        return found


async def latency(app: App, publish: Callable[[int], bytes], path: str, headers: str, *, marks: int = 60,
                  pages: bool = False) -> tuple[list[float], list[float]]:
    """Latencies of `marks` publications at 10 readers, and the stalls of the loop; with `pages`, under 20 pages a second."""
    stalls: list[float] = []

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            stalls.append(time.perf_counter() - before - 0.001)

    async with listening(app) as port:
        readers = Readers(port, path, headers)
        while not all(readers.seen):
            await asyncio.sleep(0.005)
        watching = asyncio.ensure_future(watch())
        asking = asyncio.ensure_future(ask_pages(port, headers)) if pages else None
        published = {}
        for number in range(marks):
            at = time.perf_counter()
            published[publish(number)] = at
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        for task in (watching, asking):
            if task is not None:
                task.cancel()
        readers.close()
    return readers.latencies(published), stalls


async def ask_pages(port: int, headers: str) -> None:
    """20 pages a second, one after another, read by a process of its own."""
    script = ("import sys,time,http.client\nport=int(sys.argv[1])\nheaders=dict(h.split(': ',1) for h in sys.argv[2].splitlines() if h)\n"
              "while True:\n at=time.monotonic()\n c=http.client.HTTPConnection('127.0.0.1',port)\n"
              " c.request('GET','/hello',headers=headers|{'Host':'127.0.0.1:5001'}); c.getresponse().read(); c.close()\n"
              " time.sleep(max(0,.05-(time.monotonic()-at)))")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(port), headers)
    try:
        await process.wait()
    finally:
        process.kill()
        await process.wait()


async def latency_rows(app: App, core: Core) -> list[Row]:
    """Figures 4 and 6."""
    headers = f"Authorization: Bearer {core.folder.secret('token')}\r\n"
    path = f"/events/1?since={core.db.epoch}-{core.feed.rev}"

    def publish_ours(number: int) -> bytes:
        mark = f"mark-{time.perf_counter_ns()}-{number}."
        say(core, mark)
        return mark.encode()

    ours, base, busy, stalls = [], [], [], []
    for _ in range(ROUNDS):
        raw = RawStream()

        def publish_raw(number: int, raw: RawStream = raw) -> bytes:
            mark = f"mark-{time.perf_counter_ns()}-{number}."
            say(core, mark)
            raw.publish(mark.encode().ljust(400))
            return mark.encode()

        path = f"/events/1?since={core.db.epoch}-{core.feed.rev}"
        ours += (await latency(app, publish_ours, path, headers))[0]
        base += (await latency(raw, publish_raw, "/", ""))[0]
        path = f"/events/1?since={core.db.epoch}-{core.feed.rev}"
        under, stalled = await latency(app, publish_ours, path, headers, pages=True)
        busy += under
        stalls += stalled
    ms = 1000
    p50, p95, raw50, raw95 = p(ours, 50) * ms, p(ours, 95) * ms, p(base, 50) * ms, p(base, 95) * ms
    busy95, stall = p(busy, 95) * ms, max(stalls) * ms
    return [
        Row("4", "flush to socket, 10 viewers, p50", f"{p50:.2f} ms", f"{raw50:.2f} ms raw", "", "raw + 0.5 ms", p50 <= raw50 + 0.5),
        Row("4", "flush to socket, 10 viewers, p95", f"{p95:.2f} ms", f"{raw95:.2f} ms raw", "", "1.5 raw + 1 ms", p95 <= 1.5 * raw95 + 1),
        Row("6", "the same under 20 pages/s, p95", f"{busy95:.2f} ms", f"{p95:.2f} ms idle", "", "idle + 5 ms", busy95 <= p95 + 5),
        Row("6", "longest stall of the loop meanwhile", f"{stall:.1f} ms", "", "", "10 ms", stall <= 10),
    ]


def idle_rows() -> list[Row]:
    """Figure 5: a server process of its own with 1,000 idle streams."""
    count, port = 1_000, free_port()
    with tempfile.TemporaryDirectory() as data:
        process = subprocess.Popen([sys.executable, "server.py", "--no-open", "--no-token", "--data", data, "--port", str(port)],
                                   cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while fetch(port, "/") is None:
                time.sleep(0.05)
            token = (Path(data) / "token").read_text().strip() if (Path(data) / "token").exists() else ""
            before = rss_bytes(process.pid)
            sockets = []
            for _ in range(count):
                each = socket.create_connection(("127.0.0.1", port))
                each.sendall(f"GET /events/1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
                sockets.append(each)
            for each in sockets:
                each.settimeout(30)
                assert each.recv(100).startswith(HEAD[:15])
            time.sleep(2)
            each_kb = (rss_bytes(process.pid) - before) / count / 1000
            cpu = process_cpu_s(process.pid)
            time.sleep(20)
            share = (process_cpu_s(process.pid) - cpu) / 20 * 100
            for each in sockets:
                each.close()
        finally:
            process.kill()
            process.wait()
    return [
        Row("5", f"{count} idle streams, memory each", f"{each_kb:.1f} KB", "", "", "20 KB", each_kb <= 20),
        Row("5", f"{count} idle streams, share of a core", f"{share:.2f}%", "", "", "1%", share <= 1),
    ]


def rows() -> list[Row]:
    """All figures of the stream."""
    from treadle.web.app import create_app

    async def measured() -> list[Row]:
        with tempfile.TemporaryDirectory() as data:
            async with Core.open(Settings(data=Path(data), ollama_host="http://127.0.0.1:9")) as core:
                app = create_app(core)
                return [*await delivery_rows(app, core), *await latency_rows(app, core)]

    return [*asyncio.run(measured()), *idle_rows()]
