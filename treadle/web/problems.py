"""What went wrong, as an answer: a page that helps, or a notice inside the open one; never a traceback.

A failure of ours carries a short reference that finds its line in the log. What a person asked for and cannot have
(4xx) is no failure and is not logged.
"""

from __future__ import annotations

import difflib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import Any

from loguru import logger
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from ..core import Core
from ..errors import InvalidAnswer, NotFound, PluginError, Refused, TreadleError
from ..text import storable
from .components.icons import icon
from .deps import Web

API = "/api/"  # what stands below it is for programs, which are told as JSON
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that are read as another
NAMES = {400: "Not understood", 404: "No such page", 405: "Not possible here", 409: "Changed meanwhile",
         413: "Too large", 422: "Not accepted", 507: "The disk is full"}


def handlers() -> dict[Any, Callable[[Request, Exception], Awaitable[Response]]]:
    """The exception handlers of the app. `Unexpected` takes the rest. Plain functions would run in a thread."""
    return {404: _http, HTTPException: _http, TreadleError: _ours}


class Unexpected:
    """Middleware that answers an exception nobody expected. Starlette's own would answer it and raise it again."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        started = False

        async def sending(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            if started:
                raise  # half an answer is on its way; the server logs it and cuts the connection
            await _unknown(Request(scope, receive), error)(scope, receive, send)


def reference() -> str:
    """A short name for one failure, such as k3f9-22."""
    return "".join(secrets.choice(LETTERS) for _ in range(4)) + f"-{secrets.randbelow(90) + 10}"


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return await _ours(request, NotFound(""))
    sentence = {405: "This address does not take that kind of request.",
                413: "That is over the limit."}.get(error.status_code, "The request could not be read.")
    return _draw(request, error.status_code, sentence, "")


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, TreadleError)
    if request.scope["path"].startswith(API):
        if isinstance(error, PluginError):
            return _as_json(error.status, error.message, error.hint, file=error.file, line=error.line)
        if isinstance(error, Refused) and error.message:
            return _as_json(error.status, error.message, error.hint, getattr(error, "fields", None))
    if isinstance(error, NotFound):
        return _not_found(request, error)
    facts = ""
    if not isinstance(error, Refused):
        name = reference()
        logger.opt(exception=error).error("{} {} {} failed", name, request.method, ascii(request.scope["path"][:80]))
        facts = _facts(name)
    field = f' data-field="{escape(error.field)}"' if isinstance(error, InvalidAnswer) else ""
    return _draw(request, error.status, error.message, error.hint, facts, field)


def _unknown(request: Request, error: Exception) -> Response:
    if isinstance(error, ClientDisconnect):
        return Response(status_code=400)  # nobody reads it
    name = reference()
    logger.opt(exception=error).error("{} {} {} failed", name, request.method, ascii(request.scope["path"][:80]))
    return _draw(request, 500, "This page could not be drawn.", "Nothing that was saved is lost.", _facts(name))


def _facts(name: str) -> str:
    return f'<dl class="facts"><dt>Reference</dt><dd>{name}, {time.strftime("%H:%M")}</dd></dl>'


def _not_found(request: Request, error: NotFound) -> Response:
    path = request.scope["path"]
    heading = error.message or f"There is no page at {path[:80]}"
    core: Core = request.app.state.core
    nearest = _nearest(core, path)
    hint = error.hint or ("The nearest names are below. The menu at the top left lists them all." if nearest
                          else "All pages are below.")
    all_pages = [("Home", "/"), *((place.title, f"/{place.endpoint}") for place in core.plugins.all())]
    web = _web(request)
    rows = "".join(f'<li><div><a class="nm" href="{escape(web.url(link))}">{escape(title)}</a>'
                   f'<p class="sub">{escape(link)}</p></div><div class="end">{icon("chevron-right")}</div></li>'
                   for title, link in nearest or all_pages)
    return _draw(request, 404, heading, hint, f'<ul class="rows">{rows}</ul>')


def _nearest(core: Core, path: str) -> list[tuple[str, str]]:
    """Up to three pages with a name like the path's: by the name in the address, or by the title."""
    wanted = path.strip("/").split("/")[0].lower()
    links = {name.lower(): (place.title, f"/{place.endpoint}") for place in core.plugins.all()
             for name in (place.title, place.endpoint)}
    found = [links[name] for name in difflib.get_close_matches(wanted, list(links), n=6, cutoff=0.5)]
    return list(dict.fromkeys(found))[:3]


