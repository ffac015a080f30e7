"""Ollama: which model answers, in which state it is, and its replies piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .llm_status import InstalledModel, ModelStatus, PullProgress

if TYPE_CHECKING:
    from .clock import Clock
    from .config import Settings
    from .db import Database
    from .feed import Feed
    from .tasks import Tasks

__all__ = ["InstalledModel", "Llm", "ModelStatus", "Piece", "PullProgress"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a reply as it came. The last one has `done`, and says why it ended and how fast it was."""

    text: str = ""
    thinking: str = ""
    done: bool = False
    tokens_per_s: float | None = None
    reason: str = ""


class Llm:
    """The model of one server."""

    def __init__(self, settings: Settings, db: Database, feed: Feed, clock: Clock, tasks: Tasks) -> None:
        self._settings, self._db, self._feed, self._clock, self._tasks = settings, db, feed, clock, tasks
        self.status = ModelStatus()

    def start(self) -> None:
        """Begin to watch."""
        raise NotImplementedError

    async def choose(self, name: str) -> None:
        """Remember the model that answers next."""
        raise NotImplementedError

    async def set_address(self, text: str) -> None:
        """Use another Ollama."""
        raise NotImplementedError

    def pull(self, name: str) -> None:
        """Download a model."""
        raise NotImplementedError

    def stop_pull(self) -> None:
        """Stop the download and keep what has come."""
        raise NotImplementedError

    async def wait_ready(self) -> None:
        """Return when a question may be sent."""
        raise NotImplementedError

    def chat(self, messages: list[dict[str, str]], *, model: str) -> AsyncIterator[Piece]:
        """Yield the reply piece by piece."""
        raise NotImplementedError
