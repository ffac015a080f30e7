"""Where functions run: threads of our own, and worker processes that are spawned when first used."""

from __future__ import annotations

import asyncio
import io
import json
import multiprocessing
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import connection
from typing import Any, TypeVar

from .calls import inner
from .jobs_calls import call
from .jobs_cluster import Cluster
from .jobs_results import Result
from .plugins_code import install_finder
from .progress import Said

T = TypeVar("T")

NO_CLUSTER = "There is no cluster. Name the address of its scheduler with TREADLE_CLUSTER."
IDLE_S = 10.0   # seconds an idle thread is kept
TELL_S = 0.1    # seconds between two reports of a worker process
CALLS = 4_096   # at a time in one pool


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


class Over:
    """Whether one call is to end; set by us, asked by the function's progress."""

    __slots__ = ("_flags", "_slot", "flag")

    def __init__(self) -> None:
        self.flag = False
        self._flags: Any = None
        self._slot = 0

    def __call__(self) -> bool:
        return self.flag

    def share(self, flags: Any, slot: int) -> None:
        """A worker process looks at `flags[slot]`."""
        self._flags, self._slot = flags, slot
        flags[slot] = self.flag

    def set(self) -> None:
        """It is to end."""
        self.flag = True
        if self._flags is not None:
            self._flags[self._slot] = True


class _Pickler(pickle.Pickler):
    """Functions by name, also those that a decorator has put something else in place of."""

    def reducer_override(self, thing: Any) -> Any:
        name = getattr(thing, "__qualname__", None)
        if callable(thing) and isinstance(name, str) and "<locals>" not in name and inner(thing) is not None:
            module = getattr(thing, "__module__", None)
            if module and not isinstance(thing, type) and hasattr(thing, "__code__"):
                return _named, (module, name)
        return NotImplemented


def _named(module: str, name: str) -> Any:
    from importlib import import_module

    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return inner(found)


def packed(fn: Any, args: tuple[Any, ...]) -> bytes:
    """A call for another process. Raises whatever pickling them raises."""
    out = io.BytesIO()
    _Pickler(out, pickle.HIGHEST_PROTOCOL).dump((fn, args))
    return out.getvalue()


class Processes:
    """One pool of worker processes; when one of them dies, it is broken, and another takes its place."""

    def __init__(self, size: int, code: str) -> None:
        """`code`: the folder in which the workers find the sources of plugins."""
        spawn = multiprocessing.get_context("spawn")  # a forked one would keep our lock and our port
        self._reader, self._writer = spawn.Pipe(duplex=False)
        self._flags = spawn.RawArray("b", CALLS)
        self._free = list(range(CALLS))
        self._said: dict[int, Said] = {}
        self._pool = ProcessPoolExecutor(size, spawn, _begin, (self._writer, spawn.Lock(), self._flags, code))
        threading.Thread(target=self._hear, daemon=True, name="workers").start()

    def submit(self, blob: bytes, said: Said, over: Over) -> Future[Result]:
        """Run what `packed` has packed. Raises `BrokenProcessPool`. Takes milliseconds when it starts a process."""
        slot = self._free.pop()
        self._said[slot] = said
        over.share(self._flags, slot)
        try:
            future = self._pool.submit(_work, slot, blob)
        except BaseException:
            self._ended(slot)
            raise
        future.add_done_callback(lambda _: self._ended(slot))
        return future

    def _ended(self, slot: int) -> None:
        self._said.pop(slot, None)
        self._free.insert(0, slot)

    def _hear(self) -> None:
        """What the workers report, as long as there are any."""
        with suppress(EOFError, OSError, ValueError, TypeError):
            while True:
                slot, done, total, text, lines = json.loads(self._reader.recv_bytes())
                if (said := self._said.get(slot)) is not None:
                    said.done, said.total, said.text = done, total, text
                    said.log.extend(lines)

    def close(self) -> None:
        """End the workers, whatever they do."""
        workers = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.kill()
        self._writer.close()


# --- in a worker process

_tell: tuple[Any, Any, Any] = (None, None, None)


def _begin(writer: Any, lock: Any, flags: Any, code: str) -> None:
    """What a worker begins with."""
    global _tell
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends its workers
    install_finder(code)
    _tell = (writer, lock, flags)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=[parent.sentinel], daemon=True).start()


