"""The calls of one job: tried again, limited in time, and taken up again where a worker died."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from ..calls import inner
from ..clock import Clock
from ..drawing import Work
from ..text import cover, without_secrets
from .calls import Over, call_here, failed
from .executors import Executors, cancelled
from .progress import Said, Try
from .results import Result, covered, encode

PAUSE_S, PAUSE_MOST_S = 1.0, 60.0  # before the first further try; doubled for each one after it
BROKEN = "The process that ran it was ended from outside, or ran out of memory."
BY_ITSELF = "It raised Stopped, although nobody had stopped it."


class Calls:
    """Runs the calls of one job. Lives on the event loop."""

    def __init__(self, executors: Executors, clock: Clock, work: Work, said: Said) -> None:
        self._executors, self._clock, self._work, self._said = executors, clock, work, said
        self._here = inspect.iscoroutinefunction(inner(work.fn))
        self._broken: set[str] = set()  # pools in which something of ours ran when they broke
        self._one = asyncio.Lock()

    async def result(self, args: tuple[Any, ...], *, item: int = 0, alone: bool = False) -> Result:
        """Done or failed. `item`: its number. `alone`: it may be what ends its process. Cancelling ends it, where it
        can be ended."""
        said, most = self._said, self._work.retries + 1
        for number in range(1, most + 1):
            result = await self._try(args, alone)
            if result.state == "done" or number == most:
                break
            pause = min(PAUSE_S * 2 ** (number - 1), PAUSE_MOST_S)
            error = cover(without_secrets(result.error.rstrip(".")), said.secrets)
            said.say(f"{error}. Attempt {number + 1} of {most} starts in {pause:g} s.")
            said.tries[item] = Try(error, number + 1, most, self._clock.monotonic() + pause)
            try:
                await self._clock.sleep(pause)
            finally:
                del said.tries[item]
        return await self._executors.in_thread(covered, result, said.secrets) if said.secrets else result

    async def _try(self, args: tuple[Any, ...], alone: bool) -> Result:
        """Where a pool breaks, all that ran in it goes to the next one; after the second, one at a time and apart,
        so that the one that breaks it is known."""
        while True:
            if alone:
                async with self._one:
                    result = await self._once(args, alone=True)
            else:
                result = await self._once(args, alone=False)
            if result.state == "stopped":
                return Result("failed", error=BY_ITSELF)
            if result.state != "broken":
                return result
            if alone and self._work.on == "process":
                return Result("failed", error=BROKEN)
            self._broken.add(result.value)
            alone = len(self._broken) >= 2 and self._work.on == "process"

    async def _once(self, args: tuple[Any, ...], *, alone: bool) -> Result:
        said, over = self._said, Over()
        said.queued += 1
        try:
            await self._executors.ready("thread" if self._here else self._work.on, said)
        finally:
            said.queued -= 1
        running = self._run_here(args, over) if self._here else self._executors.run(
            self._work.on, self._work.fn, args, said, over, alone=alone)
        limit = self._work.timeout_s
        said.busy += 1
        try:
            return await (running if limit is None else self._clock.wait_for(running, limit))
        except TimeoutError:
            over.set()
            return Result("failed", error=f"It was not done after {limit:g} s.")
        except asyncio.CancelledError:
            over.set()
            raise
        finally:
            said.busy -= 1

    async def _run_here(self, args: tuple[Any, ...], over: Over) -> Result:
        fn = self._work.fn
        try:
            value = await call_here(fn, args, self._said, over)
            return await self._executors.in_thread(encode, value, inner(fn))
        except BaseException as error:  # an author's code may raise anything
            if isinstance(error, asyncio.CancelledError) and cancelled():
                raise
            return await self._executors.in_thread(failed, error, fn)
