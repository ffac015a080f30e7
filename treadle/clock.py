"""Time, as something that can be replaced: tests move it and never sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Clock:
    """The real time. All durations are in seconds."""

    def monotonic(self) -> float:
        """Seconds that only rise; unmoved by a change of the wall clock. For delays, limits and expiry."""
        return time.monotonic()

    def now(self) -> float:
        """Seconds since 1970, UTC. For what a person reads, never for order or expiry."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait. Cancelling ends the wait."""
        await asyncio.sleep(seconds)

    async def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T:
        """Await `awaitable` for at most `seconds`; then it is cancelled and `TimeoutError` is raised."""
        async with asyncio.timeout(seconds):  # wait_for of Python 3.11 may swallow a cancellation, and costs a task
            return await awaitable
