"""Figures 3 to 6: delivery beside a raw ASGI stream and a queue per client; latency; idle streams; streams under pages.

Ours and the baselines are served by the same uvicorn in the same process and read by the same readers in another, in
turn, with the same bytes. Every change is a row committed as the product does it, also where the baseline is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.measure import ROUNDS, Row, medians, p, process_cpu_s, rss_bytes, run_delay_s
from bench.readers import Readers
from bench.start import ROOT, fetch, free_port
from treadle.config import Settings
from treadle.conversation import Place
from treadle.core import Core

App = Callable[[Any, Any, Any], Awaitable[None]]
VIEWERS, FRAMES, PACE_S = 100, 75, 0.04
FLOOD = 1_000          # changes, to every viewer
MARKS, READERS = 60, 10
NOBODY = "http://127.0.0.1:9"  # where no model answers
MS = 1000
MARK = "mark-999999."  # in the sample
SAY = ("INSERT INTO messages (conversation, role, state, text, created_at, born, rev) "
       "VALUES (?, 'user', 'done', ?, 0, ?, ?)")


async def left(receive: Callable[[], Awaitable[Any]]) -> None:
    """Until the viewer has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Raw:
    """The least ASGI stream there is: one event for all, the bytes of the latest frame, no cursor, no text, no guard."""

    def __init__(self) -> None:
        self.frame = b""
        self.changed = asyncio.Event()

    def publish(self, frame: bytes) -> None:
        changed, self.changed, self.frame = self.changed, asyncio.Event(), frame
        changed.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        gone = asyncio.ensure_future(left(receive))
        while True:
            await self.changed.wait()
            if gone.done() or not self.frame:
                break
            await send({"type": "http.response.body", "body": self.frame, "more_body": True})
        gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def close(self) -> None:
        self.publish(b"")


