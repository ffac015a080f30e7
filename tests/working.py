"""Functions that jobs run in the tests, and steps around them: what replay gives, without replay."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from treadle.calls import call_digest, items_digest
from treadle.drawing import Step, Work
from treadle.jobs.progress import Progress
from treadle.workflow import Workflow


async def nothing(ui: Any) -> None:
    """A workflow that is never replayed."""


WORKFLOW = Workflow("test", "Test", "", "", "", "", (), 1, "workflow", nothing, "", 0, "v_test")


@dataclass
class Fleet:
    """A run with its steps, over a core's own tables."""

    jobs: Any
    db: Any
    run: str = "default-test-01"
    steps: dict[str, Step] = field(default_factory=dict)
    advanced: int = 0

    def __post_init__(self) -> None:
        self.jobs.advance = self.advance
        if self.db.first("SELECT 1 FROM runs WHERE key = ?", (self.run,)) is None:
            self.db.execute("INSERT INTO runs (key, endpoint, number, title, state, version, created_at, updated_at, "
                            "rev) VALUES (?, 'test', 1, 'Test 1', 'open', 'v_test', 0, 0, 0)", (self.run,))

    async def advance(self, run: str) -> None:
        """As Runs does: what is due begins."""
        self.advanced += 1
        for row in self.db.rows("SELECT id, label FROM steps WHERE run = ? AND state = 'running'", (run,)):
            self.jobs.start(run, row["id"], self.steps[row["label"]])

    def job(self, fn: Any, *args: Any, label: str = "Work", **more: Any) -> int:
        """Start a job; the id of its row."""
        return self._begin("job", label, Work(fn, args, call_digest(fn, args), **more))

    def each(self, items: Any, fn: Any, *, label: str = "Work", **more: Any) -> int:
        """Start an each; the id of its row."""
        return self._begin("each", label, Work(fn, (), items_digest(fn, items), tuple(items), **more))

    def llm(self, prompt: str, schema: Any = None, *, label: str = "Work") -> int:
        """Start a step of the model; the id of its row."""
        return self._begin("llm", label, Work(None, digest=prompt, prompt=prompt, schema=schema))

    def _begin(self, kind: Any, label: str, work: Work) -> int:
        step = Step(label, "", label.lower(), kind, 1, "running", None, None, work=work)
        self.steps[label] = step
        row = self.db.first("SELECT id FROM steps WHERE run = ? AND label = ?", (self.run, label))
        step.id = row["id"] if row is not None else self.db.execute(
            "INSERT INTO steps (run, label, slug, kind, state, digest, position, created_at, rev) "
            "VALUES (?, ?, ?, ?, 'running', ?, 1, 0, 0)", (self.run, label, step.slug, kind, work.digest)).lastrowid
        self.jobs.start(self.run, step.id, step)
        return step.id

    def row(self, id: int) -> Any:
        """The row of a step."""
        return self.db.one("SELECT * FROM steps WHERE id = ?", (id,))

    def items(self, id: int) -> list[Any]:
        """State and value of the items that have a row."""
        return [(row["number"], row["state"], row["value"]) for row in
                self.db.rows("SELECT * FROM items WHERE step = ? ORDER BY number", (id,))]


# --- functions

@dataclass
class Page:
    url: str
    seen: date


def double(n):
    return 2 * n


def odd_only(n):
    if n % 2 == 0:
        raise ValueError(f"{n} is even")
    return n


def fails(message):
    raise LookupError(message)


def pages(n: int) -> list[Page]:
    return [Page(f"/{i}", date(2026, 11, i + 1)) for i in range(n)]


def not_pages() -> list[Page]:
    return [{"url": "/", "seen": "never"}]


def a_set():
    return {1}


def many(n):
    return [{"number": i, "text": "x" * 100} for i in range(n)]


def long_text(n):
    return "x" * n


def as_bytes(text):
    return b"\x89PNG" + text.encode()


def prints(word, progress: Progress):
    print("one", word)
    progress(3, 10, "half way")
    print("two")
    return word


def waits(path):
    """Until the file is there; says nothing."""
    while not Path(path).exists():
        time.sleep(0.005)
    return threading.current_thread().name


def counts(path, progress: Progress):
    """Reports progress until the file is there; leaves another when it was stopped."""
    n = 0
    try:
        while not Path(path).exists():
            progress(n := n + 1)
            time.sleep(0.005)
    except BaseException as error:
        Path(f"{path}.{type(error).__name__}").touch()
        raise
    return n


async def sleeps(seconds):
    sleeping.append(seconds)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        cancelled.append(seconds)
        raise
    return seconds


sleeping: list[float] = []
cancelled: list[float] = []


async def cancels_itself():
    raise asyncio.CancelledError


def pid(_):
    return os.getpid()


def dies(n):
    """Number 7 ends its process."""
    if n == 7:
        os.kill(os.getpid(), 9)
    return n


def dies_once(path):
    """The first time it ends its process."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), 9)
    return "done"


tries: list[str] = []


def third_time(name):
    tries.append(name)
    if tries.count(name) < 3:
        raise OSError(f"no {name}")
    return name


def computes(path):
    """Holds the processor until the file is there."""
    while not Path(path).exists():
        sum(range(1_000_000))


async def blocks(path):
    """Holds the loop until the file is there."""
    while not Path(path).exists():
        time.sleep(0.01)  # noqa: ASYNC251 - the point of it


def says_much(n, progress: Progress):
    for line in range(n):
        print("line", line)
    progress(n, n, "said")


def a_long_list(n) -> list[dict]:
    return many(n)


def a_picture(n):
    return as_bytes(str(n))


def hangs(path):
    """For ever, and says that it has begun."""
    Path(path).touch()
    time.sleep(600)


def tells(word):
    print("it is", word)
    raise ValueError(f"not {word}")
