"""The tasks that ask a model and write its replies. A reply belongs to the server, never to the request that asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from .clock import Clock
from .context import Context, fitted
from .conversation import Conversations, Ending, Message, Place
from .db import Database
from .errors import ModelError, NotFound, OllamaDown, StorageError, TreadleError
from .llm import Llm, Piece, ToolCall
from .tasks import Tasks
from .text import storable
from .tools import Tools

WINDOW_S = 0.04        # at most 25 flushes a second, the first at once
MAX_REPLY = 1_000_000  # bytes of text and thinking together; a longer reply is cut
ROUNDS = 4             # answers of the model for one reply; the last may look nothing up
CALLS_MOST = 4         # looked up between two of them
KNOWS_NONE = "does not support tools"  # what Ollama says of such a model
AGAIN_S = 1.0          # between two tries to save what the disk refused
CUT = "The reply was cut at 1 MB."
NO_ROOM = "The model has no room left; the reply ends here."
NO_TEXT = "The model sent no text."
BROKEN = "Treadle failed while this reply was being written; the log says where."

Hook = Callable[[Message], Coroutine[Any, Any, None]]


@dataclass
class Incoming:
    """Text of one kind that has come and is not flushed yet."""

    text: str = ""
    half: str = ""  # the first half of a surrogate pair, until the second comes

    def add(self, text: str, room: int) -> int:
        """Keep at most `room` bytes of it, whole characters; returns how many there were."""
        text = self.half + text
        self.half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        whole = storable(text.removesuffix(self.half)).encode()
        self.text += whole[:room].decode(errors="ignore")
        return len(whole)

    def rest(self) -> str:
        """All of it, at the end."""
        return self.text + storable(self.half)


@dataclass
class Live:
    """An active reply in memory: its task, and what has come since the last flush. Times are monotonic."""

    reply: int
    task: asyncio.Task[None] | None = None
    text: Incoming = field(default_factory=Incoming)
    thinking: Incoming = field(default_factory=Incoming)
    size: int = 0                       # bytes that came
    said: bool = False                  # text has come, not only thinking
    flushed: bool = False               # the row knows of the first piece
    thought: bool = False               # the row knows of the end of the thinking
    thinking_since: float | None = None
    thinking_s: float | None = None     # the thinking has ended after so long
    tokens_per_s: float | None = None
    note: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Replies:
    """Sending, stopping and repeating, and the task of each active reply.

    `after_reply` is called with every reply that has ended, each time as a task of its own, so that nothing slow
    stands between the last token and the next question.
    """

    def __init__(self, conversations: Conversations, llm: Llm, context: Context, tools: Tools, clock: Clock,
                 tasks: Tasks, db: Database) -> None:
        self._conversations, self._llm, self._context, self._tools = conversations, llm, context, tools
        self._toolless: set[str] = set()  # models that know no tools
        self._clock, self._tasks, self._db = clock, tasks, db
        self._live: dict[int, Live] = {}
        self.after_reply: list[Hook] = []

    def start(self) -> None:
        """Questions that waited for a model before a restart go on waiting."""
        for reply in self._conversations.waiting():
            self._begin(reply)

    # -- commands: each returns when what it did is on the disk. A request that is cancelled changes nothing of that.

    async def send(self, conversation: int, text: str, *, client_id: str, place: Place) -> Message:
        """Ask. Returns the reply, which has its id and is written by a task of its own.

        The same `client_id` again is the same question. Raises what `Conversations.ask` raises.
        """
        status = self._llm.status
        _, reply = self._conversations.ask(conversation, text, client_id=client_id, place=place,
                                           waiting=not status.ready, model=status.chosen)
        return await self._accept(reply)

    async def retry(self, reply: int) -> Message:
        """Answer the question of `reply` anew; the new reply stands for the old one. Raises `Conflict`, `NotFound`."""
        status, old = self._llm.status, self._conversations.get(reply)
        return await self._accept(self._conversations.again(old, waiting=not status.ready, model=status.chosen))

    async def continue_(self, reply: int) -> Message:
        """Go on from the text of an interrupted reply. Raises `Conflict`, `NotFound`."""
        status, old = self._llm.status, self._conversations.get(reply)
        return await self._accept(self._conversations.go_on(old, waiting=not status.ready, model=status.chosen))

    async def stop(self, conversation: int) -> None:
        """Settle the active reply as stopped, with all that has come, and free the model. Nothing active: nothing.

        The next question may be sent at once; what the model still says is heard by nobody.
        """
        if (reply := self._conversations.active(conversation)) is not None:
            self._stop(reply)
            await self._db.durable()

    async def cancel(self, conversation: int, reply: int = 0) -> str:
        """Take back a question that has no answer yet and return its text; "" where there is nothing to give back.

        `reply`: which one is meant, by default the active one. One that has begun to speak is stopped instead.
        Asked again because the answer was lost, it returns the same text.
        """
        meant = self._conversations.get(reply) if reply else self._conversations.active(conversation)
        if meant is None:
            return ""
        if meant.conversation != conversation:
            raise NotFound(f"There is no message {reply} in this conversation.")
        live = self._live.get(meant.id)
        text = ""
        if meant.active and (meant.answered_at is not None or (live is not None and live.size)):
            self._stop(meant)
        elif meant.active or meant.deleted:
            text = self._conversations.take_back(meant)
            if live is not None and live.task is not None:
                live.task.cancel()
        await self._db.durable()
        return text

    async def _accept(self, reply: Message) -> Message:
        try:
            await self._db.durable()
        except StorageError as error:
            self._conversations.settle(reply.id, "failed", error=error.message)
            raise
        finally:  # also for a request that is cancelled; the reply may have been stopped while the disk was busy
            reply = self._conversations.get(reply.id)
            if reply.active:
                self._begin(reply)
        return reply

    # -- the task

    def _begin(self, reply: Message) -> None:
        if reply.id not in self._live:
            live = self._live[reply.id] = Live(reply.id)
            live.task = self._tasks.start(self._run(live, reply), name=f"reply {reply.id}")
            live.task.add_done_callback(lambda _: self._live.pop(reply.id, None))

    async def _run(self, live: Live, reply: Message) -> None:
        """Write one reply to its end. Cancelled without Stop, the server is going down: it is interrupted."""
        state: Ending = "failed"
        error = ""
        try:
            if not await self._write(live, reply):
                return
            state = "done"
        except asyncio.CancelledError:
            if self._conversations.get(live.reply).state == "streaming":
                self._settle(live, "interrupted")
            raise
        except TreadleError as problem:
            error = problem.message
        except Exception:  # noqa: BLE001 - whatever fails, a reply must end
            logger.exception("reply {} failed", live.reply)
            error = BROKEN
        while True:
            try:
                return self._settle(live, state, error=error)
            except StorageError as problem:
                logger.error("reply {} cannot be saved yet: {}", live.reply, problem.message)
                await self._clock.sleep(AGAIN_S)

    async def _write(self, live: Live, reply: Message) -> bool:
        """Ask the model, when there is one, and write what it says. False if the reply was ended by somebody else."""
        while True:
            if reply.state == "waiting":
                await self._llm.wait_ready()
                if not self._conversations.begin(reply.id, model=self._llm.status.chosen):
                    return False
                reply = self._conversations.get(reply.id)
            turns = await self._context.build(reply.conversation, reply.place, upto=reply.id)
            loading = self._tasks.start(self._say_loading(live, reply), name=f"is the model of reply {reply.id} loaded")
            reader = asyncio.create_task(self._read(live, turns, reply), name=f"model for reply {reply.id}")
            try:
                return await self._flush_until_end(live, reader)
            except OllamaDown:
                if live.size or not self._conversations.hold(reply.id):
                    raise
                reply = self._conversations.get(reply.id)  # waits again: the status knows that nobody is there
            finally:
                loading.cancel()
                reader.cancel()
                await asyncio.wait([reader])  # it has closed its connection to the model
                if not reader.cancelled():
                    reader.exception()  # known: either raised above, or of no interest after an end

    async def _say_loading(self, live: Live, reply: Message) -> None:
        """While the first piece is awaited, say so if the model has to be loaded, which can take minutes."""
        if not await self._llm.in_memory(reply.model) and not live.flushed:
            self._conversations.remark(reply.id, f"Loading {reply.model} into memory")

    async def _flush_until_end(self, live: Live, reader: asyncio.Task[None]) -> bool:
        reader.add_done_callback(lambda _: live.news.set())
        while not reader.done():
            await live.news.wait()
            live.news.clear()
            if not self._flush(live):
                return False
            with suppress(TimeoutError):
                await self._clock.wait_for(asyncio.wait([reader]), WINDOW_S)  # the end waits for no window
        reader.result()
        return True

    async def _read(self, live: Live, turns: list[dict[str, Any]], reply: Message) -> None:
        """Take the pieces as they come, up to the limit, and look up what the model asks for in between.

        Ending in any way closes the connection to the model.
        """
        for left in reversed(range(ROUNDS)):
            offered = self._tools.offered() if left and reply.model not in self._toolless else []
            try:
                said, calls = await self._listen(live, turns, reply.model, offered)
            except ModelError as error:
                if not offered or live.size or KNOWS_NONE not in error.message:
                    raise
                self._toolless.add(reply.model)
                said, calls = await self._listen(live, turns, reply.model, [])
            if not calls or live.note == CUT:
                break
            turns = fitted([*turns, *await self._look_up(reply, said, calls)])
            if said:
                self._keep(live, Piece("\n\n"))  # what comes is a paragraph of its own
        if not live.said and not live.note:
            live.note = NO_TEXT

    async def _listen(self, live: Live, turns: list[dict[str, Any]], model: str,
                      offered: list[dict[str, Any]]) -> tuple[str, list[ToolCall]]:
        """One answer of the model, which is kept: what it says, and what it asks to have called."""
        said, calls = "", list[ToolCall]()
        async with aclosing(self._llm.chat(turns, model=model, tools=offered)) as pieces:
            async for piece in pieces:
                calls += piece.calls if offered else ()
                said += piece.text
                self._keep(live, piece)
                if live.size >= MAX_REPLY:
                    live.note = CUT
                    break
        return said, calls[:CALLS_MOST]

    async def _look_up(self, reply: Message, said: str, calls: list[ToolCall]) -> list[dict[str, Any]]:
        """The turns that tell the model what it asked for. Only what reads is done."""
        asked = [{"function": {"name": call.name, "arguments": call.arguments}} for call in calls]
        turns: list[dict[str, Any]] = [{"role": "assistant", "content": said, "tool_calls": asked}]
        for call in calls:
            began = self._clock.monotonic()
            found = await self._tools.call(call.name, call.arguments, reply.place)
            if found.said:
                self._conversations.looked_up(reply.id, found.said, self._clock.monotonic() - began)
            turns.append({"role": "tool", "tool_name": call.name, "content": found.text})
        return turns

    def _keep(self, live: Live, piece: Piece) -> None:
        if piece.thinking:
            live.thinking_since = live.thinking_since or self._clock.monotonic()
            live.size += live.thinking.add(piece.thinking, MAX_REPLY - live.size)
        if piece.text:
            live.said = True
            if live.thinking_since is not None and live.thinking_s is None:
                live.thinking_s = self._clock.monotonic() - live.thinking_since
            live.size += live.text.add(piece.text, MAX_REPLY - live.size)
        if piece.done:
            live.tokens_per_s = piece.tokens_per_s
            live.note = NO_ROOM if piece.reason == "length" else ""
        live.news.set()

    def _flush(self, live: Live) -> bool:
        """Write what has come. False if the reply is no longer its conversation's current one."""
        if not live.text.text and not live.thinking.text:
            return True
        current = self._conversations.write(live.reply, text=live.text.text, thinking=live.thinking.text,
                                            thinking_s=None if live.thought else live.thinking_s,
                                            first=not live.flushed)
        live.text.text = live.thinking.text = ""
        live.flushed, live.thought = True, live.thinking_s is not None
        return current

    def _stop(self, reply: Message) -> None:
        live = self._live.get(reply.id) or Live(reply.id)
        self._settle(live, "stopped")
        if live.task is not None:
            live.task.cancel()

    def _settle(self, live: Live, state: Ending, *, error: str = "") -> None:
        """End it with all that has come. What is to happen after a reply happens in tasks of its own."""
        thought_s = live.thinking_s
        if thought_s is None and live.thinking_since is not None:
            thought_s = self._clock.monotonic() - live.thinking_since
        if self._conversations.settle(live.reply, state, rest=live.text.rest(), rest_thinking=live.thinking.rest(),
                                      error=error, note=live.note if state == "done" else "", thinking_s=thought_s,
                                      tokens_per_s=live.tokens_per_s):
            logger.info("reply {}: {}, {} bytes", live.reply, state, live.size)
            if state != "interrupted":
                self._tasks.start(self._sweep(live.reply), name=f"sweep after reply {live.reply}")
                reply = self._conversations.get(live.reply)
                for hook in self.after_reply:
                    self._tasks.start(hook(reply), name=f"after reply {live.reply}")

    async def _sweep(self, reply: int) -> None:
        while self._conversations.sweep(reply):
            await asyncio.sleep(0)
