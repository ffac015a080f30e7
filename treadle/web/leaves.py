"""Where a reply grows: the paragraph or the fence it ends in, drawn at its end only."""

from __future__ import annotations

import re

from .highlight import LONG_LINE, Highlighter, escape
from .markdown import References, inline, language
from .undecided import scan

SPOT, REST = "\x00", "\x01"  # around what is shown but not decided yet; a clean text holds neither
PLAIN_TEXT = re.compile(r"[^\\`*_~\[!<&\n]*")


class LiveCode:
    """The lines of one fence: `text` and `html` of those that are complete."""

    def __init__(self, info: str) -> None:
        self.html = ""
        self.text = ""
        self._lines = Highlighter(language(info))

    def add(self, line: str) -> None:
        """A complete line."""
        self.html += ("\n" if self.text else "") + self._lines.line(line)
        self.text += line + "\n"

    def follow(self, text: str) -> str:
        """Make it the complete lines of `text`, which goes on where the last one ended; what remains is returned."""
        end = text.rfind("\n") + 1
        for line in text[len(self.text):end].split("\n")[:-1]:
            self.add(line)
        return text[end:]

    def draw(self, rest: str) -> str:
        """All of it, with `rest` as the line that is being written."""
        if not rest:
            return self.html + SPOT + REST
        start = "\n" if self.text else ""
        if len(rest) > LONG_LINE:  # it stays without colours: its text is final
            return f"{self.html}{start}{escape(rest)}{SPOT}{REST}"
        return f"{self.html}{SPOT}{start}{self._lines.peek(rest)}{REST}"


class LiveLeaf:
    """The paragraph, heading or item that is being written."""

    def __init__(self) -> None:
        self._text = self._html = ""

    def draw(self, text: str, references: References, line: int) -> str:
        """Its text as HTML, with the marks around what is not decided."""
        if not text.startswith(self._text):
            self._text = self._html = ""
        done = len(self._text)
        references.line = line
        found = scan(text, done, references)
        self._html += self._piece(text, done, found.decided, references, line)
        self._text = text[:found.decided]
        shown = text[:found.seen] + found.closers
        preview = self._piece(shown, found.decided, len(shown), references, line) if found.seen > found.decided else ""
        return f"{self._html}{SPOT}{preview}{REST}"

    def _piece(self, text: str, start: int, end: int, references: References, line: int) -> str:
        if PLAIN_TEXT.fullmatch(text, start, end):
            return escape(text[start:end])
        before = max(0, start - 1)  # whether a mark opens or closes depends on the sign before it
        return inline(text[before:end], references, line, start=start - before, breaks=True)
