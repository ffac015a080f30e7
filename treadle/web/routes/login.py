"""`/login`: the token for a cookie. The only page, with the assets, that answers a browser nobody knows."""

from __future__ import annotations

import asyncio
from html import escape
from typing import Any

from fasthtml.core import NotStr
from loguru import logger
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ...core import Core
from ..components.icons import icon
from ..layout import plain_page

SLOW_S = 0.5  # after a wrong token; doubled with each further one
SLOWEST_S = 8.0


class Door:
    """Pasted tokens, one at a time, slower after each wrong one."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.wrong = 0

    async def tries(self, request: Request, token: str) -> bool:
        core: Core = request.app.state.core
        async with self.turn:
            if self.wrong:
                await core.clock.sleep(min(SLOW_S * 2 ** (self.wrong - 1), SLOWEST_S))
            right: bool = request.app.state.guard.accepts(token)
            self.wrong = 0 if right else min(self.wrong + 1, 10)
            return right


async def by_link(request: Request) -> Response:
    """`GET /login?token=`: 200 with the cookie and a page that goes on by itself.

    Not a redirect: after one that began on another site a browser would not send the new cookie.
    """
    token = request.query_params.get("token", "")
    if not token:
        return _page(200)
    if not request.app.state.guard.accepts(token):
        logger.warning("a sign-in with a wrong token was refused")
        return _page(401, wrong=True)
    body = ("<h1>This browser is signed in</h1><p>Treadle opens by itself in a moment.</p>"
            '<a class="btn solid" href="/">Open Treadle</a>')
    response = plain_page(title="Signed in", body=NotStr(body), status=200, refresh="/")
    response.headers["set-cookie"] = request.app.state.guard.cookie()
    return response


async def by_hand(request: Request) -> Response:
    """`POST /login`: a pasted token, or the whole link; 303 to the first page with the cookie, or the form with 401."""
    form = await request.form()
    pasted = str(form.get("token", "")).strip().rpartition("token=")[2]
    if not await request.app.state.door.tries(request, pasted):
        logger.warning("a sign-in with a wrong token was refused")
        return _page(401, wrong=True)
    return RedirectResponse("/", 303, headers={"set-cookie": request.app.state.guard.cookie()})


def unknown_browser(scope: Any, site: bytes) -> Response:
    """The answer to a browser without the cookie: where the link is, a form, and no names of anything."""
    response = _page(401)
    if site in (b"cross-site", b"same-site") and scope["method"] == "GET":
        # A link on another site: the browser keeps the cookie back this once. Asked again by our own page, it sends it.
        response.headers["refresh"] = "0"
    return response


def _page(status: int, *, wrong: bool = False) -> Response:
    error = ""
    attributes = ""
    if wrong:
        sentence = escape("This token belongs to another Treadle. Take the newest link from the terminal.")
        attributes = ' aria-invalid="true" aria-describedby="token-error"'
        error = f'<p class="err" id="token-error">{icon("circle-alert", small=True)}<span>{sentence}</span></p>'
    return plain_page(title="Open Treadle", status=status, body=NotStr(
        "<h1>Open Treadle with its link</h1>"
        "<p>The link is printed in the terminal where Treadle was started. This browser has not used it yet.</p>"
        '<form class="login" method="post" action="/login"><div class="field">'
        '<label class="label" for="token">Or paste the token</label>'
        f'<input class="input" id="token" name="token" type="password" autocomplete="off"{attributes}>{error}</div>'
        '<button class="btn solid">Open</button></form>'))


routes = [Route("/login", by_link, methods=["GET"]), Route("/login", by_hand, methods=["POST"])]
