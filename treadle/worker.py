"""An author's code in a thread of its own, with a deadline, and where in it something went wrong.

A thread cannot be killed. `Ended` is raised inside it instead, again and again until it has ended; one that is held by
a blocking call is left alone: it is a daemon, so it holds neither the server nor its end.
"""

from __future__ import annotations

import asyncio
import ctypes
import linecache
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Generic, TypeVar

from .errors import InvalidAnswer, MissingPackage, PluginError
from .text import install, storable, without_secrets
from .threads import THREADS

T = TypeVar("T")

OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep
GIVE_UP_S = 0.4   # seconds of trying to end a thread
INSIST_AFTER = 3  # tries that were swallowed before each line of the author's code raises
PAUSE_S = 0.005   # seconds between two tries
VERSIONED = re.compile(r"treadle_plugins\.v_\w+\.")  # what a plugin's own modules are called in here
DISTRIBUTIONS = {"PIL": "pillow", "bs4": "beautifulsoup4", "cv2": "opencv-python", "dateutil": "python-dateutil",
                 "distributed": "dask[distributed]", "docx": "python-docx", "sklearn": "scikit-learn", "yaml": "pyyaml"}


class Ended(BaseException):
    """Raised inside an author's code when its time is over."""


class _Insisting(Ended):
    """Made in the thread that is to end: from here on each line that it runs raises, those of its handlers too."""

    def __init__(self) -> None:
        super().__init__()
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not _ours(frame):
            frame.f_trace = _end_line
            frame = frame.f_back
        sys.settrace(_end_line)


def _end_line(frame: FrameType, event: str, arg: Any) -> Any:
    if _ours(frame):
        return None
    if event == "line":
        raise Ended
    return _end_line


def _ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(OWN)


class Overdue(Exception):
    """The time was over. `file` and `line`: where the author's code stood. `held`: its thread could not be ended."""

    def __init__(self, file: str, line: int, *, held: bool) -> None:
        super().__init__(f"{file}:{line}")
        self.file, self.line, self.held = file, line, held


class Call(Generic[T]):
    """One call of `fn` in a daemon thread. `folder`: that of the author's file."""

    def __init__(self, fn: Callable[[], T], folder: str) -> None:
        self._fn, self._folder = fn, folder
        self._lock = threading.Lock()
        self._over, self._ident = False, 0
        self._value: T
        self._error: BaseException | None = None

    async def result(self, seconds: float, *, give_up_s: float = GIVE_UP_S) -> T:
        """What `fn` returns or raises. Raises `Overdue` after `seconds` and at most `give_up_s` more.

        Cancelling ends the thread where that is possible, and does not wait for it.
        """
        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(over.set)

        THREADS.call(self._run, tell)
        try:
            for pause in self._pauses(seconds, give_up_s):
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await over.wait()
        except asyncio.CancelledError:
            self._end(0)
            raise
        return self._given()

    def wait(self, seconds: float) -> T:
        """`result` for the start, where everything may wait; without a loop, of which each costs a start 1 ms."""
        over = threading.Event()
        threading.Thread(target=self._run, args=[over.set], daemon=True, name="author").start()
        for pause in self._pauses(seconds, GIVE_UP_S):
            over.wait(pause)
        return self._given()

    def _pauses(self, seconds: float, give_up_s: float) -> Iterator[float]:
        """How long to wait for its end at most, as often as that is to be done. It is ended between two of them."""
        yield seconds
        if not self._over:
            where, end, tries = self._where(), time.monotonic() + give_up_s, 0
            while self._end(tries) and time.monotonic() < end:
                tries += 1
                yield PAUSE_S
            raise Overdue(*where, held=not self._over)

    def _given(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value

    def _run(self, tell: Callable[[], None]) -> None:
        thread = threading.current_thread()
        before, thread.name, self._ident = thread.name, "author", thread.ident or 0
        try:
            self._value = self._fn()
        except BaseException as error:  # noqa: BLE001 - an author's code may raise anything; the caller gets it
            self._error = error
        while True:
            try:
                sys.settrace(None)
                with self._lock:
                    self._over = True
                thread.name = before
                tell()
                return
            except Ended:  # it came after the author's code had ended
                continue

    def _end(self, tries: int) -> bool:
        """Ask the thread to end, unless it has. True if it was asked."""
        with self._lock:
            if not self._over and self._ident:
                kind = ctypes.py_object(Ended if tries < INSIST_AFTER else _Insisting)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._ident), kind)
            return not self._over

    def _where(self) -> tuple[str, int]:
        """File and line the author's code has reached."""
        frame = sys._current_frames().get(self._ident)
        while frame is not None and not frame.f_code.co_filename.startswith(self._folder):
            frame = frame.f_back
        return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("", 0)


