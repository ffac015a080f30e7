"""Exactly what the model is sent, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conversation import Conversations, Place
    from .plugins import Plugins
    from .runs import Runs


class Context:
    """Builds the messages of one request to the model from what is stored."""

    def __init__(self, conversations: Conversations, plugins: Plugins, runs: Runs) -> None:
        self._conversations, self._plugins, self._runs = conversations, plugins, runs

    async def build(self, conversation: int, place: Place, *, upto: int) -> list[dict[str, str]]:
        """The system part, then the turns before message `upto` (the id of the reply that is to be written)."""
        raise NotImplementedError