def _end_with(sentinel: int) -> None:
    """A worker outlives its server by nothing, however that has ended."""
    connection.wait([sentinel])
    os._exit(1)


def _work(slot: int, blob: bytes) -> Result:
    writer, lock, flags = _tell
    said, ended = Said(), threading.Event()

    def tell() -> None:
        told: Any = (0, None, "", 0)
        last = False
        while not last:
            last = ended.wait(TELL_S)
            lines = [said.log.popleft() for _ in range(len(said.log))]
            now = (said.done, said.total, said.text, len(lines))
            if lines or now != told:
                told = (*now[:3], 0)
                with lock, suppress(OSError, ValueError):
                    writer.send_bytes(json.dumps([slot, *now[:3], lines]).encode())

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        fn, args = pickle.loads(blob)
    except BaseException as error:  # noqa: BLE001 - a module that fails when it is imported
        return Result("failed", error=f"{type(error).__name__}: {error}")
    else:
        return call(fn, args, said, lambda: bool(flags[slot]))
    finally:
        ended.set()
        teller.join()


# --- in the server

class Executors:
    """All that functions run on. Lives on the event loop."""

    def __init__(self, code: str, cluster: str) -> None:
        """`code`: the folder of plugins' sources, for other processes. `cluster`: the address of a Dask scheduler."""
        self._code, self._threads = code, Threads()
        self._size = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._room = asyncio.Semaphore(self._size)
        self._pool: Processes | None = None
        self._given_up = 0  # calls that nobody waits for any more, and that hold their workers
        self._cluster: Cluster | None = Cluster(cluster) if cluster else None

    async def in_thread(self, fn: Callable[..., T], *args: Any) -> T:
        """What `fn(*args)` gives, in a thread that nobody waits for at the end."""
        return await asyncio.wrap_future(self._threads.submit(fn, *args))

    async def ready(self, on: str) -> None:
        """Wait until a call could begin at once, so that its limit of time counts what it takes itself."""
        if on == "process":
            await self._room.acquire()
            if self._pool is None:
                self._pool = Processes(self._size, self._code)
        elif on == "cluster" and self._cluster is not None:
            await self._cluster.ready(self.in_thread)

    async def run(self, on: str, fn: Any, args: tuple[Any, ...], said: Said, over: Over, *, alone: bool) -> Result:
        """Run one call, after `ready`. `alone`: in a process of its own. A result `broken` names the pool that broke.

        Cancelled, it leaves the call to end when it likes; `over` tells it to.
        """
        if on == "thread":
            return await asyncio.wrap_future(self._threads.submit(call, fn, args, said, over))
        if on == "cluster":
            if self._cluster is None:
                return Result("failed", error=NO_CLUSTER)
            return await self._cluster.run(fn, args, self.in_thread)
        return await self._process(fn, args, said, over, alone)

    async def _process(self, fn: Any, args: tuple[Any, ...], said: Said, over: Over, alone: bool) -> Result:
        loop, pool, future = asyncio.get_running_loop(), self._pool, None
        try:
            blob = await self.in_thread(packed, fn, args)
            if alone or pool is None:
                pool = await self.in_thread(Processes, 1, self._code)
            future = await self.in_thread(pool.submit, blob, said, over)
            return await asyncio.wrap_future(future)
        except (BrokenExecutor, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _cancelled():
                raise
            if pool is self._pool:
                self._pool = None
            if pool is not None:
                pool.close()
            return Result("broken", value=str(id(pool)))
        except (pickle.PicklingError, AttributeError, TypeError, ValueError, RecursionError) as error:
            return Result("failed", error=f"This call cannot be sent to another process: {error}.")
        finally:
            if alone and pool is not None and pool is not self._pool:
                pool.close()
            if future is None or future.done():
                self._room.release()
            else:  # it was given up, and holds its worker until it ends
                self._given_up += 1
                future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._ended))
                if self._given_up >= self._size and pool is not None:
                    self._pool = None
                    pool.close()

    def _ended(self) -> None:
        self._given_up -= 1
        self._room.release()

    def close(self) -> None:
        """End the workers. Threads end with the process."""
        if self._pool is not None:
            self._pool.close()
        if self._cluster is not None:
            self._cluster.close()


def _cancelled() -> bool:
    """Whether it is this task that was cancelled, and not what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
