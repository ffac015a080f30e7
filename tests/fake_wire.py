"""HTTP/1.1 by hand for the fake Ollama: every byte, every closing, and a client that has gone is noticed at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}


class Gone(Exception):
    """The client has closed the connection."""


@dataclass
class Request:
    """What a client asked for. The times are of time.monotonic(); `client_gone` is None while it is there."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float = field(default_factory=time.monotonic)
    sent: int = 0                     # tokens
    client_gone: float | None = None
    ended: float | None = None


class Connection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._watch: asyncio.Task[bytes] | None = None

    async def request(self) -> Request | None:
        """The next request, or None when the client has ended."""
        try:
            head = (await self._read_first() + await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, OSError):
            return None
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        raw = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Request(method, path.partition("?")[0], headers, json.loads(raw) if raw else {})

    async def _read_first(self) -> bytes:
        if self._watch is None:
            return b""
        first, self._watch = await self._watch, None  # the byte the watch took, of a request on the same connection
        return first

    async def send(self, status: int, body: bytes, *, kind: str) -> None:
        """A whole answer."""
        await self.raw(self._head(status, kind, f"Content-Length: {len(body)}") + body, framed=False)

    async def json(self, status: int, data: Any) -> None:
        """A whole answer as JSON."""
        await self.send(status, encode(data), kind="application/json; charset=utf-8")

    async def begin(self) -> None:
        """The head of a streamed answer."""
        await self.raw(self._head(200, "application/x-ndjson", "Transfer-Encoding: chunked"), framed=False)

    async def line(self, data: Any) -> None:
        """One line of a streamed answer."""
        await self.raw(encode(data) + b"\n")

    async def raw(self, data: bytes, *, framed: bool = True) -> None:
        """Bytes of a streamed answer. Raises `Gone`."""
        if self._gone():
            raise Gone
        self._writer.write(b"%x\r\n%s\r\n" % (len(data), data) if framed else data)
        try:
            await self._writer.drain()
        except OSError:
            raise Gone from None

    async def end(self) -> None:
        """The regular end of a streamed answer; the connection may be used again."""
        await self.raw(b"0\r\n\r\n", framed=False)

    async def cut(self) -> None:
        """Close in the middle, after what was sent has gone out."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def pause(self, seconds: float) -> None:
        """Wait, but not for a client that goes meanwhile. Raises `Gone`."""
        if seconds > 0.0005:
            await asyncio.wait([self._watching()], timeout=seconds)
        else:
            await asyncio.sleep(0)
        if self._gone():
            raise Gone

    def _watching(self) -> asyncio.Task[bytes]:
        if self._watch is None:
            self._watch = asyncio.ensure_future(self._reader.read(1))
        return self._watch

    def _gone(self) -> bool:
        watch = self._watching()
        return watch.done() and (watch.exception() is not None or watch.result() == b"")

    def abort(self) -> None:
        """Close at once."""
        if self._watch is not None:
            self._watch.cancel()
        self._writer.transport.abort()

    @staticmethod
    def _head(status: int, kind: str, length: str) -> bytes:
        return (f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\nContent-Type: {kind}\r\n{length}\r\n"
                "Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n\r\n").encode()


def encode(data: Any) -> bytes:
    """JSON as Go writes it: UTF-8 with U+0085 raw, but < > & and U+2028 escaped."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode(errors="backslashreplace")  # a lone half of a surrogate pair becomes its escape
