"""Who keeps the pages waiting: a thread that looks at the others, for as long as jobs run in this process.

It asks the loop for a sign now and then. When that does not come, it looks where authors' code stands in the loop's own
thread, which a coroutine function blocks. When it is itself woken late, as Python's lock is handed on only every switch
interval, it looks for threads of jobs that use the processor and hold that lock.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType

from loguru import logger

from ..threads import THREADS
from ..worker import shown
from .progress import Said

LOOK_S = 0.05    # between two looks
WINDOW = 20      # looks that are judged together
BLOCKED_S = 0.2  # without a sign, and the loop is blocked
LATE = 0.8       # of a switch interval, by which it is woken late in the middle; idle it is 0.1 ms
BUSY = 0.4       # of what this process computes is one job's
LEAST = 0.05     # of a processor; one that uses less is not the reason

HOLDS = 'It uses the processor, in {}, and makes pages slow. Give this step on="process".'
BLOCKS = "It holds up the whole server in {}. Make it a plain function, without async, or await there."


class Watchdog:
    """`watch` and `forget` are called on the loop; `advice` anywhere."""

    def __init__(self, speaking: Mapping[int, Said]) -> None:
        """`speaking`: by the id of a thread, what it works for."""
        self._speaking = speaking
        self._watched: dict[int, tuple[Said, str, bool]] = {}
        self._advice: dict[int, str] = {}
        self._looks = False
        self._lock = threading.Lock()  # of `_looks`: one that ends is not taken for one that looks

    def watch(self, step: int, said: Said, folder: str, *, here: bool) -> None:
        """Look after a step whose function was written in `folder`. `here`: it runs on the loop."""
        self._watched[step] = (said, folder, here)
        self._advice.pop(step, None)
        with self._lock:
            if self._looks:
                return
            self._looks = True
        THREADS.call(self._look, asyncio.get_running_loop(), threading.get_ident())

    def forget(self, step: int) -> None:
        """It has ended. What was advised stays."""
        self._watched.pop(step, None)

    def advice(self, step: int) -> str:
        """What its author could do, so that pages stay quick; "" where nothing is to be said."""
        return self._advice.get(step, "")

    def _look(self, loop: asyncio.AbstractEventLoop, main: int) -> None:
        late: deque[float] = deque(maxlen=WINDOW)
        used: dict[int, float] = {}    # by thread, seconds of the processor at the last look
        busy: Counter[int] = Counter()  # by step, since the window began
        lines: dict[int, Counter[str]] = {}
        sign, looks, began = threading.Event(), 0, (time.monotonic(), time.process_time())
        while self._goes_on():
            try:
                loop.call_soon_threadsafe(sign.set)
            except RuntimeError:  # the loop is closed
                return
            blocked = not sign.wait(BLOCKED_S)
            if blocked:
                self._blame_loop(main)
                sign.wait()
            sign.clear()
            for step, place, seconds in self._working(used):
                busy[step] += round(seconds * 1e6)
                lines.setdefault(step, Counter())[place] += 1
            looks += 1
            if looks == WINDOW:
                over, all_of_us = time.monotonic() - began[0], time.process_time() - began[1]
                for step in busy:
                    held = sorted(late)[len(late) // 2] > LATE * sys.getswitchinterval()
                    if held and busy[step] > 1e6 * max(BUSY * all_of_us, LEAST * over):
                        self._say(step, HOLDS.format(lines[step].most_common(1)[0][0]))
                busy.clear()
                lines.clear()
                looks, began = 0, (time.monotonic(), time.process_time())
            slept = time.monotonic()
            time.sleep(LOOK_S)
            late.append(time.monotonic() - slept - LOOK_S)

    def _goes_on(self) -> bool:
        with self._lock:
            if not self._watched:
                self._looks = False
            return bool(self._watched)

    def _working(self, used: dict[int, float]) -> list[tuple[int, str, float]]:
        """Step, place in its code and seconds of the processor since the last look, of each thread of a job."""
        found = []
        steps = {id(said): (step, folder) for step, (said, folder, _) in list(self._watched.items())}
        frames = sys._current_frames()
        natives = {thread.ident: thread.native_id for thread in threading.enumerate()}
        for thread, said in list(self._speaking.items()):
            native = natives.get(thread)
            if id(said) not in steps or thread not in frames or native is None:
                continue
            step, folder = steps[id(said)]
            with suppress(OSError, AttributeError):  # no such clock here, or the thread has ended
                # the clock that Linux has for a thread; pthread_getcpuclockid may crash for one that ends meanwhile
                now = time.clock_gettime(~native << 3 | 6)
                if (place := _place(frames[thread], folder)) and thread in used:
                    found.append((step, place, now - used[thread]))
                used[thread] = now
        return found

    def _blame_loop(self, main: int) -> None:
        frame = sys._current_frames().get(main)
        for step, (_, folder, here) in list(self._watched.items()):
            if here and (place := _place(frame, folder)):
                self._say(step, BLOCKS.format(place))

    def _say(self, step: int, advice: str) -> None:
        if step not in self._advice:
            self._advice[step] = advice
            logger.warning("job {}: {}", step, advice)


def _place(frame: FrameType | None, folder: str) -> str:
    """File and line of the innermost code of an author's, "" where there is none."""
    while frame is not None and folder:
        if frame.f_code.co_filename.startswith(folder):
            return f"{shown(frame.f_code.co_filename, folder)}, line {frame.f_lineno}"
        frame = frame.f_back
    return ""
