"""Home: what waits, and where one can go."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape, unescape

from fasthtml.common import NotStr

from ...runs import Run
from ...workflow import Broken, Workflow
from .runs import RunRows
from .shell import place_link
from .shows import prose
from .steps import Drawn

FIRST = "introduction"  # what a newcomer is offered before all else
SYNC = "#menu:replace"  # a place opened here and one opened in the menu replace each other


def HomePage(places: Sequence[Workflow | Broken], unfinished: Sequence[Run], drawn: Drawn, *, listed: int,
             returning: bool, chat: str) -> NotStr:
    """The first start offers the introduction; a returning person finds the runs that are not finished.

    `listed`: how many of those at most. `chat`: the query that keeps the conversation, "" or "?chat=2".
    """
    intro = None if returning else next((place for place in places if place.endpoint == FIRST), None)
    others = tuple(place for place in places if place is not intro)
    heading, text = ("Home", _waiting(len(unfinished))) if returning else (
        "Start here", "Workflows, and a local model beside them. Everything stays on this computer.")
    title = "Start something" if returning else "Or go straight to a workflow" if intro is not None else "Workflows"
    return NotStr(
        f'<div class="head"><div class="row"><div><h1>{heading}</h1><p>{text}</p>'
        f"</div></div></div>{_introduction(intro, chat) if intro is not None else ''}"
        f"{RunRows(unfinished[:listed], drawn, steps=_steps(places), named='Continue')}{_listed(others, title, chat)}")


@lru_cache(maxsize=16)
def _listed(places: tuple[Workflow | Broken, ...], title: str, chat: str) -> str:
    cards = "".join(_card(place, chat) for place in places)
    return (f'<section class="sec" aria-labelledby="places"><header><h2 id="places">{title}</h2></header>'
            f'<div class="places">{cards}</div></section>') if cards else ""


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
        return "This workflow does not load at present."
    return unescape(re.sub(r"<[^>]+>", "", prose(place.about or place.message))).strip()
