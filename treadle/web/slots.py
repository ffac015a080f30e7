"""How many streams a browser may hold: fewer than its connections, so that pages and posts always get through.

Browsers open six connections to a host. A new page takes a slot and ends the oldest stream; a stream that comes back
takes a free slot, or is given what is new and comes back again.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

STREAMS_PER_BROWSER = 4  # of six connections; two stay free for pages and posts
NAME = re.compile(r"[A-Za-z0-9_-]{22}")


class Ending(Protocol):
    """A stream that can be told to end."""

    def end(self) -> None: ...


class Slots:
    """The streams each browser holds, the oldest first."""

    def __init__(self, limit: int = STREAMS_PER_BROWSER) -> None:
        self._limit = limit
        self._held: dict[str, list[Ending]] = {}

    def take(self, browser: str, stream: Ending, *, resumes: bool) -> bool:
        """Give `stream` a slot. False where it `resumes` and none is free; a new page always gets one."""
        held = self._held.setdefault(browser, [])
        if len(held) >= self._limit:
            if resumes:
                return False
            held.pop(0).end()
        held.append(stream)
        return True

    def release(self, browser: str, stream: Ending) -> None:
        """The stream has ended; one that lost its slot before holds none."""
        held = self._held.get(browser, [])
        if stream in held:
            held.remove(stream)
        if not held:
            self._held.pop(browser, None)

    def held(self, browser: str) -> int:
        """How many streams it holds."""
        return len(self._held.get(browser, ()))


def cookie_name(port: int) -> str:
    """Cookies are shared between ports, so the name has ours."""
    return f"treadle-browser-{port}"


def new_browser() -> str:
    """A name for a browser: random, and nothing but a name."""
    return secrets.token_urlsafe(16)


def browser_of(cookies: bytes, port: int) -> str:
    """The browser a Cookie header names, or ""."""
    wanted = cookie_name(port)
    for pair in cookies.decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == wanted and NAME.fullmatch(value):
            return value
    return ""


def naming(send: Send, cookies: bytes, port: int) -> Send:
    """`send` that gives a browser without a name one, together with the page it was given."""
    if browser_of(cookies, port):
        return send

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            cookie = (b"set-cookie", set_cookie(new_browser(), port).encode())
            message["headers"] = [*message.get("headers", ()), cookie]
        await send(message)

    return sending


def set_cookie(browser: str, port: int) -> str:
    """The Set-Cookie header that names a browser."""
    return f"{cookie_name(port)}={browser}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict"