class Queues:
    """The other baseline: a queue for each client, every event put into every queue."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[bytes]] = set()

    def publish(self, frame: bytes) -> None:
        for queue in self.queues:
            queue.put_nowait(frame)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.queues.add(queue)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        gone = asyncio.ensure_future(left(receive))
        gone.add_done_callback(lambda _: queue.put_nowait(b""))
        while frame := await queue.get():
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        self.queues.discard(queue)
        gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def close(self) -> None:
        self.publish(b"")


def say(core: Core, text: str) -> int:
    """One row that every viewer is told of, committed as the product does it. Its rev."""
    with core.feed.change() as rev:
        core.db.execute(SAY, (1, text, rev, rev))
    return rev


@contextlib.asynccontextmanager
async def listening(app: App, *, port: int = 0) -> AsyncIterator[int]:
    """`app` under uvicorn, set up as the product does, in this loop. Gives the port."""
    import uvicorn

    port = port or free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, http="h11", ws="none", log_level="critical", lifespan="off",
                                           access_log=False, proxy_headers=False, server_header=False,
                                           timeout_graceful_shutdown=1))
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    yield port
    server.should_exit = True
    await serving


class Sides:
    """Ours and the baselines, each under its own port, and readers of them."""

    def __init__(self, core: Core, ours: int, raw: Raw, raw_port: int, queues: Queues, queue_port: int) -> None:
        self.core, self.raw, self.queues = core, raw, queues
        self.ports = {"ours": ours, "raw": raw_port, "queues": queue_port}
        self._count = 0

    def viewers(self, side: str, count: int) -> Readers:
        """`count` viewers of a conversation which have everything there is."""
        core = self.core
        headers = ["Host: 127.0.0.1:5001", f"Authorization: Bearer {core.folder.secret('token')}"]
        return Readers(self.ports[side], f"/events/1?since={core.db.epoch}-{core.feed.rev}", headers, count)

    def marks(self, count: int) -> list[str]:
        """Marks nobody has seen yet."""
        self._count += count
        return [f"mark-{number:06d}." for number in range(self._count - count, self._count)]

    def change(self, side: str, number: int, mark: str, sample: bytes) -> None:
        """One change, committed; where it is for the raw stream, our viewers are not told."""
        text = f"{row(number)} {mark}"
        if side == "ours":
            say(self.core, text)
            return
        with self.core.db.transaction():
            self.core.db.execute(SAY, (1, text, 0, 0))
        self.raw.publish(sample.replace(MARK.encode(), mark.encode()))

    async def sample(self) -> bytes:
        """The bytes of one of our frames: what the baselines send."""
        port = self.ports["ours"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        core, since = self.core, f"{self.core.db.epoch}-{self.core.feed.rev}"
        writer.write(f"GET /events/1?since={since} HTTP/1.1\r\nHost: 127.0.0.1:5001\r\n"
                     f"Authorization: Bearer {core.folder.secret('token')}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        text = f"{row(0)} {MARK}"
        say(core, text)
        while text.encode() not in (line := await reader.readuntil(b"\n\n")):
            pass
        writer.close()
        return b"id: " + line.partition(b"id: ")[2]


def row(number: int) -> str:
    """The text of one change."""
    return f"row {number:05d} of a conversation that goes on and on"


async def paced(sides: Sides, sample: bytes) -> tuple[float, float]:
    """CPU seconds of `FRAMES` changes given to `VIEWERS` viewers of ours, and of the raw stream: frame by frame in turn."""
    spent = {"ours": 0.0, "raw": 0.0}
    async with sides.viewers("ours", VIEWERS) as ours, sides.viewers("raw", VIEWERS) as raw:
        marks = sides.marks(FRAMES)
        for number, each in enumerate(marks):
            for side in spent:
                before = time.process_time()
                sides.change(side, number, each, sample)
                await asyncio.sleep(PACE_S)
                spent[side] += time.process_time() - before
        seen = await ours.seen(), await raw.seen()
    assert all(len(those[each]) == VIEWERS for those in seen for each in marks), "a viewer missed a change"
    return spent["ours"], spent["raw"]


async def flat_out(sides: Sides, side: str, sample: bytes) -> float:
    """Seconds from the first of `FLOOD` pieces of a reply until every viewer has been given the last."""
    core = sides.core
    async with sides.viewers(side, VIEWERS) as readers:
        last = sides.marks(1)[0]
        _, reply = core.conversations.ask(1, "Go on.", client_id=f"flood-{last}", place=Place(), waiting=False, model="m")
        await asyncio.sleep(0.2)
        began = time.perf_counter()
        for number in range(FLOOD):
            text = last if number == FLOOD - 1 else f"piece {number} of a reply\n" + "\n" * (number % 20 == 19)
            core.conversations.write(reply.id, text=text, first=not number)
            if side == "queues":
                sides.queues.publish(f"data: {text.strip()}\n\n".encode())
            await asyncio.sleep(0)
        core.conversations.settle(reply.id, "done")
        while not (sides.queues.queues and all(queue.empty() for queue in sides.queues.queues)) and side == "queues":
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        seen = await readers.seen()
    assert len(seen[last]) >= VIEWERS, "a viewer missed the end"
    return max(seen[last]) - began


async def delivery_rows(sides: Sides) -> list[Row]:
    """Figure 3: 100 viewers at 25 frames a second; and as many changes as there can be."""
    sample = await sides.sample()
    await paced(sides, sample)
    pace = medians([await paced(sides, sample) for _ in range(ROUNDS)])
    await flat_out(sides, "ours", sample), await flat_out(sides, "queues", sample)
    flat = medians([(await flat_out(sides, "ours", sample), await flat_out(sides, "queues", sample)) for _ in range(ROUNDS)])
    each = FRAMES * VIEWERS / 1e6
    return [
        Row("3", f"delivery, {VIEWERS} viewers, 25 frames/s, CPU a frame and viewer", f"{pace[0] / each:.1f} us",
            f"{pace[1] / each:.1f} us raw ASGI stream", f"{pace[2]:.2f}", "1.15", pace[2] <= 1.15),
        Row("3", f"flat out, {FLOOD} pieces of a reply to {VIEWERS} viewers", f"{FLOOD * VIEWERS / flat[0] / 1000:.0f}k changes/s",
            f"{FLOOD * VIEWERS / flat[1] / 1000:.0f}k/s raw queue per client", f"{1 / flat[2]:.1f} times", "4 times",
            1 / flat[2] >= 4),
    ]


async def latencies(sides: Sides, sample: bytes, *, pages: bool = False) -> tuple[list[float], list[float]]:
    """Seconds from each commit to each of ten readers of ours, and of the raw stream: change by change in turn.

    `pages`: while 20 pages a second are asked for.
    """
    core = sides.core
    headers = {"Host": "127.0.0.1:5001", "Authorization": f"Bearer {core.folder.secret('token')}"}
    found: dict[str, list[float]] = {"ours": [], "raw": []}
    async with sides.viewers("ours", READERS) as ours, sides.viewers("raw", READERS) as raw:
        async with asking(sides.ports["ours"], headers) if pages else contextlib.nullcontext():
            marks, published = sides.marks(MARKS), {}
            for number, each in enumerate(marks):
                for side in found:
                    published[side, each] = time.perf_counter()
                    sides.change(side, number, each, sample)
                    await asyncio.sleep(0.03)
        for side, readers in (("ours", ours), ("raw", raw)):
            seen = await readers.seen()
            assert all(len(seen[each]) == READERS for each in marks), "a reader missed a change"
            found[side] = [at - published[side, each] for each in marks for at in seen[each]]
    return found["ours"], found["raw"]


ASKING = """
import http.client, json, sys, time
headers, due = json.loads(sys.argv[2]), time.monotonic()
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
while True:
    for path in ("/hello", "/", "/url_counts", "/introduction"):
        connection.request("GET", path, headers=headers)
        assert connection.getresponse().read().endswith(b"</html>")
        due = max(due + .05, time.monotonic() - .2)
        time.sleep(max(0, due - time.monotonic()))
