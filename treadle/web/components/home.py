"""Home: what waits, and where one can go."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape, unescape

from fasthtml.common import NotStr

from ...runs import Run
from ...text import counted
from ...workflow import Broken, Workflow
from .icons import icon
from .runs import RunRows
from .shell import KINDS, place_link
from .shows import prose
from .steps import Drawn

FIRST = "introduction"  # what a newcomer is offered before all else
SYNC = "#menu:replace"  # a place opened here and one opened in the menu replace each other


def HomePage(places: Sequence[Workflow | Broken], unfinished: Sequence[Run], drawn: Drawn, *, listed: int,
             total: int, chat: str) -> NotStr:
    """The first start offers the introduction; a returning person finds the runs that are not finished.

    `listed`: how many of those at most. `total`: how many runs there are. `chat`: the query that keeps the
    conversation, "" or "?chat=2".
    """
    returning = total > 0
    intro = None if returning else next((place for place in places if place.endpoint == FIRST), None)
    others = tuple(place for place in places if place is not intro)
    heading, text = ("Home", _waiting(len(unfinished))) if returning else (
        "Start here", "Workflows, and a local model beside them. Everything stays on this computer.")
    more = (f'<a href="/runs{chat}" hx-get="/runs{chat}" hx-target="#main" hx-push-url="true" hx-sync="{SYNC}">'
            f'All {counted(total, "run")}</a>') if returning else ""
    title = "Start something" if returning else "Or go straight to a workflow" if intro is not None else "Workflows"
    rows = RunRows(unfinished[:listed], drawn, steps=_steps(places), named="Continue", more=more)
    return NotStr(
        f'<div class="head"><div class="row"><div><h1>{heading}</h1><p>{text}{"" if unfinished else f" {more}"}</p>'
        f"</div></div></div>{_introduction(intro, chat) if intro is not None else ''}"
        f"{rows}{_listed(others, title, chat)}")


@lru_cache(maxsize=16)
def _listed(places: tuple[Workflow | Broken, ...], title: str, chat: str) -> str:
    parts = []
    for kind, named in KINDS.items():
        if cards := "".join(_card(place, chat) for place in places if place.kind == kind):
            name, heading = ("places", title) if not parts else (f"places-{kind}", named)
            parts.append(f'<section class="sec" aria-labelledby="{name}"><header><h2 id="{name}">{heading}</h2>'
                         f'</header><div class="places">{cards}</div></section>')
    return "".join(parts)


def _waiting(number: int) -> str:
    if not number:
        return "Nothing waits for you."
    return "One run waits for your answer." if number == 1 else f"{number} runs wait for your answer."


def _introduction(place: Workflow | Broken, chat: str) -> str:
    return (f'<section class="card" aria-labelledby="intro"><div class="card-head"><h2 id="intro">{escape(place.title)}'
            f"</h2><p>{escape(about(place))}</p></div><div class=\"card-foot\">"
            f'<a class="btn solid" {place_link(place.endpoint, chat, sync=SYNC)}>Start</a></div></section>')


def _card(place: Workflow | Broken, chat: str) -> str:
    return (f'<a class="card" {place_link(place.endpoint, chat, sync=SYNC)}><b>{escape(place.title)}</b>'
            f"<span>{escape(about(place))}</span></a>")


def _steps(places: Sequence[Workflow | Broken]) -> Callable[[str], int]:
    known = {place.endpoint: len(place.steps) for place in places if isinstance(place, Workflow)}
    return lambda endpoint: known.get(endpoint, 0)


def about(place: Workflow | Broken) -> str:
    """What a card says of a place: the author's Markdown as plain words, as the whole card is one link."""
    if isinstance(place, Broken):
        return f"This {place.kind} does not load at present."
    return unescape(re.sub(r"<[^>]+>", "", prose(place.about or place.message))).strip()


def FirstUse(place: Workflow, needs: Sequence[str], *, how: str = "Starting it") -> str:
    """What a plugin reaches, before it is used for the first time. `how`: what allows that."""
    if not needs:
        return ""
    rows = "".join(f'<li>{icon(sign)}<div><span class="nm">{name}</span><p class="sub">{escape(said)}</p></div></li>'
                   for sign, name, said in map(_need, needs))
    number = "one thing" if len(needs) == 1 else f"{('two', 'three', 'four')[min(len(needs), 4) - 2]} things"
    return (
        '<li class="step decide" id="needs"><span class="mark">!</span><section class="card" '
        'aria-labelledby="needs-h"><div class="card-head"><h2 id="needs-h">Before the first use</h2>'
        f"<p>{escape(place.title)} asks for {number}. {how} allows that; it is asked again only when this list "
        f'grows.</p></div><div class="card-body"><ul class="rows full">{rows}</ul></div></section></li>')


def _need(need: str) -> tuple[str, str, str]:
    kind, _, host = need.partition(":")
    return {"network": ("arrow-up-right", "Network", f"It fetches from {host.strip()}." if host else
                        "It fetches from any site you name."),
            "files": ("folder", "Files", "It reads or writes files on this computer."),
            "model": ("message-square", "Model", "It sends what you answer to the model you have chosen.")}[kind]
