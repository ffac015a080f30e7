"""A reply while it is written (first, plain version: every change draws the body again)."""

from __future__ import annotations

from collections.abc import Callable

from .highlight import escape
from .markdown import clean, render_reply


class LiveMarkdown:
    def __init__(self, prefix: str) -> None:
        self.prefix, self.rev = prefix, 0
        self._text = self._html = ""

    def feed(self, text: str, rev: int) -> None:
        self._text += text
        self._html, self.rev = render_reply(self.prefix, self._text), rev

    def close(self, rev: int) -> None:
        self.rev = rev

    def html(self) -> str:
        return self._html

    def changes(self, after: int) -> str:
        if after >= self.rev:
            return ""
        return f'<hx-partial hx-target="#{self.prefix}-body" hx-swap="innerMorph">{self._html}</hx-partial>'


class LivePlain:
    def __init__(self, prefix: str) -> None:
        self.prefix, self.rev, self._text = prefix, 0, ""

    def feed(self, text: str, rev: int) -> None:
        self._text += clean(text)
        self.rev = rev

    def close(self, rev: int) -> None:
        self.rev = rev

    def html(self) -> str:
        return escape(self._text)

    def changes(self, after: int) -> str:
        if after >= self.rev:
            return ""
        return f'<hx-partial hx-target="#{self.prefix}" hx-swap="innerMorph">{self.html()}</hx-partial>'


class LiveReply:
    def __init__(self, prefix: str, *, wake: Callable[[], None]) -> None:
        self._live = LiveMarkdown(prefix)

    @property
    def rev(self) -> int:
        return self._live.rev

    def update(self, text: str, rev: int) -> None:
        self._live.feed(text, rev)

    def close(self, rev: int) -> None:
        self._live.close(rev)

    def html(self) -> str:
        return self._live.html()

    def changes(self, after: int) -> str:
        return self._live.changes(after)

    async def settled(self) -> None:
        return None
