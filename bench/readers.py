"""Viewers in a process of their own: `python -m bench.readers port count path [header ...]`.

It prints "ready" when every socket has been given something, and when its input ends, one line of JSON: for each mark
(`mark-<number>.`) the moments at which the sockets had it, in seconds of the clock all processes share.
"""

from __future__ import annotations

import asyncio
import json
import re
import selectors
import socket
import sys
import time
from pathlib import Path
from typing import Any

MARK = re.compile(rb"mark-\d+\.")


def main(port: int, count: int, path: str, *headers: str) -> None:
    """Read until the input ends."""
    waiting = selectors.DefaultSelector()
    waiting.register(sys.stdin, selectors.EVENT_READ)
    ask = "\r\n".join([f"GET {path} HTTP/1.1", *headers, "", ""]).encode()
    rest: dict[int, bytes] = {}
    silent = set()
    for _ in range(count):
        each = socket.create_connection(("127.0.0.1", port))
        each.sendall(ask)
        waiting.register(each, selectors.EVENT_READ)
        rest[each.fileno()] = b""
        silent.add(each.fileno())
    seen: dict[str, list[float]] = {}
    while True:
        for key, _ in waiting.select():
            if key.fileobj is sys.stdin:
                print(json.dumps(seen), flush=True)
                return
            data = key.fileobj.recv(65_536)  # type: ignore[union-attr]
            at = time.perf_counter()
            if not data:
                waiting.unregister(key.fileobj)
                continue
            text = rest[key.fd] + data
            end = 0
            for mark in MARK.finditer(text):
                seen.setdefault(mark[0].decode(), []).append(at)
                end = mark.end()
            rest[key.fd] = text[max(end, len(text) - 40):]  # a mark may have come in two parts
            if b"\r\n\r\n" in text and silent:
                silent.discard(key.fd)
                if not silent:
                    print("ready", flush=True)


class Readers:
    """That process. `async with`; leaving closes its sockets."""

    def __init__(self, port: int, path: str, headers: list[str], count: int) -> None:
        self._arguments = [str(port), str(count), path, *headers]

    async def __aenter__(self) -> Readers:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.readers", *self._arguments, cwd=Path(__file__).resolve().parent.parent,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=10_000_000)
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == b"ready\n"
        return self

    async def seen(self) -> dict[str, list[float]]:
        """What they saw, and the end of them."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        found: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return found

    async def __aexit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
