"""The stream of a conversation: plain ASGI, as a thousand of them may be open."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from starlette.routing import Route

from ...core import Core
from ...errors import NotFound
from ..delivery import Receive, Send, Stream, close_all, delivery
from ..slots import browser_of, new_browser, set_cookie
from ..viewport import viewports

HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"),
           (b"x-accel-buffering", b"no")]


class Events:
    """`GET /events/{conversation}?since=<cursor>&at=<endpoint>`; `Last-Event-ID` stands above `since`.

    Answers 404 for an unknown conversation and never 204, after which htmx would come back at once for ever.
    """

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        core: Core = scope["app"].state.core
        conversation = scope["path_params"]["conversation"]
        if conversation >= 2**63 or not core.conversations.exists(conversation):
            raise NotFound("This conversation does not exist any more.", hint="Open Treadle again from its first page.")
        headers = dict(scope["headers"])
        query = parse_qs(scope["query_string"].decode("latin-1"))
        resumes = headers.get(b"last-event-id", b"").decode("latin-1")
        site = headers.get(b"sec-fetch-site")
        port = core.settings.port
        browser = browser_of(headers.get(b"cookie", b""), port)
        answer = list(HEADERS)
        if site is not None and not browser:
            browser = new_browser()
            answer.append((b"set-cookie", set_cookie(browser, port).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": answer})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if site == b"same-origin" and not resumes and (at := query.get("at")):
            core.narrator.first_stream(conversation, at[-1])  # somebody looks at this page
        streams = delivery(core)
        viewport = viewports(core).of(conversation)
        stream = Stream(viewport, viewport.position(resumes or query.get("since", [""])[-1]), send, core)
        if site is None:
            await streams.serve(stream, receive)
        elif streams.slots.take(browser, stream, resumes=bool(resumes)):
            try:
                await streams.serve(stream, receive)
            finally:
                streams.slots.release(browser, stream)
        else:
            await stream.once()


events = Route("/events/{conversation:int}", Events(), methods=["GET"])
routes = [events]
close_streams = close_all
