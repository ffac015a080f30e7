"""What a running function says: how far it is, and what it prints."""

from __future__ import annotations

import io
import math
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from ..text import storable

LINES = 200        # of a log are kept, the last ones
LINE_LENGTH = 500  # characters of one that are


class Stopped(BaseException):
    """Raised by `progress(...)` once the person has stopped the job or its time is over. Clean up, and let it pass.

    It is no `Exception`, so that a loop which goes on after errors does not go on after it.
    """


class Try(NamedTuple):
    """A call that has failed, and why. Attempt `number` of `most` starts at `at`, on the monotonic clock."""

    error: str
    number: int
    most: int
    at: float


class Said:
    """What the calls of one job have said so far. Written by their threads, read by whoever looks.

    Of the calls `queued` wait for where they run, and `busy` run. `waits`: for what the job does. `tries`: by the
    number of its item what waits to be tried again.
    """

    __slots__ = ("_half", "busy", "done", "log", "queued", "secrets", "text", "total", "tries", "waits", "written")

    def __init__(self, log: str = "", secrets: Sequence[str] = ()) -> None:
        self.secrets = secrets  # of its run
        self.done: float = 0
        self.total: float | None = None
        self.text = self.written = self.waits = ""  # what it does; what the model has written
        self.queued = self.busy = 0
        self.tries: dict[int, Try] = {}
        self.log: deque[str] = deque(log.splitlines(), LINES)
        self._half = ""  # a line that is not ended yet

    def say(self, line: str) -> None:
        """A line for the log."""
        self.log.append(storable(line.rstrip().rpartition("\r")[2])[:LINE_LENGTH])

    def write(self, text: str) -> None:
        """What is printed, in pieces that end anywhere."""
        *lines, self._half = (self._half + text).split("\n")
        self._half = self._half[-LINE_LENGTH:]
        for line in lines[-LINES:]:
            self.say(line)


class Progress:
    """Annotate a parameter of a job's function with it, and call it now and then: `progress(done, total, "what")`.

    This moves the bar and is where Stop and `timeout_s` take effect: it raises `Stopped`. On a cluster it does nothing,
    there progress counts items. Cheap enough for a call per line of a file.
    """

    def __init__(self, said: Said | None = None, over: Callable[[], bool] = bool) -> None:
        """A function called by hand, in a test, may be given `Progress()`: it takes everything and never stops."""
        self._said, self._over = said or Said(), over

    def __call__(self, done: float | None = None, total: float | None = None, text: str = "") -> None:
        """`done` of `total`, in any unit; `text` is shown beside the bar and kept in the log."""
        if self._over():
            raise Stopped
        said = self._said
        if done is not None:
            said.done = _number(done) or 0
        if total is not None:
            said.total = _number(total)
        if text and text != said.text:
            said.text = storable(str(text))[:LINE_LENGTH]
            said.say(said.text)


def _number(value: Any) -> float | None:
    """A plain number that JSON has, as pages and programs are sent it; None for anything else. One of numpy is made
    plain."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    return number if isinstance(value, float) or not number.is_integer() else int(number)


_listening: ContextVar[Said | None] = ContextVar("treadle_said", default=None)


class _Out(io.TextIOBase):
    """Standard output that gives what a job prints to its log, and all else to where it went before."""

    def __init__(self, before: Any) -> None:
        self._before = before

    def write(self, text: str) -> int:
        if (said := _listening.get()) is None:
            return int(self._before.write(text))
        said.write(text)
        return len(text)

    def flush(self) -> None:
        if _listening.get() is None:
            self._before.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._before, name)


@contextmanager
def printed(said: Said) -> Iterator[None]:
    """Let `said` have what this thread or task prints."""
    if not isinstance(sys.stdout, _Out):
        sys.stdout = _Out(sys.stdout)
    token = _listening.set(said)
    try:
        yield
    finally:
        _listening.reset(token)
