"""What a conversation looks like: a row in every state it can have, the composer and its one button.

Rows are strings, drawn once and kept by the viewport. A reply has the same wrappers and ids while it is written and
when it is settled, so that settling changes attributes and adds a footer, and replaces no node.
"""

from __future__ import annotations

import json
import time
from html import escape

from fasthtml.common import NotStr

from ...conversation import Message
from ..markdown import PLAIN_OVER, clean, render
from .icons import icon

ENCODING = 'enctype="application/x-www-form-urlencoded"'
RESTARTED = "The server restarted during this reply."
LONG = "This reply is longer than 200 KB and shown as plain text."
WAITS = "Sent when a model is ready"


def MessageRow(message: Message, body_html: str = "", thinking_html: str = "", *, plain: str | None = None,
               sign: str = "workflow") -> NotStr:
    """One row: what a place says on arrival, a question, or a reply.

    `body_html` and `thinking_html`: the inner HTML of a reply's two texts, rendered by `markdown` or `streaming`; the
    other rows are drawn from the row itself. `plain`: for the page without JavaScript, the query its forms carry.
    `sign`: the icon of the place of an arrival.
    """
    if message.role == "arrival":
        return _arrival(message, sign)
    if message.role == "user":
        return NotStr(f'<article class="msg user" id="m{message.id}" aria-label="You">{_safe(message.text)}</article>')
    busy = ' aria-busy="true"' if message.state == "streaming" else ""
    return NotStr(
        f'<article class="msg assistant" id="m{message.id}" aria-label="Assistant"{busy}>'
        f'{_tools(message)}{_waiting(message, plain)}{_thinking(message, thinking_html, plain)}'
        f'<div class="body prose" id="m{message.id}-body">{body_html}</div>'
        f'{_notice(message, plain)}{_by(message, plain)}</article>')


def _arrival(message: Message, sign: str) -> NotStr:
    at = time.strftime("%H:%M", time.localtime(message.created_at))
    title = _safe(message.title)
    return NotStr(
        f'<article class="arrival" id="m{message.id}" aria-label="{title}, {at}"><p class="tool">'
        f'{icon(sign, small=True)}<span>{title}</span><span>{at}</span></p>{render(message.text)}</article>')


def _tools(message: Message) -> str:
    """What the model has looked up, in its order, with how long that took where anybody would notice."""
    rows = []
    for n, (said, seconds) in enumerate(json.loads(message.tools) if message.tools else (), 1):
        took = f"<span>{seconds:.1f} s</span>" if seconds >= 0.1 else ""
        rows.append(f'<p class="tool" id="m{message.id}-tool{n}">{icon("layers", small=True)}<span>{_safe(said)}</span>'
                    f"{took}</p>")
    return "".join(rows)


def _waiting(message: Message, plain: str | None) -> str:
    """The line before there is any text: waiting for a model, or for its first token."""
    if message.state == "waiting":
        return f'<p class="tool" id="m{message.id}-wait">{icon("clock", small=True)}<span>{WAITS}</span></p>'
    if message.state != "streaming" or message.answered_at is not None:
        return ""
    what = _safe(message.note or f"Waiting for {message.model or 'the model'}")
    return (f'<p class="tool" id="m{message.id}-wait"><span class="caret"></span><span>{what}</span>'
            f'{_ticking(message.started_at, plain)}</p>')


def _thinking(message: Message, thinking_html: str, plain: str | None) -> str:
    """The thinking, folded. The reader may open it; it stays as they leave it."""
    if not thinking_html:
        return ""
    if message.thinking_s is not None:
        said = f"Thought for {duration(message.thinking_s)}" if message.thinking_s >= 2 else "Thought for a moment"
    elif message.state == "streaming":
        said = f'Thinking{_ticking(message.answered_at, plain, before=" for ")}<span class="caret"></span>'
    else:
        said = "Thought"
    return (f'<details class="fold" id="m{message.id}-fold"><summary>'
            f'{icon("chevron-right", small=True)}{said}</summary>'
            f'<div class="plain-text" id="m{message.id}-thinking">{thinking_html}</div></details>')


def _ticking(since: float | None, plain: str | None, *, before: str = "") -> str:
    """Seconds that app.js counts, from 2 s on: `before` and "6 s", written into this element."""
    if since is None or plain is not None:
        return ""
    return f'<span data-since="{since:.3f}" data-before="{before}"></span>'


def _notice(message: Message, plain: str | None) -> str:
    """What went wrong, red, or what is to be known about a reply, neutral."""
    if message.state == "failed":
        return _box("circle-alert", message.error, _retry(message, plain, "line"), bad=True)
    if message.state == "interrupted":
        acts = f'{_act(message, "continue", "Continue", "line", plain)}{_retry(message, plain, "ghost")}' \
            if message.continuable else _retry(message, plain, "line")
        return _box("rotate-ccw", RESTARTED, acts)
    notes = [message.note] if message.note and message.state == "done" else []
    if len(message.text) > PLAIN_OVER:
        notes.append(LONG)
    return "".join(_box("info", note) for note in notes)


def _box(name: str, text: str, acts: str = "", *, bad: bool = False) -> str:
    acts = f'<div class="acts">{acts}</div>' if acts else ""
    return f'<div class="notice{" bad" if bad else ""}">{icon(name)}<p>{_safe(text)}</p>{acts}</div>'


