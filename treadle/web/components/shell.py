"""The shell around every page: bar, menu of places, chat pane, tabs; and what it says about the connection.

What does not change between pages is drawn once and kept as a string (PERFORMANCE.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache, lru_cache
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from ..assets import url
from .bell import BellLink, JobsPanel
from .icons import GLYPH, icon

CONFIG = {
    "metaCharacter": "-", "extensions": "sse", "transitions": False, "includeIndicatorCSS": False, "prefix": "",
    "sse": {"reconnectDelay": 300, "reconnectMaxDelay": 3000},
    "morphIgnore": ["data-htmx-powered", "open", "popover"],  # what the reader unfolded stays unfolded
    # seconds that app.js counts, and a table the reader has sorted, searched or turned over
    # the newest results of a job while somebody points at them, a name that is being typed
    "morphSkip": "[data-since], iframe, .shown:has(> [data-view]), [id^=items-]:hover, .rows > li:has(> .edit)",
    "morphSkipChildren": ".msg > .body, .msg .plain-text",  # a reply that settles: its texts come by their own partials
}
KINDS = {"workflow": "Workflows", "tool": "Tools", "page": "Pages"}


class Place(NamedTuple):
    """One item of the menu."""

    endpoint: str
    title: str
    kind: str


def place_path(endpoint: str) -> str:
    """The address of a place: Home is at the root."""
    return "/" if endpoint == "home" else f"/{quote(endpoint)}"


def place_link(endpoint: str, chat: str = "", *, sync: str = "closest nav:replace") -> str:
    """The attributes of a link that arrives at a place: through the redirect handler on a plain click, by its address
    in a new tab or without JavaScript.

    `chat`: the query that keeps the conversation, "" or "?chat=2". `sync`: outside the menu, "#menu:replace".
    """
    return (f'href="{place_path(endpoint)}{chat}" hx-post="/redirect/{quote(endpoint)}{chat}" hx-target="#main" '
            f'hx-push-url="true" hx-swap="innerHTML" hx-sync="{sync}"')


@cache
def head() -> str:
    """What stands in the head of every page before its title. The script is not deferred: htmx must not be late."""
    return (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta name="htmx-config" content="{escape(json.dumps(CONFIG))}">'
        f'<link rel="icon" href="{url("favicon.svg")}">'
        f'<link rel="preload" as="font" type="font/woff2" crossorigin href="{url("geist-latin-wght-normal.woff2")}">'
        f'<link rel="stylesheet" href="{url("app.css")}"><script src="{url("app.js")}"></script>')


@cache
def _bar_end() -> str:
    return (
        '<button class="btn icon not-m js" type="button" id="theme" aria-label="Switch theme">'
        f'{icon("sun", cls="th-light")}{icon("moon", cls="th-dark")}</button>'
        '<button class="btn icon not-m js" type="button" id="chat-toggle" aria-pressed="true" '
        'aria-label="Show the assistant">'
        f'{icon("panel-right")}</button></div>{JobsPanel()}')


def top_bar(place: str, ask: str, menu: str, chat: str, bell: str) -> str:
    """The bar: the sign, the button of the menu with the name of the place, the bell, what is the same everywhere."""
    return (
        f'<header class="top"><a class="glyph" href="/{chat}" aria-label="Treadle home">{GLYPH}</a>'
        f'<button class="menu-btn" type="button" popovertarget="menu" aria-haspopup="true">{place_label(place, ask)}'
        f'{icon("chevrons-up-down", small=True)}</button>'
        f'<nav class="pop menu" id="menu" popover aria-label="Places">{menu}</nav>'
        f'<div class="end">{BellLink(chat)}{bell}{_bar_end()}</header>')


def place_label(place: str, ask: str) -> str:
    """The name of the place in the bar. `ask`: what the composer invites to, taken over by app.js."""
    return f'<span class="t" id="place" data-ask="{escape(ask)}">{escape(place)}</span>'


@lru_cache(maxsize=256)
def menu(places: tuple[Place, ...], current: str, chat: str) -> str:
    """The menu: Home, then the places by kind and file number, the documentation, and the theme on a phone."""
    check = f'<span class="end">{icon("check", small=True)}</span>'

    def item(place: Place) -> str:
        mark = ' aria-current="page"' if place.endpoint == current else ""
        return f'<a class="opt" {place_link(place.endpoint, chat)}{mark}>{escape(place.title)}{check}</a>'

    groups = []
    for kind, title in KINDS.items():
        items = "".join(item(place) for place in places if place.kind == kind)
        if items:
            groups.append(f'<div role="group" aria-labelledby="menu-{kind}"><p class="grp" id="menu-{kind}">{title}</p>'
                          f'{items}</div>')
    def plain(name: str, title: str) -> str:
        mark = ' aria-current="page"' if current == name else ""
        return (f'<a class="opt" href="/{name}{chat}" hx-get="/{name}{chat}" hx-target="#main" hx-push-url="true" '
                f'hx-sync="closest nav:replace"{mark}>{title}{check}</a>')

    return (item(Place("home", "Home", "home")) + "".join(groups) + "<hr>" + plain("runs", "All runs")
            + plain("docs", "Documentation") + _theme())


@cache
def _theme() -> str:
    choices = "".join(f'<label><input type="radio" name="theme" value="{name.lower()}"><span>{name}</span></label>'
                      for name in ("System", "Light", "Dark"))
    return ('<footer class="only-m js"><span id="theme-label">Theme</span>'
            f'<span class="seg" role="radiogroup" aria-labelledby="theme-label">{choices}</span></footer>')


def tabs(label: str) -> str:
    """The way between the panes where there is room for one."""
    return (f'<nav class="tabs" aria-label="View"><a href="#main" aria-current="page">{icon("list-checks")}'
            f'{tab_label(label)}</a><a href="#chat">{icon("message-square")}Assistant</a></nav>')


def tab_label(label: str) -> str:
    return f'<span id="tab">{escape(label)}</span>'


def live(conversation: int, since: str, endpoint: str) -> str:
    """The one stream of a page. It stands outside #main and survives every navigation.

    Its trigger is also the watchdog of a first connection that failed; app.js holds it back while nobody looks.
    """
    stream = f"/events/{conversation}?since={quote(since)}&amp;at={quote(endpoint)}"
    return (f'<div id="live" hidden hx-sse-connect="{stream}" hx-swap="none" hx-sync="this:drop" '
            'hx-trigger="load, every 15s, retry, visibilitychange from:document"></div>'
            '<div class="live" id="menu-live" hidden></div>')


def chat_pane(*, model: str, earlier: str, log: str, condition: str, composer: str, place: str, endpoint: str,
              run: str, chat: str) -> str:
    """The chat. Without JavaScript it holds the way to the page that chats without."""
    return (
        '<aside class="chat" id="chat" aria-label="Assistant">'
        '<div class="split js" id="split" role="separator" aria-orientation="vertical" '
        'aria-label="Resize the assistant" aria-controls="chat" '
        'aria-valuemin="320" aria-valuemax="720" aria-valuenow="448" tabindex="0"></div>'
        f'<div class="chat-head"><h2>Assistant</h2>{model}</div>'
        '<div class="log js" id="log" role="log" aria-live="off" aria-label="Conversation" tabindex="0">'
        f'<div class="log-pad">{earlier}<div class="log-items" id="log-items">{log}</div></div></div>'
        f'<div class="foot js"><button class="btn sm jump" type="button" id="jump" hidden>'
        f'{icon("arrow-down", small=True)}New text below</button>'
        f'{condition}<div id="connection" role="status"></div>{composer}</div>'
        '<p class="sr" id="announce" role="status"></p>'
        f'<noscript><div class="log-pad"><div class="stack"><p>Without JavaScript the chat is a page of its own.</p>'
        f'<form method="post" action="/redirect/{quote(endpoint)}{chat}"><input type="hidden" name="to" value="chat">'
        f'<input type="hidden" name="run" value="{escape(run)}">'
        f'<button class="btn line">Open the chat about {escape(place)}</button></form></div></div></noscript></aside>')


def _notice(name: str, sign: str, text: str, action: str = "", bad: bool = False) -> str:
    acts = f'<div class="acts">{action}</div>' if action else ""
    return (f'<template id="say-{name}"><div class="notice{" bad" if bad else ""}">'
            f"{icon(sign)}<p>{text}</p>{acts}</div></template>")


@cache
def words(conversation: int) -> str:
    """What app.js says by itself when the server cannot: notices above the composer and two pages."""
    try_now = '<button class="btn line sm" type="button" data-do="retry">Try now</button>'
    stop = (f'<button class="btn ghost sm" type="button" hx-post="/chat/{conversation}/stop" hx-swap="none">'
            "Stop it</button>")
    return "".join((
        _notice("lost", "unplug", "The connection to Treadle is lost; it is tried again by itself.", try_now),
        _notice("back", "check", "Connected again; nothing was lost."),
        _notice("deleted", "message-square", "This conversation was deleted in another tab.",
                '<a class="btn line sm" href="/">Open the first one</a>'),
        _notice("signed-out", "lock", "This browser is signed out; open the link printed in the terminal."),
        _notice("unsent", "circle-alert", "The question was not sent; its text is still here.", bad=True),
        _notice("busy", "clock", "A reply is running in another tab.", stop),
        '<template id="say-no-answer"><div class="wrap"><div class="head"><h1>No answer from the server</h1>'
        "<p><span data-path></span> could not be fetched. It is tried again when the connection is back.</p></div>"
        '<button class="btn solid" type="button" data-do="refetch">Try again</button></div></template>',
        '<section class="plain gone" id="gone" hidden role="alertdialog" aria-labelledby="gone-title" tabindex="-1">'
        f'{GLYPH}'
        '<h2 id="gone-title">Treadle is not running</h2><p>Start it again in the terminal. '
        'This page comes back by itself, with what you typed.</p><div class="cmd"><code>make run</code>'
        '<button class="btn icon sm" type="button" data-copy="make run" aria-label="Copy the command">'
        f'{icon("copy", small=True)}</button></div>'
        '<button class="btn line" type="button" data-do="retry">Try now</button>'
        "</section>"))


def follows(endpoint: str) -> str:
    """Where the stream says that the plugin of this page was loaded anew."""
    return f'<div class="live" id="at-{escape(endpoint)}-live" hidden></div>'


def places_changed(endpoints: Iterable[str]) -> str:
    """What the stream sends when plugins were loaded anew: every page fetches the menu, one of theirs itself."""
    def fetching(within: str, path: str, target: str, swap: str) -> str:
        return (f'<hx-partial hx-target="#{within}-live" hx-swap="innerHTML settle:0"><div hx-get="{path}" '
                f'hx-trigger="load" hx-target="#{target}" hx-swap="{swap} settle:0" hx-sync="closest .live:replace">'
                "</div></hx-partial>")

    pages = "".join(fetching(f"at-{escape(endpoint)}", place_path(endpoint), "page", "outerMorph")
                    for endpoint in ("home", *endpoints))
    return fetching("menu", "/home/menu", "menu", "innerMorph") + pages


def places_of(plugins: Iterable[object]) -> tuple[Place, ...]:
    """The menu's view of what plugins there are; one that is broken keeps its place among the workflows."""
    return tuple(Place(p.endpoint, p.title, getattr(p, "kind", "workflow")) for p in plugins)  # type: ignore[attr-defined]
