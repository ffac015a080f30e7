"""Functions on a Dask cluster. `distributed` is an optional package, imported when the first of them runs.

To the cluster goes a function and its arguments by value, as the cluster knows no plugins, and one function of ours
that runs it: a worker needs treadle, what the plugin imports, and the same Python.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from ..calls import inner
from ..files import File, FileId
from ..plugins.code import PACKAGE
from ..text import install
from ..workflow import Tool
from .calls import call
from .progress import Said
from .results import Result

CONNECT_S = 5.0  # seconds one try to reach the scheduler may take
PING_S = 2.0     # between two pings while something runs
SILENT_S = 10.0  # without an answer, and what ran there is given to the next one
MISSING = f'on="cluster" needs distributed, which is not installed; install it with: {install("distributed")}'
KILLED = "The workers of the cluster that ran it died."


class Cluster:
    """One cluster by the address of its scheduler. Lives on the event loop; all calls of Dask's are made in threads."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Any = None
        self._gone = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._running = 0
        self._watching: asyncio.Task[None] | None = None
        self._missing = False

    @property
    def is_there(self) -> bool:
        """Whether its scheduler has answered lately."""
        return self._client is not None

    async def ready(self, in_thread: Callable[..., Any]) -> None:
        """Wait until the scheduler answers, for as long as that takes."""
        async with self._connecting:
            while self._client is None and not self._missing:
                try:
                    self._client, self._gone = await in_thread(self._connect), asyncio.Event()
                except ImportError:
                    self._missing = True
                except Exception:  # noqa: BLE001 - whatever keeps it away, it may be back soon
                    await asyncio.sleep(PING_S / 2)

    def _connect(self) -> Any:
        from distributed import Client  # type: ignore[import-not-found,unused-ignore]

        client: Any = Client  # of which nothing is typed
        return client(self._address, timeout=CONNECT_S, set_as_default=False, name="treadle")

    async def run(self, fn: Any, args: tuple[Any, ...], in_thread: Callable[..., Any]) -> Result:
        """Run one call, after `ready`. Cancelling forgets it there."""
        if self._missing:
            return Result("failed", error=MISSING)
        client, gone = self._client, self._gone
        if client is None:
            return Result("broken", value=str(id(gone)))
        try:
            future = await in_thread(lambda: client.get_executor(pure=False, retries=0).submit(work, packed(fn, args)))
        except Exception as problem:  # noqa: BLE001 - Dask and cloudpickle raise what they like
            if client.status == "running":
                return Result("failed", error=f"This call cannot be sent to the cluster: {problem}.")
            return await self._lost(client, gone, in_thread)
        self._running += 1
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(client, gone, in_thread), name="ping of the cluster")
        answer, end = asyncio.wrap_future(future), asyncio.ensure_future(gone.wait())
        try:
            await asyncio.wait({answer, end}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done() and not answer.cancelled():
                error = answer.exception()
                if error is None:
                    return Result(*answer.result())
                if type(error).__name__ == "KilledWorker":
                    return Result("failed", error=KILLED)
            return await self._lost(client, gone, in_thread)
        finally:
            self._running -= 1
            end.cancel()
            answer.cancel()

    async def _lost(self, client: Any, gone: asyncio.Event, in_thread: Callable[..., Any]) -> Result:
        if client is self._client:
            self._client = self._watching = None
            gone.set()
            in_background = asyncio.ensure_future(in_thread(_closed, client))
            in_background.add_done_callback(lambda task: task.cancelled() or task.exception())
        return Result("broken", value=str(id(gone)))

    async def _watch(self, client: Any, gone: asyncio.Event, in_thread: Callable[..., Any]) -> None:
        """While something runs there, say so when the scheduler has not answered for 10 s."""
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while self._running and not gone.is_set():
            await asyncio.sleep(PING_S)
            try:
                await in_thread(_ping, client)
                heard = loop.time()
            except Exception:  # noqa: BLE001 - no answer, of whatever kind
                if loop.time() - heard > SILENT_S:
                    gone.set()

    def close(self) -> None:
        """Let go of it."""
        if self._watching is not None:
            self._watching.cancel()
        if self._client is not None:
            threading.Thread(target=_closed, args=[self._client], daemon=True).start()
            self._client = None


def _ping(client: Any) -> None:
    client.sync(client.scheduler.identity, callback_timeout=PING_S)


def _closed(client: Any) -> None:
    with suppress(Exception):  # it is gone already
        client.close(timeout=1)


def packed(fn: Any, args: tuple[Any, ...]) -> bytes:
    """A call by value: the modules of plugins go along, and the bytes of files."""
    import cloudpickle  # type: ignore[import-not-found,import-untyped,unused-ignore]

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc,unused-ignore]
        def reducer_override(self, thing: Any) -> Any:
            if isinstance(thing, Tool):  # by what it calls: there is no module to find it in
                return inner, (thing.call,)
            if isinstance(thing, File):
                return arrived, (thing.id, thing.name, thing.size, thing.sha256, thing.path.read_bytes())
            return super().reducer_override(thing)

    theirs = [module for name, module in list(sys.modules.items())
              if name.startswith(f"{PACKAGE}.") and isinstance(module, ModuleType)]  # an author may put anything there
    for module in theirs:
        cloudpickle.register_pickle_by_value(module)
    out = io.BytesIO()
    Pickler(out).dump((fn, args))
    return out.getvalue()


def arrived(id: str, name: str, size: int, sha256: str, data: bytes) -> File:
    """A file of the run, where its bytes have come to. One copy a worker."""
    folder = Path(tempfile.gettempdir()) / f"treadle-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / sha256
    if not path.exists() or path.stat().st_size != size:
        partial = path.with_name(f"{sha256}.{os.getpid()}.{threading.get_ident()}")
        partial.write_bytes(data)
        partial.rename(path)
    return File(FileId(id), name, size, sha256, path)


def work(blob: bytes) -> tuple[Any, ...]:
    """What a worker of the cluster runs."""
    import cloudpickle

    fn, args = cloudpickle.loads(blob)
    return tuple(call(fn, args, Said(), bool))
