"""Where functions run: threads of our own, worker processes that are spawned when first used, and a cluster."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..threads import THREADS
from .calls import Over, call
from .progress import Said
from .results import Result

if TYPE_CHECKING:
    from .cluster import Cluster
    from .processes import Processes

T = TypeVar("T")

WAITS = "Waiting for the cluster"
NO_CLUSTER = "There is no cluster. Name the address of its scheduler with TREADLE_CLUSTER."


class Executors:
    """All that functions run on. Lives on the event loop."""

    def __init__(self, code: str, cluster: str) -> None:
        """`code`: the folder of plugins' sources, for other processes. `cluster`: the address of a Dask scheduler."""
        self._code = code
        self._size = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._room = asyncio.Semaphore(self._size)
        self._pool: Processes | None = None
        self._given_up = 0  # calls that nobody waits for any more, and that hold their workers
        self._cluster: Cluster | None = None
        if cluster:
            from .cluster import Cluster

            self._cluster = Cluster(cluster)

    async def in_thread(self, fn: Callable[..., T], *args: Any) -> T:
        """What `fn(*args)` gives, in a thread that nobody waits for at the end."""
        return cast(T, await THREADS.call(fn, *args))

    async def ready(self, on: str, said: Said) -> None:
        """Wait until a call could begin at once, so that its limit of time counts what it takes itself."""
        if on == "process":
            if "treadle.jobs.processes" not in sys.modules:
                await self.in_thread(import_module, "treadle.jobs.processes")
            await self._room.acquire()  # last: what is cancelled before gives nothing back
        elif on == "cluster" and self._cluster is not None:
            said.waits = "" if self._cluster.is_there else WAITS
            await self._cluster.ready(self.in_thread)
            said.waits = ""

    async def run(self, on: str, fn: Any, args: tuple[Any, ...], said: Said, over: Over, *, alone: bool) -> Result:
        """Run one call, after `ready`. `alone`: in a process of its own. A result `broken` names the pool that broke.

        Cancelled, it leaves the call to end when it likes; `over` tells it to.
        """
        if on == "thread":
            return cast(Result, await THREADS.call(call, fn, args, said, over))
        if on == "cluster":
            if self._cluster is None:
                return Result("failed", error=NO_CLUSTER)
            return await self._cluster.run(fn, args, self.in_thread)
        return await self._process(fn, args, said, over, alone)

    async def _process(self, fn: Any, args: tuple[Any, ...], said: Said, over: Over, alone: bool) -> Result:
        from .processes import Processes, packed

        loop, pool, future, slot = asyncio.get_running_loop(), None, None, 0
        try:
            blob = await self.in_thread(packed, fn, args)
            if alone:
                pool = Processes(1, self._code)
            elif (pool := self._pool) is None:
                pool = self._pool = Processes(self._size, self._code)
            future, slot = await self.in_thread(pool.submit, blob, said, over)
            result, reports = await asyncio.wrap_future(future)
            await pool.heard(slot, reports)
            return result
        except (BrokenExecutor, asyncio.CancelledError) as error:
            if (isinstance(error, asyncio.CancelledError) and cancelled()) or pool is None:
                raise
            self._let_go(pool)
            return Result("broken", value=str(pool.number))
        except (pickle.PicklingError, AttributeError, TypeError, ValueError, RecursionError) as error:
            return Result("failed", error=f"This call cannot be sent to another process: {error}.")
        finally:
            if alone and pool is not None:
                pool.close()
            if future is None or pool is None:
                self._room.release()
            elif future.done():
                self._ended(pool, slot)
            else:  # it was given up, and holds its worker until it ends
                self._given_up += 1
                future.add_done_callback(lambda _: _on(loop, self._ended, pool, slot, 1))
                if self._given_up >= self._size:
                    self._let_go(pool)

    def _let_go(self, pool: Processes) -> None:
        if pool is self._pool:
            self._pool = None
        pool.close()

    def _ended(self, pool: Processes, slot: int, given_up: int = 0) -> None:
        pool.free(slot)
        self._given_up -= given_up
        self._room.release()

    def close(self) -> None:
        """End the workers. Threads end with the process."""
        if self._pool is not None:
            self._pool.close()
        if self._cluster is not None:
            self._cluster.close()


def _on(loop: asyncio.AbstractEventLoop, fn: Callable[..., None], *args: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(fn, *args)


def cancelled() -> bool:
    """Whether it is this task that was cancelled, and not what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
