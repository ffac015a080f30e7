"""Worker processes: spawned, never forked, and gone with their server, however that has ended.

A forked one would keep the server's lock and its port. Imported when the first function asks for a process.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import multiprocessing
import os
import pickle
import signal
import threading
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import suppress
from importlib import import_module
from itertools import count
from multiprocessing import connection
from operator import attrgetter
from typing import Any

from ..calls import inner
from ..plugins.code import install_finder
from .calls import Over, call
from .progress import Said
from .results import Result

TELL_S = 0.1   # seconds between two reports of a worker
CALLS = 4_096  # at a time in one pool
NOT_THERE = "A worker process cannot import what it calls: {}. Keep the function where Python finds it by its name."

_numbers = count()


class _Pickler(pickle.Pickler):
    """Functions by name, also those that a decorator has put something else in place of."""

    def reducer_override(self, thing: Any) -> Any:
        if inspect.isfunction(thing) and "<" not in thing.__qualname__:
            found = _named(thing.__module__, thing.__qualname__)
            if found is not thing and inner(found) is thing:
                return _inner, (thing.__module__, thing.__qualname__)
        return NotImplemented


def _named(module: str, name: str) -> Any:
    return attrgetter(name)(import_module(module))


def _inner(module: str, name: str) -> Any:
    return inner(_named(module, name))


def packed(fn: Any, args: tuple[Any, ...]) -> bytes:
    """A call for another process. Raises whatever pickling them raises."""
    out = io.BytesIO()
    _Pickler(out, pickle.HIGHEST_PROTOCOL).dump((fn, args))
    return out.getvalue()


class Processes:
    """One pool of worker processes; when one of them dies, it is broken, and another takes its place."""

    def __init__(self, size: int, code: str) -> None:
        """`code`: the folder in which the workers find the sources of plugins."""
        self.number = next(_numbers)
        spawn = multiprocessing.get_context("spawn")  # a forked one would keep our lock and our port
        self._reader, self._writer = spawn.Pipe(duplex=False)
        self._flags = spawn.RawArray("b", CALLS)
        self._free = list(range(CALLS))
        self._calls: dict[int, list[Any]] = {}  # by slot: to what it speaks, and how many reports of it have come
        self._pool = ProcessPoolExecutor(size, spawn, _begin, (self._writer, spawn.Lock(), self._flags, code))
        threading.Thread(target=self._hear, daemon=True, name="workers").start()

    def submit(self, blob: bytes, said: Said, over: Over) -> tuple[Future[tuple[Result, int]], int]:
        """Run what `packed` has packed: the result and the number of its reports, and a slot to be given to `free`.
        Raises `BrokenExecutor`, also when it was closed. Takes milliseconds when it starts a process."""
        slot = self._free.pop()
        self._calls[slot] = [said, 0]
        over.share(self._flags, slot)
        try:
            return self._pool.submit(_work, slot, blob), slot
        except RuntimeError as error:
            self.free(slot)
            raise BrokenExecutor(str(error)) from error
        except BaseException:
            self.free(slot)
            raise

    async def heard(self, slot: int, reports: int) -> None:
        """Wait until all reports of a call have come, as they take another way than its result."""
        for _ in range(500):
            if self._calls[slot][1] >= reports:
                return
            await asyncio.sleep(0.001)

    def free(self, slot: int) -> None:
        """Its call has ended, and nothing more of it counts."""
        self._calls.pop(slot, None)
        self._free.insert(0, slot)

    def _hear(self) -> None:
        """What the workers report, as long as there are any."""
        with suppress(EOFError, OSError, ValueError, TypeError):
            while True:
                slot, done, total, text, lines = json.loads(self._reader.recv_bytes())
                if (call := self._calls.get(slot)) is not None:
                    said = call[0]
                    said.done, said.total, said.text = done, total, text
                    said.log.extend(lines)
                    call[1] += 1

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


def _work(slot: int, blob: bytes) -> tuple[Result, int]:
    writer, lock, flags = _tell
    said, ended, reports = Said(), threading.Event(), 0

    def tell() -> None:
        nonlocal reports
        before: Any = (0, None, "")
        last = False
        while not last:
            last = ended.wait(TELL_S)
            lines = [said.log.popleft() for _ in range(len(said.log))]
            now = (said.done, said.total, said.text)
            if lines or now != before:
                before = now
                with lock:
                    writer.send_bytes(json.dumps([slot, *now, lines]).encode())
                reports += 1

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        fn, args = pickle.loads(blob)
        result = call(fn, args, said, lambda: bool(flags[slot]))
    except BaseException as error:  # noqa: BLE001 - a module that fails when it is imported, or is not found
        result = Result("failed", error=NOT_THERE.format(f"{type(error).__name__}: {error}"))
    ended.set()
    teller.join()
    return result, reports
