"""What the tests of replies share: asking, and waiting for what becomes of it."""

from __future__ import annotations

import asyncio
import itertools

from tests.harness import until
from treadle.conversation import FIRST, Message, Place
from treadle.core import Core
from treadle.replies import WINDOW_S

NUMBER = itertools.count(1)


async def ask(core: Core, text: str = "Why?") -> Message:
    return await core.replies.send(FIRST, text, client_id=f"c{next(NUMBER)}", place=Place())


def so_far(core: Core, reply: Message) -> str:
    return core.conversations.so_far(core.conversations.get(reply.id))[0]


async def ended(core: Core, reply: Message, *, within: float = 5) -> Message:
    """The reply once it has ended; the time of the core stands still meanwhile."""
    await until(lambda: not core.conversations.get(reply.id).active, within=within)
    return core.conversations.get(reply.id)


async def holds(core: Core, reply: Message, words: int) -> None:
    """Wait until so many words are in the rows, letting the time of the core pass in flushes."""
    async with asyncio.timeout(5):
        while so_far(core, reply).count("w") < words:
            await core.clock.advance(WINDOW_S)


def words(n: int) -> str:
    return "".join(f"w{number:05d} " for number in range(1, n + 1))
