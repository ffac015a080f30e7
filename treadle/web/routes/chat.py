"""`/chat/{conversation}`: asking, stopping, repeating; and the chat as a page of its own, without JavaScript.

With JavaScript nothing is answered but 204: what happened comes by the stream, to every tab alike. A refusal is its
status with one sentence as plain text, which htmx swaps nowhere and app.js shows. Without, every post answers 303 to
the page, and a refused question comes back in its composer.
"""

import asyncio
import re
import secrets
from collections.abc import Awaitable
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from fasthtml.core import APIRouter
from loguru import logger
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from ...conversation import FIRST, Message, Place
from ...errors import NotFound, Refused, TreadleError
from ..components.chat import Earlier, MessageRow, PlainComposer, PlainRunning
from ..components.icons import icon_at
from ..components.model import Condition
from ..components.shell import head
from ..deps import Web
from ..markdown import render_reply
from ..streaming import LivePlain

ar = APIRouter()

PAGE = 100        # rows of a page
REFRESH = '<meta http-equiv="refresh" content="2">'
NUMBER = re.compile(r"[0-9]{1,18}")
MAX_ID = 2**63 - 1  # SQLite's; a larger number in an address is nobody


@dataclass
class AskForm:
    """`client_id` is made by the page, so that a question that is sent twice is asked once."""

    text: str = ""
    client_id: str = ""


@dataclass
class CancelForm:
    """`reply`: the id of the reply that is not wanted any more."""

    reply: str = ""


@ar.post("/chat/{conversation:int}")
async def send(web: Web, conversation: int, form: AskForm) -> Response:
    """Ask. The question and its reply have their ids and are on the disk when this answers."""
    text = form.text.replace("\r\n", "\n")  # a browser without JavaScript sends the ends of lines like that
    work = web.core.replies.send(_known(web, conversation), text, place=web.place,
                                 client_id=form.client_id[:100] or secrets.token_urlsafe(12))
    return await _answer(web, conversation, work, text=text)


@ar.post("/chat/{conversation:int}/stop")
async def stop(web: Web, conversation: int) -> Response:
    """Stop the reply. After its end there is nothing to stop, which is no error."""
    return await _answer(web, conversation, web.core.replies.stop(_known(web, conversation)))


@ar.post("/chat/{conversation:int}/retry/{reply:int}")
async def retry(web: Web, conversation: int, reply: int) -> Response:
    """Answer the same question anew."""
    return await _answer(web, conversation, web.core.replies.retry(_reply(web, conversation, reply)))


@ar.post("/chat/{conversation:int}/continue/{reply:int}")
async def continue_(web: Web, conversation: int, reply: int) -> Response:
    """Go on from an interrupted reply."""
    return await _answer(web, conversation, web.core.replies.continue_(_reply(web, conversation, reply)))


@ar.post("/chat/{conversation:int}/cancel")
async def cancel(web: Web, conversation: int, form: CancelForm) -> Response:
    """Take back a question that waits. The answer carries its text, or leads to the page whose composer holds it."""
    known = _known(web, conversation)
    reply = _reply(web, conversation, int(form.reply)) if NUMBER.fullmatch(form.reply) else 0
    meant = web.core.conversations.get(reply) if reply else web.core.conversations.active(known)
    given = await web.core.replies.cancel(known, reply)
    if web.fragment:
        return PlainTextResponse(given) if given else Response(status_code=204)
    return _back(conversation, web.place, taken=meant.question or 0 if meant and given else 0)


@ar.get("/chat/{conversation:int}")
async def show(web: Web, conversation: int) -> Response:
    """The chat as a page of its own; for the pane, with `?before=`, the rows before that message."""
    before = _number(web, "before")
    if web.fragment and before:
        rows = await _rows(web, _known(web, conversation), before)
        older = Earlier(conversation, web.core.conversations.oldest(conversation, shown=PAGE, before=before))
        return HTMLResponse(f'{older}<hx-partial hx-target="#log-items" hx-swap="afterbegin">{rows}</hx-partial>')
    text = ""
    if taken := _number(web, "taken"):
        question = web.core.conversations.get(taken)
        text = question.text if question.conversation == conversation and question.deleted else ""
    return await _page(web, conversation, text=text)


# -- answers


async def _answer(web: Web, conversation: int, work: Awaitable[object], *, text: str = "") -> Response:
    """Do it, and say how it went. `text`: what a person typed, which must not be lost when it is refused."""
    try:
        await work
    except TreadleError as error:
        if not isinstance(error, Refused):
            logger.error("a post to conversation {} failed: {}", conversation, error.message)
        if web.fragment:
            return PlainTextResponse(f"{error.message} {error.hint}".strip(), error.status)
        return await _page(web, conversation, text=text, problem=error)
    return Response(status_code=204) if web.fragment else _back(conversation, web.place)