async def guarded(work: Callable[[], T], folder: str, *, what: str, file: str, line: int = 0, within: float,
                  give_up_s: float = GIVE_UP_S) -> T:
    """What `work`, which calls an author's code, gives; in a thread that is ended after `within` seconds.

    Raises `InvalidAnswer` as the author's code does, and `PluginError` for all else it raises or when it takes longer:
    `what`, as it begins a sentence, then took too long. `folder`: as in `Call`; `file` and `line` as in `blame`.
    """
    def working() -> T:
        try:
            return work()
        except (InvalidAnswer, PluginError, Ended):
            raise
        except BaseException as error:  # also SystemExit, which would end the server
            raise blame(error, folder, file=file, line=line) from error

    try:
        return await Call(working, folder).result(within, give_up_s=give_up_s)
    except Overdue as late:
        raise PluginError(f"{what} took longer than {within:g} s", file=shown(late.file or file, folder),
                          line=late.line or line) from None


def blame(error: BaseException, folder: str, *, message: str = "", hint: str = "", file: str = "",
          line: int = 0) -> PluginError:
    """The error card of something an author's code raised: the deepest line of theirs, and a traceback from there.

    `folder`: that of the author's file; paths are written as seen from the folder above it. `file` and `line` are
    used where the traceback knows none. Call it in the author's thread: their `__str__` runs.
    """
    with _as_it_ran(error):
        report = traceback.TracebackException.from_exception(error)
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(folder):
        file, line = error.filename, error.lineno or 0
    for frame in report.stack:
        if frame.filename.startswith(folder) and not isinstance(error, SyntaxError):
            file, line = frame.filename, frame.lineno or 0
    part: traceback.TracebackException | None = report
    while part is not None:
        theirs = [n for n, frame in enumerate(part.stack) if frame.filename.startswith(folder)]
        part.stack[:] = [frame for frame in part.stack[theirs[0]:] if not frame.filename.startswith((OWN, "<frozen "))
                         ] if theirs else []
        part = part.__cause__ or part.__context__
    details = "".join(report.format()).replace(os.path.dirname(folder.rstrip(os.sep)) + os.sep, "")
    if not message:
        lines = "".join(report.format_exception_only()).strip().splitlines()
        message = next((text for text in reversed(lines) if text and not text[0].isspace()), type(error).__name__)
        for place in (OWN, folder):
            message = message.partition(f" ({place}")[0]  # an ImportError says where it looked
        message = VERSIONED.sub("", message)
    kind = PluginError
    if isinstance(error, ModuleNotFoundError) and (package := _missing(error)):
        kind, message = MissingPackage, f"It needs {package}, which is not installed"
        hint = install(DISTRIBUTIONS.get(package, package))
    details = details[:10_000] + details[10_000:][-10_000:]  # it may hold all that an author's code has read
    card = kind(_said(message[:500]), file=shown(file, folder), line=line, details=_said(details), hint=hint)
    if isinstance(card, MissingPackage):
        card.package = package
    return card


@contextmanager
def _as_it_ran(error: BaseException) -> Iterator[None]:
    """Let a traceback quote the lines of the version that ran: its file may hold others by now."""
    primed: set[str] = set()
    chain: list[BaseException] = [error]
    while (after := chain[-1].__cause__ or chain[-1].__context__) is not None and after not in chain:
        chain.append(after)
    for frame, _ in (each for part in chain for each in traceback.walk_tb(part.__traceback__)):
        file, name = frame.f_code.co_filename, str(frame.f_globals.get("__name__", ""))
        if file not in primed and name.startswith("treadle_plugins."):
            with suppress(Exception):  # an author may put anything in the place of a loader
                text: str = frame.f_globals["__loader__"].get_source(name)
                linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # None: not looked for
                primed.add(file)
    try:
        yield
    finally:
        for file in primed:
            linecache.cache.pop(file, None)


def _missing(error: ModuleNotFoundError) -> str:
    """The package that could be installed; "" where the author's own file is meant."""
    name = (error.name or "").partition(".")[0]
    return "" if name in ("treadle", "treadle_plugins") else name


def _said(text: str) -> str:
    return without_secrets(storable(text))


def folder_of(fn: Any) -> str:
    """The folder of the file a function was written in, with a separator at its end; "" is no file of an author."""
    code = getattr(fn, "__code__", None) or getattr(getattr(fn, "func", None), "__code__", None)
    return os.path.dirname(code.co_filename) + os.sep if code is not None else ""


def shown(file: str, folder: str) -> str:
    """A path as a person reads it: from the folder above that of the plugins."""
    return storable(file.removeprefix(os.path.dirname(folder.rstrip(os.sep)) + os.sep))
