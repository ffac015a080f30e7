"""Arriving through the menu."""

from dataclasses import dataclass
from urllib.parse import quote

from fasthtml.core import APIRouter
from starlette.responses import RedirectResponse

from ..deps import Web

ar = APIRouter()


@dataclass
class GoForm:
    """`to`: "chat" leads to the chat as a page of its own, for a browser without JavaScript, from the run `run`."""

    to: str = ""
    run: str = ""


@ar.post("/redirect/{endpoint}")
async def arrive(web: Web, endpoint: str, form: GoForm) -> RedirectResponse:
    """Note the arrival, then send the person to the place. A plain 303: htmx follows it and pushes its URL."""
    if web.fragment:
        web.core.narrator.arrive(web.conversation, endpoint)
    else:  # no stream brings the message, so it is there before the page is
        web.core.narrator.arrive_now(web.conversation, endpoint)
    path = "/" if endpoint == "home" else f"/{quote(endpoint)}"
    if form.to == "chat":
        path = f"/chat/{web.conversation}"
        if endpoint != "home":
            path += f"?at={quote(endpoint)}{f'&run={quote(form.run)}' if form.run else ''}"
        return RedirectResponse(path, status_code=303)
    return RedirectResponse(web.url(path), status_code=303)
