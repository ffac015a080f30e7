"""What a handler is given: the core, and where the person is who asks."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from starlette.requests import Request

from ..conversation import Place
from ..core import Core
from ..errors import NotFound

FIRST = 1  # the conversation of a URL without ?chat=


@dataclass(slots=True)
class Web:
    """A request, as the pages see it. FastHTML fills it for a parameter `web: Web`; plain routes call `Web.of`.

    `conversation` and `place` come from the page the person is on: its URL as htmx sends it, else the fields `chat`,
    `at` and `run` of the query or the form, else the requested URL. `fragment`: the answer goes into an open page.
    """

    core: Core
    request: Request
    conversation: int
    place: Place
    fragment: bool
    rev: int  # when the request came in: what a page shows is at least as new, so its stream begins there

    @classmethod
    def __from_request__(cls, request: Request, data: dict) -> Self:
        return cls.of(request, data)

    @classmethod
    def of(cls, request: Request, form: Any = None, *, first: bool = False) -> Self:
        """For routes FastHTML does not call. Raises `NotFound` when ?chat= names no conversation, unless `first`."""
        core: Core = request.app.state.core
        headers = request.headers
        fragment = "hx-request" in headers and "hx-history-restore-request" not in headers
        fields = {**(form or {}), **request.query_params}
        page, query = _page(headers.get("hx-current-url", ""))
        if "chat" not in fields and query:
            fields["chat"] = parse_qs(query).get("chat", [""])[-1]
        conversation = FIRST if first else _conversation(core, str(fields.get("chat") or ""))
        if page:
            place = place_of(core, page)
        elif isinstance(fields.get("at"), str):
            place = place_of(core, f"/{fields['at']}/{fields.get('run') or ''}")
        else:
            place = place_of(core, request.scope["path"])
        return cls(core, request, conversation, place, fragment, core.feed.rev)

    def url(self, path: str) -> str:
        """`path`, in the conversation this page shows."""
        if self.conversation == FIRST:
            return path
        return f"{path}{'&' if '?' in path else '?'}chat={self.conversation}"


# FastHTML asks for these parameters at every request, and finding them out anew is an eighth of a page
Web.__from_request__.__func__.__signature__ = signature(
    Web.__from_request__.__func__, eval_str=True)


def place_of(core: Core, path: str) -> Place:
    """The place a page's path shows: an endpoint and perhaps a run; home where it is neither."""
    endpoint, _, run = unquote(path).strip("/").partition("/")
    if not endpoint or core.plugins.get(endpoint) is None:
        return Place()
    return Place(endpoint, run.partition("/")[0])


def _page(url: str) -> tuple[str, str]:
    """Path and query of the page a person is on; two empty strings where htmx did not say or it is no URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.path, parts.query


def _conversation(core: Core, text: str) -> int:
    if not text or text == str(FIRST):
        return FIRST
    if text.isascii() and text.isdigit() and len(text) < 16 and core.conversations.exists(int(text)):
        return int(text)
    raise NotFound(f"There is no conversation {quote(text[:40])}.", hint="Every page without ?chat= shows the first.")


def number(text: str, otherwise: int, *, digits: int = 9) -> int:
    """A number out of an address or a form; `otherwise` for what is none, or has more digits."""
    return int(text) if text.isdecimal() and len(text) <= digits else otherwise
