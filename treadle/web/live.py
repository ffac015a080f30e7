"""A reply that is being written, as the viewport follows it: what it was given, and how far that is drawn."""

from __future__ import annotations

from collections.abc import Callable

from ..conversation import Message
from .streaming import LivePlain, LiveReply


class Live:
    """A reply while it is written, rendered once for all viewers."""

    def __init__(self, message: Message, wake: Callable[[], None]) -> None:
        self.id, self.born = message.id, message.born
        self.fed = self._given = message.born  # the revs of the newest piece and of the newest text it was given
        self.ended = False
        self._length = self._thought = self._thinks = 0
        self._text = LiveReply(f"m{message.id}", wake=wake)
        self._thinking = LivePlain(f"m{message.id}-thinking")

    @property
    def behind(self) -> bool:
        """Whether there is text that is not rendered yet."""
        return self._text.rev < self._given

    @property
    def finished(self) -> bool:
        """Whether its reply has ended and is rendered to the end."""
        return self.ended and not self.behind

    @property
    def rev(self) -> int:
        """How far the rendering has come, while it is behind."""
        return max(self._text.rev, self.born)

    @property
    def body(self) -> str:
        return self._text.html()

    @property
    def thinking(self) -> str:
        return self._thinking.html() if self._thought else ""

    def thought_since(self, rev: int) -> bool:
        """Whether there was some thinking already at `rev`."""
        return 0 < self._thinks <= rev

    def feed(self, text: str, thinking: str, rev: int) -> None:
        """More of the reply, up to `rev`."""
        if thinking:
            self._thinks = self._thinks or rev
            self._thinking.feed(thinking, rev)
            self._thought += len(thinking)
        if text:
            self._text.update(text, rev)
            self._length += len(text)
            self._given = rev
        self.fed = rev

    def end(self, message: Message) -> None:
        """The reply is settled: what no piece has told, and the end, as one change."""
        self.feed("", message.thinking[self._thought:], message.rev)
        if self._thought:
            self._thinking.close(message.rev)
        self._text.close(message.rev, message.text[self._length:])
        self._given, self.ended = message.rev, True

    def changes(self, after: int) -> str:
        """What a viewer at rev `after` lacks of it."""
        return self._thinking.changes(after) + self._text.changes(after)

    async def rendered(self) -> None:
        """Wait until nothing is behind. Cancelling leaves the rendering alone."""
        await self._text.settled()


def thinking_of(row: Message) -> str:
    """The inner HTML of the thinking of a reply that has ended."""
    thinking = LivePlain(f"m{row.id}-thinking")
    thinking.feed(row.thinking, row.rev)
    thinking.close(row.rev)
    return thinking.html()
