"""Threads that nobody waits for at the end, kept for the next call: making one takes a tenth of a millisecond."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

IDLE_S = 10.0  # seconds an idle thread is kept


class Threads(Executor):
    """As many daemon threads as there are calls: one that is blocked for ever holds neither others nor the end."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0  # threads that wait and are meant for no call yet

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Call `fn` in a thread that waits, or in a new one."""
        future: Future[Any] = Future()
        self._calls.put((future, fn, args))
        with self._lock:
            if self._idle:
                self._idle -= 1
                return future
        threading.Thread(target=self._run, daemon=True, name="job").start()
        return future

    def _run(self) -> None:
        while True:
            try:
                future, fn, args = self._calls.get(timeout=IDLE_S)
            except queue.Empty:
                with self._lock:
                    if not self._idle:
                        continue  # a call is on its way to this one
                    self._idle -= 1
                    return
            if future.set_running_or_notify_cancel():
                try:
                    result = fn(*args)
                except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del future, fn, args
            with self._lock:
                self._idle += 1


THREADS = Threads()
