"""The model of a server: where it is, in which state, which one answers, and its replies piece by piece."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, Literal

from loguru import logger

from ..clock import Clock
from ..config import Settings
from ..db import Database
from ..errors import Conflict, InvalidAnswer, ModelError, OllamaDown, StorageError
from ..feed import Feed
from ..tasks import Tasks
from . import demo
from .pull import download, first_progress
from .status import (
    DEFAULT_ADDRESS,
    InstalledModel,
    ModelStatus,
    Piece,
    PullProgress,
    ToolCall,
    is_default,
    is_installed,
    parse_address,
)
from .wire import FAILED, NotOllama, get_json, installed, piece, post_lines, request

__all__ = ["InstalledModel", "Llm", "ModelStatus", "Piece", "PullProgress", "ToolCall"]

FIRST_S = 600.0    # until the first piece: a model may have to be loaded
IDLE_S = 60.0      # between two pieces
WINDOW = 8_192     # tokens the model is told to keep in view; `context` fits into it with room for the answer
POLL_S = 1.0       # between two looks while no question can be sent
READY_POLL_S = 5.0
SAID_S = 6.0       # how long "ready" is said after a condition
PATIENCE = 3       # looks that may time out in a row before a model that was ready counts as gone: it may be busy

Found = tuple[InstalledModel, ...] | Literal["refused", "foreign", "silent"]


class Llm:
    """Ollama, or the canned model of `--demo`. Lives on the event loop."""

    def __init__(self, settings: Settings, db: Database, feed: Feed, clock: Clock, tasks: Tasks, *,
                 default: str = DEFAULT_ADDRESS) -> None:
        """`default`: where Ollama is when neither a person nor OLLAMA_HOST says so."""
        self._settings, self._db, self._feed, self._clock, self._tasks = settings, db, feed, clock, tasks
        self._default = default
        self._look = asyncio.Event()
        self._pulling: asyncio.Task[None] | None = None
        self._libraries: asyncio.Future[None] | None = None
        self._silent = 0
        self._said_until = 0.0
        self.redact: Callable[[str], str] = str  # the core puts in what takes secrets out of what is sent
        self.status = ModelStatus(address=self._address(), chosen=self._read("model.chosen"))
        if settings.demo:
            self.status = ModelStatus("demo", address="", models=(InstalledModel(demo.NAME, 0),), chosen=demo.NAME)

    # -- the state

    def start(self) -> None:
        """Begin to watch the address: every second while no question can be sent, every five when one can."""
        if not self._settings.demo:
            self._tasks.start(self._watch(), name="model watcher")

    async def _watch(self) -> None:
        while True:
            self._look.clear()
            await self.check()
            pause = SAID_S if self.status.was_down else READY_POLL_S if self.status.ready else POLL_S
            with suppress(TimeoutError):
                await self._clock.wait_for(self._look.wait(), pause)
            if self.status.ready:
                await self._import()  # not at the start, when nothing has been asked; here nobody waits for it

    async def check(self) -> None:
        """Look now what answers at the address, and change the status accordingly."""
        address = self._address()
        found: Found
        try:
            parse_address(address)  # OLLAMA_HOST may hold anything
            found = installed(await get_json(address, "/api/tags", clock=self._clock))
        except (OllamaDown, InvalidAnswer):
            found = "refused"
        except NotOllama:
            found = "foreign"
        except TimeoutError:
            found = "silent"
        if address == self._address():  # else somebody has changed it meanwhile, and looks
            self._judge(found)

    def check_soon(self) -> None:
        """Have the watcher look at once."""
        self._look.set()

    def _judge(self, found: Found) -> None:
        """The one place where a state follows from what was seen."""
        old, address = self.status, self._address()
        self._silent = self._silent + 1 if found == "silent" else 0
        if found == "silent" and old.ready and old.address == address and self._silent < PATIENCE:
            return
        pull = old.pull if self._pulling is not None else None
        status = old._replace(kind="checking", address=address, models=(), pull=pull, was_down=False)
        if isinstance(found, str):
            if found != "refused" or not (is_default(address) or address == self._default):
                status = status._replace(kind="wrong_address")
            else:
                status = status._replace(kind="not_running" if is_installed() else "not_installed")
        elif not found:
            status = status._replace(kind="pulling" if pull else "no_model")
        else:
            names = [model.name for model in found]
            wanted = self._read("model.chosen")
            if old.kind not in ("checking", "ready"):
                self._said_until = self._clock.monotonic() + SAID_S
            status = status._replace(kind="ready", models=found, problem="", failed="",
                             chosen=wanted if wanted in names else names[0],
                             was_down=self._clock.monotonic() < self._said_until)
        self._show(status)

    def _show(self, status: ModelStatus) -> None:
        """Make it the status; the rev of its row tells every viewer."""
        if status == self.status:
            return
        if status.kind != self.status.kind:
            logger.info("model: {} at {}", status.kind, status.host)
        self.status = status
        try:
            self._write("model.status", status.kind)
        except StorageError as error:
            logger.warning("model: {}", error.message)  # what is shown next is right again
            self._feed.wake()

    async def wait_ready(self) -> None:
        """Return when a question may be sent; at once if one may. Cancelling harms nobody."""
        tick = self._feed.tick
        while not self.status.ready:
            tick = await self._feed.wait_after(tick)

    async def in_memory(self, model: str) -> bool:
        """Whether Ollama has loaded `model`, so that it answers at once. False also where nobody can tell."""
        if self._settings.demo:
            return True
        try:
            loaded = await get_json(self.status.address, "/api/ps", clock=self._clock)
        except (ModelError, TimeoutError):
            return False
        return model in [entry.name for entry in installed(loaded)]

    # -- what a person chooses

    async def choose(self, name: str) -> None:
        """Remember the model that answers from now on. Raises `InvalidAnswer` for one that is not installed."""
        if name not in [model.name for model in self.status.models]:
            raise InvalidAnswer(f"{name[:80]} is not installed.", field="model", hint="Choose one of the list.")
        self._write("model.chosen", name)
        self._show(self.status._replace(chosen=name))
        await self._db.durable()

    async def set_address(self, text: str) -> None:
        """Use the Ollama at this address, and look what is there. Empty: OLLAMA_HOST, or the usual one again.

        Raises `InvalidAnswer` for what is no address; then nothing has changed.
        """
        self._write("model.address", parse_address(text) if text.strip() else "")
        self.stop_pull()
        await self.check()
        await self._db.durable()

    def _address(self) -> str:
        if chosen := self._read("model.address"):
            return chosen
        with suppress(InvalidAnswer):
            return parse_address(self._settings.ollama_host)
        return self._settings.ollama_host.strip() or self._default  # an unreadable one is named as it stands

    def _read(self, key: str) -> str:
        row = self._db.first("SELECT value FROM settings WHERE key = ?", (key,))
        return row["value"] if row else ""

    def _write(self, key: str, value: str) -> None:
        with self._feed.change() as rev:
            self._db.execute("INSERT INTO settings VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
                             "SET value = excluded.value, rev = excluded.rev", (key, value, rev))

    # -- downloads

    def pull(self, name: str) -> None:
        """Begin to download a model; the status shows how far it is. Raises `Conflict`, `InvalidAnswer`."""
        begin = first_progress(name)
        if self.status.kind not in ("no_model", "ready", "pulling"):
            raise Conflict("There is no Ollama that could download a model.")
        if self._pulling is not None:
            raise Conflict("A model is being downloaded already.")
        self._pulling = self._tasks.start(self._pull(name), name="model download")
        self._progress(begin)

    def stop_pull(self) -> None:
        """Stop the download. Ollama keeps what has come, and goes on from there the next time."""
        task, self._pulling = self._pulling, None
        if task is not None:
            task.cancel()
            self._progress(None)

    def _progress(self, pull: PullProgress | None, *, problem: str = "", failed: str = "") -> None:
        kind = self.status.kind
        if kind in ("no_model", "pulling"):
            kind = "pulling" if pull else "no_model"
        self._show(self.status._replace(kind=kind, pull=pull, problem=problem, failed=failed))

    async def _pull(self, name: str) -> None:
        problem = ""
        try:
            await self._import()
            async with aclosing(download(self.status.address, name, clock=self._clock)) as progress:
                async for step in progress:
                    self._progress(step)
        except ModelError as error:
            logger.warning("model: {} was not downloaded: {}", name, error.message)
            reason = error.message.removeprefix(FAILED)
            problem = f"{name} was not downloaded: {reason[:1].lower()}{reason[1:]}"
        finally:
            if self._pulling is asyncio.current_task():  # not after a Stop, when another may have begun
                self._pulling = None
        if problem:
            self._progress(None, problem=problem, failed=name)
        await self.check()

    # -- replies

    async def chat(self, messages: Sequence[Mapping[str, Any]], *, model: str, format: Any = None,
                   tools: Sequence[Mapping[str, Any]] = ()) -> AsyncGenerator[Piece, None]:
        """Yield the reply piece by piece, as the model writes it; the last piece has `done`.

        `format`: a JSON schema that the reply is held to. `tools`: what it may ask to have called. Pieces may split a
        word, never a character, but an escaped surrogate pair. The first one may take 10 minutes, each other one 60
        seconds. Closing (`contextlib.aclosing`) or cancelling closes the connection to the model at once, also before
        the first piece. Raises `OllamaDown` if nothing answers at the address, and then the status says so already;
        `ModelMissing` if `model` is not installed; `ModelError` for every other fault.
        """
        if self._settings.demo:
            async for part in demo.reply(self._clock):
                yield part
            return
        first, address = True, self.status.address
        try:
            await self._import()
            told = [{**each, "content": self.redact(str(each["content"]))} if "content" in each else each
                    for each in messages]
            body = request(told, model, window=WINDOW, format=format, tools=tools)
            async with aclosing(post_lines(address, "/api/chat", body, clock=self._clock, first_s=FIRST_S,
                                           idle_s=IDLE_S)) as lines:
                async for line in lines:
                    part = piece(line)
                    first = False
                    yield part
                    if part.done:
                        return
            raise ModelError("The model ended in the middle of its reply.")
        except (ModelError, TimeoutError) as error:
            if isinstance(error, OllamaDown) and address == self._address():
                self._judge("refused")  # before anybody asks whether a question may be sent
            self.check_soon()
            if isinstance(error, TimeoutError):
                raise ModelError("The model did not begin to answer within 10 minutes." if first else
                                 "The model stopped answering for 60 seconds.") from error
            raise

    async def _import(self) -> None:
        """Import what talks to the model, once and in a thread: it takes 0.2 s of CPU."""
        if self._libraries is None:
            if "ollama" in sys.modules:
                return
            self._libraries = asyncio.get_running_loop().run_in_executor(None, _import_libraries)
        await asyncio.shield(self._libraries)


def _import_libraries() -> None:
    import httpx  # noqa: F401
    import ollama  # noqa: F401
