"""A model as the core has it, without the rest of the core; for tests of `treadle.llm`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from treadle.clock import Clock
from treadle.config import Settings
from treadle.db import Database
from treadle.feed import Feed
from treadle.llm import Llm, Piece
from treadle.tasks import Tasks

MODEL = "qwen3:8b"


@asynccontextmanager
async def an_llm(clock: Clock, host: str = "", *, default: str = "http://127.0.0.1:9", demo: bool = False,
                 db: Database | None = None) -> AsyncIterator[Llm]:
    """On `db`, or on a database in memory. `default`: as if Ollama's usual address were this one."""
    own, tasks = db or Database(":memory:"), Tasks()
    try:
        yield Llm(Settings(ollama_host=host, demo=demo), own, Feed(own), clock, tasks, default=default)
    finally:
        await tasks.close()
        if db is None:
            own.close()


async def reply(llm: Llm, said: str = "hello", model: str = MODEL, *, into: list[Piece] | None = None) -> list[Piece]:
    """All pieces of a reply; each is in `into` as soon as it has come."""
    came = [] if into is None else into
    async with aclosing(llm.chat([{"role": "user", "content": said}], model=model)) as pieces:
        async for piece in pieces:
            came.append(piece)
    return came


def text(pieces: list[Piece]) -> str:
    """What was said."""
    return "".join(piece.text for piece in pieces)