def _back(conversation: int, place: Place, *, taken: int = 0) -> Response:
    query = _query(place)
    if taken:
        query += f"{'&' if query else '?'}taken={taken}"
    return RedirectResponse(f"/chat/{conversation}{query}", 303)


async def _page(web: Web, conversation: int, *, text: str = "", problem: TreadleError | None = None) -> Response:
    """The page without JavaScript. It reloads itself while a reply runs or an arrival is pending, and only then: its
    composer is away meanwhile, so that nothing typed is wiped. A text that came back is never taken away."""
    core, place, before = web.core, web.place, _number(web, "before")
    active = core.conversations.active(_known(web, conversation))
    query, kept = _query(place), bool(text or problem or before)
    rows = await _rows(web, conversation, before, plain=query)
    busy = (active is not None or core.narrator.pending(conversation)) and not kept
    found = core.plugins.get(place.endpoint)
    title = found.title if found else "Home"
    path = "/" if place.endpoint == "home" else f"/{quote(place.endpoint)}{f'/{quote(place.run)}' if place.run else ''}"
    back = path if conversation == FIRST else f"{path}?chat={conversation}"
    oldest = core.conversations.oldest(conversation, shown=PAGE, before=before)
    newer = f'<a class="btn line" href="/chat/{conversation}{query}">Newest messages</a>'
    foot = newer if before else PlainRunning(active, query) if busy else PlainComposer(
        conversation, "Ask about Treadle" if place.endpoint == "home" else f"Ask about {title}", query,
        client_id=secrets.token_urlsafe(12), text=text,
        problem=f"{problem.message} {problem.hint}".strip() if problem else "")
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head>{head()}{REFRESH if busy else ""}'
        f"<title>Assistant · {escape(title)} · Treadle</title></head>"
        '<body><main class="chat chat-page"><div class="chat-head"><h1>Assistant</h1>'
        f'<a class="hint grow" href="/model">{escape(core.llm.status.chosen or "No model")}</a>'
        f'<a class="btn ghost sm" href="{back}">Back to {escape(title)}</a></div>'
        '<div class="log" role="log" aria-live="off" aria-label="Conversation" tabindex="0">'
        f'<div class="log-pad">{Earlier(conversation, oldest, query)}<div class="log-items">{rows}</div></div></div>'
        f'<div class="foot">{Condition(core.llm.status, plain=True)}{foot}</div></main></body></html>',
        problem.status if problem else 200)


async def _rows(web: Web, conversation: int, before: int, *, plain: str | None = None) -> str:
    """Up to `PAGE` rows before a message, 0 being the end. Rendered in a thread: they may be long."""
    conversations = web.core.conversations
    messages = conversations.messages(conversation, before=before, limit=PAGE)
    texts = [conversations.so_far(message) for message in messages]
    signs = [icon_at(web.core.plugins, message.endpoint) for message in messages]
    return await asyncio.to_thread(_draw, messages, texts, signs, plain)


def _draw(messages: list[Message], texts: list[tuple[str, str]], signs: list[str], plain: str | None) -> str:
    rows = []
    for message, (text, thinking), sign in zip(messages, texts, signs, strict=True):
        thought = LivePlain(f"m{message.id}-thinking")
        thought.feed(thinking, message.rev)
        thought.close(message.rev)
        body = render_reply(f"m{message.id}", text) if message.role == "assistant" else ""
        rows.append(str(MessageRow(message, body, thought.html(), plain=plain, sign=sign)))
    return "".join(rows)


# -- what was asked for


def _known(web: Web, conversation: int) -> int:
    if conversation > MAX_ID or not web.core.conversations.exists(conversation):
        raise NotFound(f"There is no conversation {conversation}.", hint="The menu leads to the first one.")
    return conversation


def _reply(web: Web, conversation: int, reply: int) -> int:
    """The id of a reply of this conversation. Raises `NotFound`."""
    if reply > MAX_ID or web.core.conversations.get(reply).conversation != conversation:
        raise NotFound("There is no such reply in this conversation.")
    return reply


def _number(web: Web, name: str) -> int:
    """A number in the query, 0 where there is none."""
    text = web.request.query_params.get(name, "")
    return int(text) if NUMBER.fullmatch(text) else 0


def _query(place: Place) -> str:
    """What the forms of the page without JavaScript carry: where the person is."""
    run = f"&run={quote(place.run)}" if place.run else ""
    return "" if place == Place() else f"?at={quote(place.endpoint)}{run}"