"""


@contextlib.asynccontextmanager
async def asking(port: int, headers: dict[str, str]) -> AsyncIterator[None]:
    """20 whole pages a second meanwhile, asked for by a process of its own."""
    import json

    process = await asyncio.create_subprocess_exec(sys.executable, "-c", ASKING, str(port), json.dumps(headers))
    await asyncio.sleep(0.5)  # its start must not be measured
    assert process.returncode is None
    yield
    assert process.returncode is None, "the pages were not answered"
    process.kill()
    await process.wait()


class Stalls:
    """How long the loop was held up: what a sleep of 1 ms took longer, minus what other processes took."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._task = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        at, delay = time.perf_counter(), run_delay_s()
        while True:
            await asyncio.sleep(0.001)
            before, waited = at, delay
            at, delay = time.perf_counter(), run_delay_s()
            self.longest = max(self.longest, at - before - 0.001 - (delay - waited))

    def stop(self) -> float:
        """The longest, in seconds."""
        self._task.cancel()
        return self.longest


async def latency_rows(sides: Sides) -> list[Row]:
    """Figures 4 and 6."""
    sample = await sides.sample()
    await latencies(sides, sample, pages=True)
    ours: list[float] = []
    raw: list[float] = []
    busy: list[float] = []
    stalls = []
    for _ in range(ROUNDS):
        found = await latencies(sides, sample)
        ours += found[0]
        raw += found[1]
        watch = Stalls()
        busy += (await latencies(sides, sample, pages=True))[0]
        stalls.append(watch.stop())
    p50, p95, raw50, raw95 = p(ours, 50) * MS, p(ours, 95) * MS, p(raw, 50) * MS, p(raw, 95) * MS
    busy95 = p(busy, 95) * MS
    stall = statistics.median(stalls) * MS
    return [
        Row("4", f"flush to socket, {READERS} viewers, p50", f"{p50:.2f} ms", f"{raw50:.2f} ms raw", "", "raw + 0.5 ms", p50 <= raw50 + 0.5),
        Row("4", f"flush to socket, {READERS} viewers, p95", f"{p95:.2f} ms", f"{raw95:.2f} ms raw", "", "1.5 raw + 1 ms", p95 <= 1.5 * raw95 + 1),
        Row("6", "the same under 20 pages/s, p95", f"{busy95:.2f} ms", f"{p95:.2f} ms idle", "", "idle + 5 ms", busy95 <= p95 + 5),
        Row("6", "longest stall of the loop meanwhile", f"{stall:.1f} ms", "", "", "10 ms", stall <= 10),
    ]


def idle_rows() -> list[Row]:
    """Figure 5: a server process of its own with 1,000 idle streams."""
    count, port, seconds = 1_000, free_port(), 15
    with tempfile.TemporaryDirectory() as data:
        process = subprocess.Popen([sys.executable, "server.py", "--no-open", "--data", data, "--port", str(port)],
                                   cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while fetch(port, "/login") is None:
                time.sleep(0.05)
            token = (Path(data) / "token").read_text().strip()

            def stream() -> socket.socket:
                each = socket.create_connection(("127.0.0.1", port), timeout=30)
                each.sendall(f"GET /events/1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
                assert each.recv(100).startswith(b"HTTP/1.1 200")
                return each

            sockets = [stream()]  # what the first one brings in is not a matter of each
            before = rss_bytes(process.pid)
            sockets += [stream() for _ in range(count)]
            time.sleep(2)
            each_kb = (rss_bytes(process.pid) - before) / count / 1000
            cpu = process_cpu_s(process.pid)
            time.sleep(seconds)
            share = (process_cpu_s(process.pid) - cpu) / seconds * 100
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
    from treadle.web.serve import SWITCH_S

    async def measured() -> list[Row]:
        with tempfile.TemporaryDirectory() as data:
            async with Core.open(Settings(data=Path(data), ollama_host=NOBODY)) as core:
                raw, queues = Raw(), Queues()
                async with listening(create_app(core)) as ours, listening(raw) as port, listening(queues) as queue_port:
                    gc.freeze()  # as the product does
                    sides = Sides(core, ours, raw, port, queues, queue_port)
                    found = [*await delivery_rows(sides), *await latency_rows(sides)]
                    raw.close(), queues.close()
                return found

    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        return [*asyncio.run(measured()), *idle_rows()]
    finally:
        sys.setswitchinterval(usual)
