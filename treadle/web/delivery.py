"""The open streams: one cursor and one socket each, woken together, delayed by nobody.

Each conversation that is watched has one task. It waits for the feed, has the frame drawn that most viewers need, and
gives it to them, at most 25 times a second. A viewer that cannot take it at once waits in its own task; its next frame
holds all it has missed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from typing import Any
from weakref import WeakKeyDictionary

from ..core import Core
from .slots import Slots
from .viewport import Frame, Position, Viewport

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]

FRAME_S = 0.04      # at most 25 frames a second, the first at once
EARLY_S = 0.02      # so much early may one be, as flushes come at the same pace and are not to wait for ours
BEAT_S = 14         # whole seconds; a quiet stream says something at the latest one second after that
STUCK_S = 30        # a viewer that has taken nothing for so long is let go; it resumes when it reads again
SLICE = 65_536      # bytes given to a socket at once, so that what a stuck viewer holds is bounded
AT_ONCE = 50        # viewers that are given a frame before the loop may do something else
RECONNECT_MS = 300  # as in the htmx-config of the page
RETRY_MS = (700, 1500)  # when the server stops: between these, at random, so that not all come back at once
BEAT = b":\n\n"


class _Rest:
    """What is left of a coroutine that was begun in another task and could not end at once, to be awaited here."""

    def __init__(self, begun: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._begun, self._waits_for = begun, waits_for

    def __await__(self) -> Generator[Any, None, None]:
        try:
            yield self._waits_for
        except BaseException:
            self._begun.close()
            raise
        yield from self._begun.__await__()


class Stream:
    """One viewer of a conversation."""

    def __init__(self, viewport: Viewport, position: Position, send: Send, core: Core) -> None:
        self.viewport, self.position = viewport, position
        self.beat = False
        self.since = 0.0  # when the socket was last given something it has not taken yet; 0: it has
        self._send_message, self._clock = send, core.clock
        self._seen = -1
        self._first = True
        self._ended = self._stuck = False
        self._farewell = b""
        self._waiter: asyncio.Future[None] | None = None
        self._rest: _Rest | None = None
        self._task = asyncio.current_task()

    def wake(self) -> None:
        """There may be something new."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def give(self, start: Position, frame: Frame) -> None:
        """Send the frame that begins at `start` now, without waking the viewer's own task.

        Where it cannot be done at once, or another frame is needed, that task is woken and sees to it.
        """
        idle = self._waiter is not None and not self._waiter.done()
        if not idle or self.position != start or self._first or len(frame.data) > SLICE:
            self.wake()
            return
        self._seen, self.position, self.beat = self.viewport.generation, frame.end, False
        sending = self._send(frame.data)
        try:
            self._rest = _Rest(sending, sending.send(None))
        except StopIteration:
            return  # the socket has taken it
        except Exception:  # noqa: BLE001 - the viewer is gone; it must not keep the frame from the others
            self._ended = True
        self.wake()

    def end(self, farewell: bytes = b"") -> None:
        """End the response; the viewer comes back by itself. Safe to call again."""
        self._ended, self._farewell = True, farewell
        self.wake()

    def drop(self) -> None:
        """End it although its socket takes nothing."""
        self._stuck = True
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Send until told to end. Never raises for a viewer that is gone or stuck."""
        try:
            await self._hello()
            while not self._ended:
                if self._rest is not None:
                    rest, self._rest = self._rest, None
                    await rest
                elif self._seen != self.viewport.generation:
                    await self._catch_up()
                elif self.beat:
                    self.beat = False
                    await self._send(BEAT)
                else:
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
            await self._send(self._farewell, more=False)
        except asyncio.CancelledError:
            if not self._stuck or self._task is None:
                raise
            self._task.uncancel()

    async def once(self) -> None:
        """What is new, and the end: for a viewer without a slot."""
        await self._hello()
        await self._catch_up()
        await self._send(b"", more=False)

    async def _hello(self) -> None:
        """Something at once: the viewer's own cursor, which swaps nothing and says that it is connected."""
        id = self.viewport.id(self.position)
        await self._send(f"id: {id}\n\n".encode() if id else BEAT)
        await self.viewport.prepare_after(self.position)

    async def _catch_up(self) -> None:
        """Send what is new, as one message."""
        self._seen = self.viewport.generation
        frame = self.viewport.frame(self.position)
        self.position = frame.end
        if not frame.data:
            return
        self.beat = False
        data = frame.data
        if self._first:  # a hint from the last shutdown is for that one only, and is heard only together with data
            self._first, data = False, b"retry: %d\n" % RECONNECT_MS + data
        for start in range(0, len(data), SLICE):
            await self._send(data[start:start + SLICE] if len(data) > SLICE else data)

    async def _send(self, data: bytes, *, more: bool = True) -> None:
        self.since = self._clock.monotonic()
        await self._send_message({"type": "http.response.body", "body": data, "more_body": more})
        self.since = 0.0