def _by(message: Message, plain: str | None) -> str:
    """Under a reply that has ended: copy, how it ended, the model, its speed."""
    if message.state not in ("done", "stopped"):
        return ""
    copy = ""
    if message.text and plain is None:
        copy = f'<button class="btn icon sm" type="button" aria-label="Copy the reply" ' \
               f'data-copy="m{message.id}-body">{icon("copy", small=True)}</button>'
    facts = ["Stopped"] if message.state == "stopped" else []
    if message.model:
        facts.append(_safe(message.model))
    if message.tokens_per_s is not None:
        facts.append(f"{message.tokens_per_s:.0f} tokens/s")
    spans = "".join(f"<span>{fact}</span>" for fact in facts)
    retry = _retry(message, plain, "ghost") if message.state == "stopped" else ""
    return f'<footer class="by" id="m{message.id}-by">{copy}{spans}{retry}</footer>'


def _retry(message: Message, plain: str | None, look: str) -> str:
    return _act(message, "retry", "Retry", look, plain) if message.retryable else ""


def _act(message: Message, verb: str, label: str, look: str, plain: str | None) -> str:
    """A form with one button; htmx sends it where there is JavaScript."""
    url = f"/chat/{message.conversation}/{verb}/{message.id}"
    how = f'hx-post="{url}" hx-swap="none" ' if plain is None else ""
    return (f'<form method="post" action="{url}{escape(plain or "")}" {how}{ENCODING}>'
            f'<button class="btn {look} sm">{label}</button></form>')


def _safe(text: str) -> str:
    """Text as it is, also in an attribute; what would be invisible or turn it around is seen."""
    return escape(clean(text))


def duration(seconds: float) -> str:
    """As a person says it: 6 s, 1 min 15 s."""
    whole = int(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def ComposerAction(active: Message | None) -> NotStr:
    """The one button of the composer: Send, or Stop while a reply is written, or Cancel while a question waits.

    It is always the same element; only its attributes change, so that it keeps the focus. Stop and Cancel belong, by
    their `form` attribute, to two forms that stand beside the composer: the browser looks at it at the click, and
    nothing has to be wired anew when a morph changes it.
    """
    if active is None:
        button = f'<button class="send" id="act" aria-label="Send">{icon("arrow-up")}</button>'
    elif active.state == "waiting":
        button = f'<button class="btn line sm" id="act" form="cancel" name="reply" value="{active.id}">Cancel</button>'
    else:
        button = '<button class="send" id="act" form="stop" aria-label="Stop the reply">' \
                 '<span class="stop"></span></button>'
    return NotStr(f'<span id="composer-action">{button}</span>')


def Composer(conversation: int, ask: str, active: Message | None) -> NotStr:
    """Where a person writes. `ask`: what it invites to. Where they are is read from the page's address.

    Its answers swap nothing (`hx-swap="none"`, also for an error): what is new comes by the stream. A refusal is a
    status of 400 or more with one sentence as plain text; app.js shows it above the composer and puts the text back.
    The answer to Cancel is the question's text, as plain text: app.js puts it before what has been typed since.
    """
    url = f"/chat/{conversation}"
    return NotStr(
        f'<form class="composer" id="composer" method="post" action="{url}" hx-post="{url}" hx-swap="none" {ENCODING} '
        f'data-keep="{url}"><label class="sr" for="text">Message the assistant</label>'
        f'<textarea id="text" name="text" rows="1" placeholder="{escape(ask)}"></textarea>'
        f'<div class="row"><span class="sp"></span>{ComposerAction(active)}</div></form>'
        + "".join(f'<form id="{verb}" method="post" action="{url}/{verb}" hx-post="{url}/{verb}" hx-swap="none" '
                  f"{ENCODING} hidden></form>" for verb in ("stop", "cancel")))


def PlainComposer(conversation: int, ask: str, query: str, *, client_id: str, text: str = "",
                  problem: str = "") -> NotStr:
    """The composer of the page without JavaScript. `text`: what is given back; `problem`: why it was not sent."""
    said = f'<p class="err" id="text-error">{icon("circle-alert", small=True)}<span>{escape(problem)}</span></p>' \
        if problem else ""
    marks = ' aria-invalid="true" aria-describedby="text-error"' if problem else ""
    return NotStr(
        f'<form class="composer" method="post" action="/chat/{conversation}{escape(query)}" {ENCODING}>'
        f'<input type="hidden" name="client_id" value="{client_id}">'
        f'<label class="sr" for="text">Message the assistant</label>{said}'
        f'<textarea id="text" name="text" rows="3" placeholder="{escape(ask)}"{marks}>\n{escape(text)}</textarea>'
        '<div class="row"><span class="sp"></span><button class="btn solid sm">Send</button></div></form>')


def PlainRunning(active: Message | None, query: str) -> NotStr:
    """In place of that composer while a reply runs or something is still to be said."""
    if active is None:
        return NotStr(_box("clock", "The place is being announced; this page reloads every 2 seconds."))
    verb, label, text = ("cancel", "Cancel", "Your question waits for a model") if active.state == "waiting" else \
        ("stop", "Stop", "The reply is being written")
    return NotStr(_box("clock", f"{text}; this page reloads every 2 seconds.",
                       f'<form method="post" action="/chat/{active.conversation}/{verb}{escape(query)}" {ENCODING}>'
                       f'<button class="btn line sm" name="reply" value="{active.id}">{label}</button></form>'))


def Earlier(conversation: int, before: int, query: str = "") -> NotStr:
    """The way to the rows before message `before`; they come above the others. 0: there are none.

    `query`: what the page without JavaScript carries along.
    """
    if not before:
        return NotStr('<div id="earlier"></div>')
    url = f"/chat/{conversation}?before={before}"
    href = escape(url + query.replace("?", "&", 1))
    return NotStr(f'<div id="earlier"><a class="btn ghost sm" href="{href}" hx-get="{url}" hx-target="#earlier" '
                  'hx-swap="outerHTML">Earlier messages</a></div>')
