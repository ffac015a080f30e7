"""Where a reply grows: the paragraph or the fence it ends in, drawn at its end only."""

from __future__ import annotations

import re

from .highlight import LONG_LINE, Highlighter, between, escape, highlight
from .markdown import References, inline, language
from .undecided import scan

SPOT, REST = "\x00", "\x01"  # around what is shown but not decided yet; a clean text holds neither
PLAIN_TEXT = re.compile(r"[^\\`*_~\[!<&\n]*")


class LiveCode:
    """The lines of one fence: `text` of those that are complete, and their `html`, whose last element is open."""

    def __init__(self, info: str) -> None:
        self.text = ""
        self._html = ""
        self._lines = Highlighter(language(info))
        self._count = 0

    @property
    def html(self) -> str:
        """The complete lines."""
        return f"{self._html}</span>" if self._count else highlight("", "")

    def add(self, line: str) -> None:
        """A complete line."""
        self._html += between(self._count) + self._lines.line(line)
        self._count += 1
        self.text += line + "\n"

    def follow(self, text: str) -> str:
        """Make it the complete lines of `text`, which goes on where the last one ended; what remains is returned."""
        end = text.rfind("\n") + 1
        for line in text[len(self.text):end].split("\n")[:-1]:
            self.add(line)
        return text[end:]

    def draw(self, rest: str) -> str:
        """All of it, with `rest` as the line that is being written; it gets its colours when it is complete."""
        start = between(self._count)
        if not rest:
            return f"{self._html or start}{SPOT}{REST}</span>"
        if start != "\n":  # the part is begun with the line: what is not decided stands inside
            return f"{self._html}{start}{self._part(rest)}</span>"
        return f"{self._html}{self._part(rest, start)}</span>"

    def _part(self, rest: str, start: str = "") -> str:
        if len(rest) > LONG_LINE:  # it stays without colours: its text is final
            return f"{start}{escape(rest)}{SPOT}{REST}"
        return f"{SPOT}{start}{escape(rest)}{REST}"


class LiveLeaf:
    """The paragraph, heading or item that is being written. `html`: what of it is decided."""

    def __init__(self) -> None:
        self._text = self.html = ""

    def draw(self, text: str, references: References, line: int) -> str:
        """Its text as HTML, with the marks around what is not decided."""
        if not text.startswith(self._text):
            self._text = self.html = ""
        done = len(self._text)
        references.line = line
        found = scan(text, done, references)
        self.html += self._piece(text, done, found.decided, references, line)
        self._text = text[:found.decided]
        shown = text[:found.seen] + found.closers
        preview = self._piece(shown, found.decided, len(shown), references, line) if found.seen > found.decided else ""
        return f"{self.html}{SPOT}{preview}{REST}"

    def _piece(self, text: str, start: int, end: int, references: References, line: int) -> str:
        if PLAIN_TEXT.fullmatch(text, start, end):
            return escape(text[start:end])
        before = max(0, start - 1)  # whether a mark opens or closes depends on the sign before it
        return inline(text[before:end], references, line, start=start - before, breaks=True)
