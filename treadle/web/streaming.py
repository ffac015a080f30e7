"""A reply while it is written: drawn once for all who look, each flush at a cost that does not grow with the reply."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic, thread_time

from loguru import logger

from . import markdown
from .growing import Growing
from .highlight import escape, loaded
from .markdown import HTML_OVER, PLAIN_OVER, clean, plain, reply_blocks, with_ids
from .shown import Shown

ON_LOOP = 1_000        # characters of an unfinished block that are drawn on the loop; more goes to the thread
CLOSE_ON_LOOP = 2_000  # characters of a whole reply that are drawn on the loop when it ends
REST_TIMES = 20        # what took t of CPU to draw is drawn again no earlier than this times t later
QUICK_S = 0.002        # what takes less may be drawn at every flush, and on the loop
LINE = 4               # signs that one more line is worth
AT_ONCE = 400          # characters that are added on the loop at once
SIGNS = 80             # of Markdown in an unfinished block that is drawn on the loop; hostile texts have many
PART = 2_000           # characters of plain text in one element: appending to a long one costs the browser its layout
SIGN = re.compile(r"[\[!*_`<>~&|\\]")
NESTED = re.compile(r"(?:[-*+] |> ?|\d[.)] ){10}")
FENCES = re.compile(r"(?:`{3,}|~{3,})[ \t]*([^\s`]+)")


class LiveMarkdown:
    """The body of one reply. Ids begin with `prefix`; it stands in the element `#{prefix}-body`.

    `feed` and `close` may be called in a thread, one at a time; `html`, `changes` and `rev` meanwhile give what was
    there before.
    """

    def __init__(self, prefix: str) -> None:
        self.redrawn = False  # whether the final drawing changed more than the end: for late definitions it must
        self._prefix = prefix
        self._growing = Growing()
        self._shown = Shown(prefix, f"{prefix}-body")
        self._text: list[str] = []
        self._length = self._drawn = 0
        self._plain = self._ended = False

    @property
    def rev(self) -> int:
        """The rev that is drawn."""
        return self._shown.rev

    def html(self) -> str:
        """The inner HTML of the body."""
        return self._shown.html()

    def changes(self, after: int) -> str:
        """`<hx-partial>`s for a viewer at rev `after`; one that is further already is not harmed."""
        return self._shown.changes(after)

    def feed(self, text: str, rev: int) -> None:
        """The text goes on."""
        if self._ended:
            return
        self._text.append(text)
        self._length += len(text)
        if not self._plain and self._length <= PLAIN_OVER:
            try:
                self._growing.feed(text)
                closed, self._growing.closed = self._growing.closed, []
                tail = self._growing.tail()
                self._drawn += sum(map(len, closed))
                if self._drawn + sum(map(len, tail)) <= HTML_OVER:
                    self._shown.publish(rev, closed, tail)
                    return
            except Exception:  # noqa: BLE001 - a text that breaks the parser is still a text
                logger.exception("a reply of {} characters could not be drawn as Markdown", self._length)
        if not self._plain:
            self._plain = True
            self._shown = Shown(self._prefix, f"{self._prefix}-body")
        self._shown.publish(rev, [], [plain(clean(self._whole()))])

    def close(self, rev: int, rest: str = "") -> None:
        """The end of the text, after `rest`: all is drawn once more, as for a page, and what differs drawn again."""
        if self._ended:
            return
        self._ended = True
        self._text.append(rest)
        self.redrawn = self._shown.settle(rev, self._blocks(self._whole()))

    def _blocks(self, text: str) -> list[str]:
        if not self._plain and len(text) <= PLAIN_OVER:
            try:
                drawn = self._growing.finish(text)
                if sum(map(len, drawn)) <= HTML_OVER:
                    return with_ids(self._prefix, drawn)
            except Exception:  # noqa: BLE001 - as above; `reply_blocks` knows what to do
                logger.warning("a reply of {} characters is drawn as a page draws it", len(text))
        return reply_blocks(self._prefix, text)

    def costly(self, text: str, *, close: bool = False) -> bool:
        """Whether feeding this, or closing after it, may take more than a few milliseconds."""
        tail = self._growing.source + text
        return (not markdown.is_warm() or len(text) > AT_ONCE or len(tail) > ON_LOOP
                or self._length + len(text) > (CLOSE_ON_LOOP if close else PLAIN_OVER)
                or len(SIGN.findall(tail)) + LINE * tail.count("\n") > SIGNS or NESTED.search(tail) is not None
                or not all(map(loaded, FENCES.findall(tail))))

    def _whole(self) -> str:
        self._text = ["".join(self._text)]
        return self._text[0]


class LivePlain:
    """A plain text that grows, newlines kept, in the element `#{prefix}` itself: what a model thinks."""

    def __init__(self, prefix: str) -> None:
        self._shown = Shown(prefix, prefix)
        self._open = self._carry = ""

    @property
    def rev(self) -> int:
        """The rev that is drawn."""
        return self._shown.rev

    def html(self) -> str:
        """The inner HTML."""
        return self._shown.html()

    def changes(self, after: int) -> str:
        """`<hx-partial>`s for a viewer at rev `after`; one that is further already is not harmed."""
        return self._shown.changes(after)

    def feed(self, text: str, rev: int) -> None:
        """The text goes on."""
        text = self._carry + text
        self._carry = "\r" if text.endswith("\r") else ""  # it may be half of a line end
        self._open += clean(text.removesuffix("\r"))
        closed = []
        while (cut := self._open.find("\n", PART, 2 * PART) + 1) or len(self._open) > 2 * PART:
            cut = cut or 2 * PART
            closed.append(f"<div>{escape(self._open[:cut])}</div>")
            self._open = self._open[cut:]
        self._shown.publish(rev, closed, self._tail())

    def close(self, rev: int) -> None:
        """The end of the text."""
        self._open += clean(self._carry)
        self._carry = ""
        self._shown.publish(rev, [], self._tail(), last=True)

    def _tail(self) -> list[str]:
        return [f"<div>{escape(self._open)}</div>"] if self._open else []


class LiveReply:
    """A `LiveMarkdown` that never holds the loop: what is quick is drawn at once, what is not in the render thread.

    `wake` is called on the loop when a rendering in the thread is finished. Lives on the loop.
    """

    def __init__(self, prefix: str, *, wake: Callable[[], None]) -> None:
        self._live = LiveMarkdown(prefix)
        self._wake = wake
        self._text: list[str] = []
        self._given = 0
        self._busy = self._closing = self._closed = self._slow = False
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._waiters: list[asyncio.Future[None]] = []
        if not markdown.is_warm():
            _THREAD.run(markdown.warm)

    @property
    def rev(self) -> int:
        """The rev that is drawn."""
        return self._live.rev

    def html(self) -> str:
        """The inner HTML of the body, as far as it is drawn."""
        return self._live.html()

    def changes(self, after: int) -> str:
        """`<hx-partial>`s for a viewer at rev `after`."""
        return self._live.changes(after)

    def update(self, text: str, rev: int) -> None:
        """The text goes on with `text`. Returns at once."""
        self._text.append(text)
        self._given = rev
        self._go()

    def close(self, rev: int, rest: str = "") -> None:
        """The end of the text, after `rest`. Returns at once; `settled` waits for it, and `rev` is reached by then."""
        if rest:
            self._text.append(rest)
        self._given, self._closing = rev, True
        self._go()

    async def settled(self) -> None:
        """Wait until all that was given is drawn. Cancelling leaves the drawing alone."""
        while self._pending or self._busy:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    @property
    def _pending(self) -> bool:
        return bool(self._text) or (self._closing and not self._closed)

    def _go(self) -> None:
        if self._busy or not self._pending:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        delay = self._not_before - monotonic()
        if loop is not None and delay > 0 and not self._closing:
            if self._timer is None:
                self._timer = loop.call_later(delay, self._due)
            return
        text, close, rev = "".join(self._text), self._closing, self._given
        self._text.clear()
        self._closed = close
        if loop is not None and (self._slow or self._live.costly(text, close=close)):
            self._busy = True
            _THREAD.run(lambda: self._draw(text, rev, close), lambda took: self._drawn(took, loop))
        else:
            began = thread_time()
            self._draw(text, rev, close)
            self._slow = thread_time() - began > QUICK_S

    def _due(self) -> None:
        self._timer = None
        before = self.rev
        self._go()
        if self.rev != before:
            self._wake()
        self._tell()

    def _draw(self, text: str, rev: int, close: bool) -> None:
        if close:
            self._live.close(rev, text)
        else:
            self._live.feed(text, rev)

    def _drawn(self, took: float, loop: asyncio.AbstractEventLoop) -> None:
        """In the thread, when it has drawn."""
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._finished, took)

    def _finished(self, took: float) -> None:
        self._busy = False
        self._slow = took > QUICK_S
        self._not_before = monotonic() + REST_TIMES * took if self._slow else 0.0
        self._go()
        self._wake()
        self._tell()

    def _tell(self) -> None:
        if not self._pending and not self._busy:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)


class _RenderThread:
    """One thread for all replies. A daemon: what it draws is worth nothing once the server ends."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], None], Callable[[float], None]]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, job: Callable[[], None], then: Callable[[float], None] = lambda took: None) -> None:
        """Run `job`, and then, in the thread, `then` with the seconds of CPU it took."""
        self._jobs.put((job, then))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="render", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            job, then = self._jobs.get()
            began = thread_time()  # CPU: a busy machine makes nothing costlier
            try:
                job()
            except Exception:  # noqa: BLE001 - one reply must not end the drawing of the others
                logger.exception("drawing a reply failed")
            then(thread_time() - began)


_THREAD = _RenderThread()
