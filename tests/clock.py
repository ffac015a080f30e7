"""Time that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable
from typing import TypeVar

from treadle.clock import Clock

T = TypeVar("T")


class ManualClock(Clock):
    """`advance` moves it; nothing else does. Sleepers wake in the order of their time, each at its own."""

    def __init__(self) -> None:
        self._monotonic = 1_000.0
        self._wall = 1_800_000_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = itertools.count()

    def monotonic(self) -> float:
        return self._monotonic

    def now(self) -> float:
        return self._wall

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        awake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._number), awake))
        await awake

    async def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T:
        work = asyncio.ensure_future(awaitable)
        timer = asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait([work, timer], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            work.cancel()
            await asyncio.wait([work])
            if not work.cancelled():
                return work.result()
            raise TimeoutError
        finally:
            timer.cancel()
            if not work.done():  # we were cancelled ourselves; as with the real clock, `work` has ended when we have
                work.cancel()
                await asyncio.wait([work])
            if not work.cancelled():
                work.exception()  # looked at, or asyncio says that nobody did

    @property
    def sleeping(self) -> int:
        """How many wait for this clock."""
        return sum(not awake.done() for _, _, awake in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: whoever is due wakes at its own time and runs as far as it gets without a thread."""
        await self.settle()
        end = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, awake = heapq.heappop(self._sleepers)
            if awake.done():
                continue
            self._set(max(due, self._monotonic))
            awake.set_result(None)
            await self.settle()
        self._set(end)
        await self.settle()

    def jump(self, seconds: float) -> None:
        """Move the wall clock only, as a person or a time server does; back when negative."""
        self._wall += seconds

    @staticmethod
    async def settle() -> None:
        """Let everything run that can run now. What waits for a thread or a socket is waited for with `until`."""
        for _ in range(20):
            await asyncio.sleep(0)

    def _set(self, monotonic: float) -> None:
        self._wall += monotonic - self._monotonic
        self._monotonic = monotonic