class Delivery:
    """All open streams of one server."""

    def __init__(self, core: Core) -> None:
        self.slots = Slots()
        self._core, self._clock = core, core.clock
        self._streams: dict[Viewport, set[Stream]] = {}
        self._following: dict[Viewport, asyncio.Task[None]] = {}
        self._buckets: list[set[Stream]] = [set() for _ in range(BEAT_S)]
        self._beating = False
        self._closing = False

    @property
    def count(self) -> int:
        """How many streams are open."""
        return sum(len(streams) for streams in self._streams.values())

    async def serve(self, stream: Stream, receive: Receive) -> None:
        """Send until the viewer leaves, is let go, or the server stops."""
        viewport = stream.viewport
        streams = self._streams.get(viewport)
        if streams is None:
            streams = self._streams[viewport] = set()
            self._following[viewport] = self._core.tasks.start(self._follow(viewport, streams), name="stream")
        if not self._beating:
            self._beating = True
            self._core.tasks.start(self._beats(), name="heartbeat")
        bucket = min(self._buckets, key=len)
        streams.add(stream)
        bucket.add(stream)
        viewport.watched += 1
        watch = asyncio.get_running_loop().create_task(_left(receive, stream))
        if self._closing:
            stream.end(_retry())
        try:
            await stream.run()
        finally:
            watch.cancel()
            bucket.discard(stream)
            streams.discard(stream)
            viewport.watched -= 1
            if not streams:
                del self._streams[viewport]
                self._following.pop(viewport).cancel()
                viewport.rest()

    def close(self) -> None:
        """The server stops: every stream ends now, with a hint when to come back."""
        self._closing = True
        for streams in self._streams.values():
            for stream in streams:
                stream.end(_retry())

    async def _follow(self, viewport: Viewport, streams: set[Stream]) -> None:
        """Wake the viewers of one conversation whenever there is something for them."""
        feed, clock, at, due = self._core.feed, self._clock, viewport.now(), 0.0
        viewport.generation += 1  # the first viewer may have looked while a rendering, finished since, was behind
        for stream in streams:
            stream.wake()
        try:
            while streams:
                tick, due = feed.tick, max(due, clock.monotonic()) + FRAME_S
                if not viewport.exists():
                    break
                await viewport.prepare_after(at)
                frame = viewport.frame(at)
                if frame.data:
                    start, at = at, frame.end
                    viewport.generation += 1
                    for number, stream in enumerate(tuple(streams), 1):
                        stream.give(start, frame)
                        if number % AT_ONCE == 0:
                            await asyncio.sleep(0)
                await feed.wait_after(tick)
                if (early := due - EARLY_S - clock.monotonic()) > 0:
                    await clock.sleep(early)
        finally:  # also when drawing failed: a viewer is closed and resumes, never left in silence
            for stream in streams:
                stream.end()

    async def _beats(self) -> None:
        """Every second a share of the streams is asked to say that it is alive, and those that are stuck are let go."""
        turn = 0
        while self._streams:
            await self._clock.sleep(1)
            turn = (turn + 1) % BEAT_S
            now = self._clock.monotonic()
            for stream in tuple(self._buckets[turn]):
                stream.beat = True
                stream.wake()
                if stream.since and now - stream.since > STUCK_S:
                    stream.drop()
        self._beating = False


async def _left(receive: Receive, stream: Stream) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.end()


def _retry() -> bytes:
    return b"retry: %d\ndata:\n\n" % random.randint(*RETRY_MS)


_OF: WeakKeyDictionary[Core, Delivery] = WeakKeyDictionary()


def delivery(core: Core) -> Delivery:
    """The streams of this core's server; one for each core."""
    found = _OF.get(core)
    if found is None:
        found = _OF[core] = Delivery(core)
    return found


def close_all() -> None:
    """Every server in this process stops."""
    for each in list(_OF.values()):
        each.close()
