"""Arriving through the menu."""

from __future__ import annotations

from fasthtml.core import APIRouter
from starlette.responses import RedirectResponse

from ..deps import Web

ar = APIRouter()


@ar.post("/redirect/{endpoint}")
async def arrive(web: Web, endpoint: str) -> RedirectResponse:
    """Note the arrival, then send the person to the place. A plain 303: htmx follows it and pushes its URL."""
    if web.fragment:
        web.core.narrator.arrive(web.conversation, endpoint)
    else:  # without JavaScript no stream brings the message, so it is there before the page is
        web.core.narrator.arrive_now(web.conversation, endpoint)
    return RedirectResponse(web.url("/" if endpoint == "home" else f"/{endpoint}"), status_code=303)
