"""V: a raw viewer of a stream. It records every frame with its time, and can be cut, resume, read slowly or never."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from tests.harness import same_origin, until
from tests.partials import Page

CONNECT = re.compile(r'hx-sse-connect="([^"]+)"')


@dataclass(frozen=True)
class Frame:
    """One SSE block as it came. `at`: monotonic seconds; `size`: its bytes."""

    at: float
    id: str | None
    data: str | None
    retry: int | None
    size: int
    comment: bool = False


@dataclass
class Viewer:
    """A page somebody looks at, without a browser: the page's HTML is `page`, kept up to date by the stream.

    `cookies` and `address` as of `harness.Server`. Without `load` it has no page and starts where `url` says.
    """

    address: str
    cookies: dict[str, str] = field(default_factory=dict)
    url: str = "/events/1"
    page: Page | None = None
    browser: bool = True          # sends Sec-Fetch-Site; False: like a program, with `headers` for its token
    headers: dict[str, str] = field(default_factory=dict)
    buffer: int | None = None     # SO_RCVBUF in bytes, for viewers that are to be stuck soon
    frames: list[Frame] = field(default_factory=list)
    last_id: str = ""
    status: int = 0
    answer: dict[str, str] = field(default_factory=dict)
    connections: int = 0
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None
    _task: asyncio.Task[None] | None = None
    _may_read: asyncio.Event = field(default_factory=asyncio.Event)
    pace: float = 0.0             # seconds of rest after each piece read

    async def load(self, path: str = "/") -> Viewer:
        """GET a page, take over its rows and the address of its stream."""
        status, _, body = await self.request("GET", path, headers={"Sec-Fetch-Mode": "navigate",
                                                                   "Sec-Fetch-Dest": "document", "Accept": "text/html"})
        assert status == 200, (status, body[:300])
        text = body.decode()
        found = CONNECT.search(text)
        assert found, "the page has no stream"
        self.url = unescape(found[1])
        self.page = Page(text[text.index("<body"):text.rindex("</body>") + 7])
        self.last_id = ""
        return self

    async def open(self) -> Viewer:
        """Connect, resuming where there is an id, and read in the background. Returns when the headers are there."""
        head = {**self._head(), "Accept": "text/html, text/event-stream", "HX-Request": "true"}
        if self.last_id:
            head["Last-Event-ID"] = self.last_id
        self._reader, self._writer = await self._connect()
        self._writer.write(_request("GET", self.url, head))
        self.status, self.answer = await _headers(self._reader)
        self.connections += 1
        self._take_cookie()
        self._may_read.set()
        self._task = asyncio.create_task(self._read())
        return self

    async def cut(self) -> None:
        """The connection breaks, without a goodbye. What has arrived is kept."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._writer is not None:
            self._writer.transport.abort()
        self._task = self._writer = self._reader = None

    async def resume(self) -> Viewer:
        """Cut if need be, and come back with the last id."""
        await self.cut()
        return await self.open()

    async def follow(self, *, delay: float = 0.3) -> None:
        """Stay connected as htmx does: come back `delay` seconds after each end, until cancelled."""
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                if self._task is None:
                    await self.open()
                assert self._task is not None
                await asyncio.wait([self._task])
            hint = next((frame.retry for frame in reversed(self.frames) if frame.retry is not None), None)
            await self.cut()
            await asyncio.sleep(delay if hint is None else hint / 1000)

    async def look(self, seconds: float) -> None:
        """Go on looking for so many real seconds: the rhythm of a person or of a bad line, which no clock can move."""
        await asyncio.sleep(seconds)

    def stop_reading(self) -> None:
        """Take nothing more from the socket."""
        self._may_read.clear()

    def go_on_reading(self) -> None:
        self._may_read.set()

    @property
    def ended(self) -> bool:
        """Whether the response is over."""
        return self._task is None or self._task.done()

    @property
    def messages(self) -> list[str]:
        """The data of all messages so far."""
        return [frame.data for frame in self.frames if frame.data]

    @property
    def ids(self) -> list[int]:
        """The revs of all ids so far."""
        return [int(frame.id.rpartition("-")[2]) for frame in self.frames if frame.id]

    def text(self, id: str) -> str:
        """The textContent of an element of the page, "" where there is none."""
        node = self.page.find(id) if self.page else None
        return node.text if node else ""

    @property
    def rows(self) -> list[str]:
        """The ids of the rows of the log, in order."""
        assert self.page is not None
        return [child.attrs.get("id", "") for child in self.page["log-items"].children if not isinstance(child, str)]

    async def request(self, method: str, path: str, *, data: dict[str, str] | None = None,
                      headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """One request of this browser on a connection of its own: status, headers, body."""
        from urllib.parse import urlencode

        body = urlencode(data or {}).encode()
        head = {**self._head(), **(headers or {}), "Connection": "close"}
        if method == "POST":
            head |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
        reader, writer = await self._connect(small=False)
        try:
            writer.write(_request(method, path, head) + body)
            status, answer = await _headers(reader)
            got = await reader.read() if answer.get("transfer-encoding") != "chunked" else await _chunks(reader)
        finally:
            writer.transport.abort()
        self._keep_cookie(answer)
        return status, answer, got

    async def post(self, path: str, **data: str) -> int:
        """POST a form as htmx does; the status."""
        return (await self.request("POST", path, data=data, headers={"HX-Request": "true"}))[0]

    async def until(self, condition: Any, *, within: float = 5) -> None:
        """Wait until `condition(self)` holds."""
        await until(lambda: condition(self), within=within)

    def _head(self) -> dict[str, str]:
        head = {"Host": self.address.removeprefix("http://"), **self.headers}
        if self.browser:
            head |= same_origin(self.address)
        if self.cookies:
            head["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return head

    async def _connect(self, *, small: bool = True) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.address.removeprefix("http://").rsplit(":", 1)
        sock = socket.socket()
        if small and self.buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
        except BaseException:
            sock.close()
            raise
        limit = 2**16 if not small or self.buffer is None else self.buffer
        return await asyncio.open_connection(sock=sock, limit=limit)

    def _take_cookie(self) -> None:
        self._keep_cookie(self.answer)

    def _keep_cookie(self, answer: dict[str, str]) -> None:
        if "set-cookie" in answer:
            name, _, value = answer["set-cookie"].split(";")[0].partition("=")
            self.cookies[name] = value

    async def _read(self) -> None:
        assert self._reader is not None
        reader, buffer = self._reader, b""
        chunked = self.answer.get("transfer-encoding") == "chunked"
        while True:
            await self._may_read.wait()
            try:
                part = await (_chunk(reader) if chunked else reader.read(65536))
            except (asyncio.IncompleteReadError, OSError):
                return  # broken off
            if not part:
                return
            buffer += part
            while b"\n\n" in buffer:
                block, buffer = buffer.split(b"\n\n", 1)
                self._block(block)
            if self.pace:
                await asyncio.sleep(self.pace)

    def _block(self, block: bytes) -> None:
        assert b"\r" not in block, "LF only"
        id = data = retry = None
        for line in block.decode().split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                id = value
            elif name == "data":
                data = value if data is None else f"{data}\n{value}"
            elif name == "retry":
                retry = int(value)
            else:
                assert line.startswith(":"), f"a field htmx does not know: {line!r}"
        self.frames.append(Frame(time.monotonic(), id, data, retry, len(block) + 2, comment=block.startswith(b":")))
        if id is not None:
            self.last_id = id
        if data and self.page is not None:
            self.page.apply(data)


def _request(method: str, path: str, head: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    return "\r\n".join(lines).encode()


async def _headers(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in head[1:] if line)
    return int(head[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    """One chunk of a chunked body, b"" at its end."""
    size = int(await reader.readline() or b"0", 16)
    data = await reader.readexactly(size)
    await reader.readline()
    return data


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while part := await _chunk(reader):
        parts.append(part)
    return b"".join(parts)
