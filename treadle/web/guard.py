"""The outermost layer: who may ask, from where, and how much. Everything else is behind it.

Plain ASGI and cheap, as every request passes. It decides on raw headers and on `scope["path"]`, as the routes do.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from hmac import compare_digest
from typing import Any

from loguru import logger

from ..core import Core
from ..errors import TooLarge
from .problems import API
from .slots import naming

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

HOST = re.compile(rb"(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
SAFE = ("GET", "HEAD")
SINGLE = frozenset((b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"content-length",
                    b"authorization"))
FOREIGN = "Host is not ours"
FORM = re.compile(rb"application/x-www-form-urlencoded *(?:;.*)?", re.I | re.S)
JSON = re.compile(rb"application/json *(?:;.*)?", re.I | re.S)
PARTS = ("/runs/", "/files/", "/frame/", API)  # of pages, and for programs; no link elsewhere leads to them
TICKET_S = 300  # a slow computer may need minutes to start its browser

POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
          "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
HEADERS = [(name.encode(), value.encode()) for name, value in {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",  # no-referrer would turn the Origin of our own forms into null
    "cache-control": "no-store",
}.items()]


class Guard:
    """Wraps the app. `closing`: what ends open streams when the server stops; called on the loop by `close_streams`."""

    def __init__(self, app: Asgi, core: Core, uploads: Sequence[re.Pattern[str]] = ()) -> None:
        settings = core.settings
        self.app, self.clock = app, core.clock
        self.port = settings.port
        self.max_body = settings.max_body
        self.uploads = uploads
        self.closing: list[Callable[[], None]] = []
        self._needed = settings.token
        self._token = core.folder.secret("token").encode()
        self._command = core.folder.secret("cli.token").encode()  # of commands and programs
        self._cookie = f"treadle-{settings.port}".encode()
        self._hosts = {f"{name}:{settings.port}".encode() for name in ("127.0.0.1", "localhost", "[::1]")}
        if settings.port == 80:
            self._hosts |= {b"127.0.0.1", b"localhost", b"[::1]"}
        self._wide = not settings.loopback
        own = "[::1]" if settings.host == "::1" else "127.0.0.1"
        self._address = "" if self._wide else f"http://{own}:{settings.port}/"
        self._tickets: dict[bytes, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # no page of ours opens a WebSocket
            return
        static = scope["path"].startswith("/static/") and scope["method"] in SAFE
        send = _with_headers(send, static)
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in headers and name in SINGLE:
                await self._refuse(scope, receive, send, 400, f"{name.decode()} was sent twice")
                return
            headers[name] = headers[name] + b"; " + value if name == b"cookie" and name in headers else value
        if reason := self._foreign(scope, headers):
            await self._refuse(scope, receive, send, 403, reason)
            return
        bearer = self._bearer(headers)
        if reason := self._forged(scope, headers, static, bearer):
            await self._refuse(scope, receive, send, 403, reason)
            return
        if self._needed and not (static or bearer or scope["path"] == "/login" or self._signed_in(headers)):
            from .problems import unknown_program
            from .routes.login import unknown_browser

            if scope["path"].startswith(API):
                await unknown_program()(scope, receive, send)
                return
            await unknown_browser(scope, headers.get(b"sec-fetch-site", b""))(scope, receive, send)
            return
        if headers.get(b"sec-fetch-dest") == b"document":
            send = naming(send, headers.get(b"cookie", b""), self.port)
        safe = scope["method"] in SAFE
        upload = not safe and any(path.fullmatch(scope["path"]) for path in self.uploads)
        kind = JSON if scope["path"].startswith(API) else FORM
        if not safe and not upload and b"content-type" in headers and not kind.fullmatch(headers[b"content-type"]):
            await self._refuse(scope, receive, send, 415, "the body is no form")  # what reads uploads reads all kinds
            return
        limit = None if upload else self.max_body
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 15 or (limit is not None and int(length) > limit):
            await self._too_large(scope, receive, send)
            return
        await self.app(scope, receive if limit is None else _counted(receive, limit), send)

    def _foreign(self, scope: Scope, headers: dict[bytes, bytes]) -> str:
        """Why the Host is none of ours, or "". A name from DNS is never ours, so rebinding one to us gives nothing."""
        host = headers.get(b"host", b"")
        if not scope["path"].startswith("/"):
            return "the address is not a path"
        if host in self._hosts:
            return ""
        if self._wide and HOST.fullmatch(host) and (server := scope.get("server")):
            address = f"[{server[0]}]" if ":" in server[0] else server[0]  # where this connection arrived
            if host == f"{address}:{self.port}".encode() or (self.port == 80 and host == address.encode()):
                return ""
        return FOREIGN

    def _forged(self, scope: Scope, headers: dict[bytes, bytes], static: bool, bearer: bool) -> str:
        """Why a page that is not ours seems to ask, or ""."""
        origin = headers.get(b"origin")
        site = headers.get(b"sec-fetch-site")
        own = origin == b"http://" + headers[b"host"]
        if origin is not None and not own and not (static and origin == b"null"):  # a frame of ours has no origin
            return "Origin is not ours"
        safe = scope["method"] in SAFE
        if static:
            return ""
        acts = not safe or scope["path"].startswith("/events/")
        if site in (b"same-origin", b"none"):
            return ""
        if site is not None:
            followed = (headers.get(b"sec-fetch-mode") == b"navigate" and headers.get(b"sec-fetch-dest") == b"document"
                        and not scope["path"].startswith(PARTS))
            return "" if followed and not acts else "Sec-Fetch-Site is not ours"
        if own or bearer or not acts:
            return ""
        if self._wide and safe and b"hx-request" in headers and headers[b"host"] not in self._hosts:
            return ""  # over plain HTTP a browser sends no Sec-Fetch-Site; a page elsewhere cannot send this header
        return "neither Origin nor Sec-Fetch-Site"

    def _bearer(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and any(  # both are compared: how long it takes says nothing
            [compare_digest(given.strip(), token) for token in (self._command, self._token)])

    def _signed_in(self, headers: dict[bytes, bytes]) -> bool:
        for pair in headers.get(b"cookie", b"").split(b";"):
            name, _, value = pair.partition(b"=")
            if name.strip() == self._cookie and compare_digest(value.strip(), self._token):
                return True
        return False

    def ticket(self) -> str:
        """A token for one sign-in within five minutes: for a browser's command line, which every user here can read."""
        ticket = secrets.token_urlsafe(16)
        self._tickets[ticket.encode()] = self.clock.monotonic() + TICKET_S
        return ticket

    def accepts(self, token: str) -> bool:
        """Whether `token` is ours, or a ticket, which is spent by asking."""
        given = token.strip().encode()
        if compare_digest(given, self._token):
            return True
        return self._tickets.pop(given, 0.0) > self.clock.monotonic()

    def cookie(self) -> str:
        """The Set-Cookie header that signs a browser in. Named after the port: cookies are shared between ports."""
        return (f"{self._cookie.decode()}={self._token.decode()}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict")

    def close_streams(self) -> None:
        """End every open stream: the server stops."""
        for close in self.closing:
            close()

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
        from .problems import refused

        logger.warning("refused {} {}: {}", scope["method"], ascii(scope["path"][:80]), reason)
        program = scope["path"].startswith(API)
        await refused(status, self._address, foreign=reason == FOREIGN, program=program)(scope, receive, send)

    async def _too_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        from .problems import too_large

        await too_large(scope, self.max_body)(scope, receive, send)


def _with_headers(send: Send, static: bool) -> Send:
    """Add the headers of every answer. What the app set itself stays, as a file's own policy is the stricter one."""
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.setdefault("headers", [])
            if not isinstance(headers, list):
                headers = message["headers"] = list(headers)
            present = {name for name, _ in headers}
            if static:  # a sandboxed frame has no origin and must still load our scripts
                headers.append((b"cross-origin-resource-policy", b"cross-origin"))
                present.add(b"cross-origin-resource-policy")
            headers.extend([header for header in HEADERS if header[0] not in present])
        await send(message)

    return sending


def _counted(receive: Receive, limit: int) -> Receive:
    """`receive` that raises `TooLarge` once the body is over `limit` bytes."""
    seen = 0

    async def receiving() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise TooLarge(f"That is over the limit of {limit // 1_000_000 or 1} MB.", hint="Send less at once.")
        return message

    return receiving