def _web(request: Request) -> Web:
    """The request as a page sees it; in the first conversation where the one asked for is what was not found."""
    try:
        return Web.of(request)
    except NotFound:
        return Web.of(request, first=True)


def _draw(request: Request, status: int, message: str, hint: str, more: str = "", field: str = "") -> Response:
    """A page in the shell; for htmx a fragment, or a notice on top where the page itself was not asked for."""
    if request.scope["path"].startswith(API):
        return _as_json(status, message or "There is no such address.", hint)
    from .layout import page, plain_page

    title = NAMES.get(status, "Something failed")
    try:
        web = _web(request)
        if web.fragment and not request.headers.get("hx-target", "main#main").endswith("#main"):
            red = " bad" if status >= 500 else ""
            sentence = f"<p>{escape(message)} {escape(hint)}</p>"
            return HTMLResponse(f'<div class="notice{red}" role="alert"{field}>{sentence}{more}</div>', status,
                                {"HX-Retarget": "#main", "HX-Reswap": "afterbegin"})
        body = _safe(_head(message.rstrip("."), hint) + more)
        return page(web, title=title, body=body, endpoint="", status=status)
    except Exception as error:  # noqa: BLE001 - the shell itself may be what fails; then the page stands alone
        logger.opt(exception=error).error("the shell could not be drawn")
        return plain_page(title=title, body=_safe(_plain(message.rstrip("."), hint) + more), status=status)


def _head(heading: str, text: str) -> str:
    return ('<div class="head"><div class="row"><div>'
            f'<h1 tabindex="-1" autofocus>{escape(heading)}</h1><p>{escape(text)}</p></div></div></div>')


def _plain(heading: str, text: str) -> str:
    return f"<h1>{escape(heading)}</h1><p>{escape(text)}</p>"


def _safe(html: str) -> Any:
    from fasthtml.core import NotStr

    return NotStr(html)


class Json(JSONResponse):
    """An answer for programs. Half a character, which a run from a file may hold, is another sign."""

    def render(self, content: Any) -> bytes:
        return storable(json.dumps(content, ensure_ascii=False, allow_nan=False)).encode()


def _as_json(status: int, error: str, hint: str, fields: Mapping[str, str] | None = None, **at: str | int) -> Response:
    """What a program is told: the sentence, what to do next, of a form the sentence by each bad field, and `at` which
    file and line an author has to look."""
    return Json({"error": error, "hint": hint, "fields": dict(fields or {}), **at}, status)


def unknown_program() -> Response:
    """The guard's answer to a program without the token."""
    return _as_json(401, "This needs the token.", "Send it as Authorization: Bearer; it is in data/cli.token.")


def refused(status: int, address: str, *, foreign: bool, program: bool = False) -> Response:
    """The guard's answer to a request that is not ours: no shell, no names. `address`: our own, or "".

    `foreign`: it came by a name that is not ours, by which the styles would be refused too.
    """
    if program:
        return _as_json(status, "This request was refused.", "" if status == 403 and foreign else
                        "Send the token as Authorization: Bearer, and JSON as application/json.")
    from .layout import plain_page

    where = f'<a class="btn line" href="{escape(address)}">Open Treadle</a>' if address else ""
    body = _plain("This request was refused",
                  "It came from another site. Open Treadle from its own address and try again.") + where
    if foreign:
        return HTMLResponse(f'<!doctype html><html lang="en"><title>Refused · Treadle</title>{body}</html>', status)
    return plain_page(title="Refused", status=status, body=_safe(body))


def too_large(scope: Any, limit: int) -> Response:
    """The guard's answer to a body that is announced as too large."""
    return PlainTextResponse(f"That is over the limit of {limit // 1_000_000 or 1} MB. Send less at once.", 413)
