"""Every page: the whole shell for a browser that comes, the inside of #main for a page that is open."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from fasthtml.common import to_xml
from starlette.responses import HTMLResponse, Response

from .components import shell
from .components.bell import Bell, Ended
from .components.chat import Composer, Earlier
from .components.icons import GLYPH
from .components.model import AddressForm, Condition, ModelPicker
from .job_rows import job_counts
from .viewport import PAGE, viewport_of

if TYPE_CHECKING:
    from .deps import Web

REFRESH = '<noscript><meta http-equiv="refresh" content="2"></noscript>'
PAGES = {"docs": "Documentation", "runs": "Runs", "model": "Model", "jobs": "Background jobs",
         "": "No such page"}  # what is no place: it narrates nothing


def draw(*parts: Any) -> str:
    """FT, safe strings, None and tuples of them as HTML without white space between."""
    return to_xml(parts, indent=False)


async def prepare(web: Web) -> None:
    """Render off the loop what the log of a whole page will need. Await it before `page`; without it the page is the
    same and may take longer."""
    if not web.fragment:
        await viewport_of(web).prepare()


def title_tag(title: str) -> str:
    """The title of the tab; in a fragment htmx takes it from there."""
    return f"<title>{escape(title)} · Treadle</title>"


def page(web: Web, *, title: str, body: Any, endpoint: str = "home", run: str = "", status: int = 200,
         follow: bool = False, waits: bool = False) -> Response:
    """Answer with a page. `body` goes into the column of #main and begins with its head (an h1).

    `endpoint`: the place it belongs to, "docs", or "" for none. A fragment brings along what outside #main names the
    place. `follow`: the page is what a GET of its place gives, and is drawn again when the plugin was saved. `waits`:
    for a job, and asks nothing: without a script it fetches itself again. Draws without awaiting: the cursor of the
    stream is read before the state.
    """
    inside = f'<div class="wrap" id="page">{draw(body)}{shell.follows(endpoint) if follow else ""}</div>'
    place = web.core.plugins.get(endpoint) if endpoint not in PAGES else None
    name = place.title if place else PAGES.get(endpoint, title)
    ask = "Ask about your runs" if endpoint == "runs" else (
        "Ask about Treadle" if endpoint in ("home", *PAGES) else f"Ask about {name}")
    tab = place.kind.capitalize() if place else "Page"
    chat = web.url("")
    menu = shell.menu(shell.places_of(web.core.plugins.all()), endpoint, chat)
    head = title_tag(title)
    if web.fragment:
        return HTMLResponse(
            f'{head}{inside}'
            f'<hx-partial hx-target="#place" hx-swap="outerHTML settle:0">{shell.place_label(name, ask)}</hx-partial>'
            f'<hx-partial hx-target="#tab" hx-swap="outerHTML settle:0">{shell.tab_label(tab)}</hx-partial>'
            f'<hx-partial hx-target="#menu" hx-swap="innerMorph settle:0">{menu}</hx-partial>', status)
    conversation, conversations = web.conversation, web.core.conversations
    cursor, rows = viewport_of(web).page_rows(web.rev)  # what is in #main may be as old as the request
    model = web.core.llm.status
    pane = shell.chat_pane(
        model=f"{ModelPicker(model)}{AddressForm(model.host)}", condition=str(Condition(model)), log=rows, place=name,
        earlier=str(Earlier(conversation, conversations.oldest(conversation, shown=PAGE))),
        composer=str(Composer(conversation, ask, conversations.active(conversation))),
        endpoint=endpoint if place else "home", run=run, chat=chat)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head>{shell.head()}{head}{REFRESH if waits else ""}</head><body>'
        f'<a class="skip" href="#main">Skip to the page</a><div class="app">'
        f'{shell.top_bar(name, ask, menu, chat, Bell(*job_counts(web.core)))}'
        f'<div class="panes"><main class="main" id="main" tabindex="-1" hx-history-elt>{inside}</main>{pane}</div>'
        f"{shell.tabs(tab)}</div>{shell.live(conversation, cursor, endpoint if place else '')}"
        f"{Ended(web.rev, (), web.url)}"
        f"{shell.words(conversation)}</body></html>", status)


def plain_page(*, title: str, body: Any, status: int, refresh: str = "") -> Response:
    """A page without the shell: it needs no core and no token. `refresh`: the address it goes on to by itself."""
    on = f'<meta http-equiv="refresh" content="0;url={escape(refresh)}">' if refresh else ""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head>{shell.head()}{on}{title_tag(title)}</head>'
        f'<body><main class="plain">{GLYPH}{draw(body)}</main></body></html>', status)
