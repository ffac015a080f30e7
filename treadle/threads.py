"""Threads that nobody waits for at the end, kept for the next call: making one takes a tenth of a millisecond."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Any

IDLE_S = 10.0  # seconds an idle thread is kept

_Call = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class Threads:
    """As many daemon threads as there are calls: one that is blocked for ever holds neither others nor the end.

    Its own, and not an executor of the standard library: those are waited for when the process ends, and hand a result
    over in twice the time.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0  # threads that wait and are meant for no call yet

    def call(self, fn: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Call `fn` in a thread. Called on a loop, which has the future. Cancelling it leaves a call that has begun."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._calls.put((loop, answer, fn, args))
        with self._lock:
            if self._idle:
                self._idle -= 1
                return answer
        threading.Thread(target=self._run, daemon=True, name="job").start()
        return answer

    def _run(self) -> None:
        while True:
            try:
                loop, answer, fn, args = self._calls.get(timeout=IDLE_S)
            except queue.Empty:
                with self._lock:
                    if not self._idle:
                        continue  # a call is on its way to this one
                    self._idle -= 1
                    return
            if not answer.cancelled():
                give, result = answer.set_result, None
                try:
                    result = Context().run(fn, *args)  # nothing that one call sets is there for the next
                except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
                    give, result = answer.set_exception, error
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(_give, answer, give, result)
                del give, result
            del loop, answer, fn, args
            with self._lock:
                self._idle += 1


def _give(answer: asyncio.Future[Any], give: Callable[[Any], None], result: Any) -> None:
    if not answer.done():
        give(result)


THREADS = Threads()
