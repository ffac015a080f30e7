"""Jobs: what runs for a run. There is one way in which they last: their rows.

A `job` stores its result, an `each` every item's as it comes. So a server that was killed goes on at the item it was
at. What runs is owned by the server, never by a request. It ends in one place, `settle`, by compare-and-set. Ended by
a cancellation without Stop, when the server goes down, it writes nothing, and the next start goes on.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from loguru import logger

from ..calls import inner, item_digests
from ..clock import Clock
from ..config import Settings
from ..db import Database
from ..drawing import Step, Work
from ..errors import Conflict, NotFound, StorageError, TreadleError
from ..feed import Feed
from ..files import Files
from ..llm import Llm
from ..tasks import Tasks
from ..text import cover, one_line, span, without_secrets
from ..worker import folder_of
from .calls import speaking
from .executors import Executors
from .items import DEATHS, DIED, Items, insert
from .llm import Messages, answer
from .progress import Said, Try
from .results import Result, Unstorable
from .run import Calls
from .watchdog import Watchdog

AGAIN_S = 1.0    # between two tries to save what the disk refused
ENDED_KEPT = 20  # lines of what has ended lately
FULL = "Waits for a free worker"
FAULT = "Treadle failed while this ran; the log says where."


@dataclass(frozen=True, slots=True)
class Live:
    """What is seen of a job that runs. `done` of `total`, None where nobody knows, in `unit`; `failed`: items. `log`:
    its last lines. `eta_s`: seconds left, None where they cannot be told. `written`: by the model so far. `waits`: for
    what, where nothing of it runs. `tries`: by item what waits to be tried again, `at` as seconds from now.
    `failures`: the numbers of the items that have failed."""

    done: float
    total: float | None
    text: str
    log: list[str]
    eta_s: float | None
    failed: int
    written: str = ""
    unit: str = ""
    waits: str = ""
    tries: Mapping[int, Try] = field(default_factory=dict)
    failures: Sequence[int] = ()

    @property
    def far(self) -> str:
        """How far it is: "312 of 500 items"; "" where nothing is known of it."""
        if self.total:
            return f"{self.done:,.0f} of {self.total:,.0f} {self.unit}".rstrip()
        return f"{self.done:,.0f} so far" if self.done else ""


class JobLine(NamedTuple):
    """One line of the list under the bell. `state`: running, done, failed or stopped; `live` only while it runs."""

    run: str
    step_id: int
    slug: str
    label: str
    state: str
    live: Live | None
    ended_at: float | None
    error: str = ""


@dataclass
class Job:
    """A job that runs, in memory. `began`: monotonic. `first`: what was done by then. `ended`: it has been settled, or
    nobody wants it any more."""

    run: str
    id: int
    step: Step
    work: Work
    said: Said
    started_at: float
    began: float
    first: float = 0
    items: Items | None = None
    task: asyncio.Task[None] | None = None
    ended: bool = False


class Jobs:
    """All that runs. Lives on the event loop.

    `advance` is awaited with a run's key whenever something of it has ended, or is to run again; `messages` gives what
    the model is sent for an llm step of a run, `secrets_of` what a run was told in confidence. Core sets them.
    """

    advance: Callable[[str], Awaitable[Any]]
    messages: Callable[[str, str], Awaitable[Messages]]

    def __init__(self, settings: Settings, db: Database, feed: Feed, clock: Clock, tasks: Tasks, files: Files,
                 llm: Llm) -> None:
        self._db, self._feed, self._clock, self._tasks = db, feed, clock, tasks
        self._files, self._llm, self._max_file = files, llm, settings.max_upload
        self._executors = Executors(str(settings.data / "code"), settings.cluster)
        self._watchdog = Watchdog(speaking)
        self._live: dict[int, Job] = {}
        self.secrets_of: Callable[[str], Sequence[str]] = lambda run: ()
        self._left: dict[int, Said] = {}  # what was stopped, as its call may still be running
        self._turn = asyncio.Lock()  # one item at each turn of the loop: pages have theirs between two
        self._ended: deque[JobLine] = deque(maxlen=ENDED_KEPT)

    # --- from the start to the end of the server

    def recover(self) -> None:
        """At the start: note what ran when the server died. One that ended well did not die."""
        with self._db.transaction():
            died = not self._db.execute("DELETE FROM meta WHERE key = 'ended'").rowcount
            self._db.execute("UPDATE steps SET deaths = deaths + ? WHERE state = 'running' AND kind = 'job'", (died,))
            self._db.execute("UPDATE items SET deaths = deaths + ?, state = 'stopped' WHERE state = 'running' AND step "
                             "IN (SELECT id FROM steps WHERE state = 'running')", (died,))

    def close(self) -> None:
        """At the end, when the tasks are cancelled: what ran goes on at the next start. Worker processes end."""
        self._executors.close()
        with suppress(StorageError), self._db.transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('ended', '1')")

    # --- commands

    def start(self, run: str, step_id: int, step: Step) -> None:
        """Run a step whose row is 'running'. What runs already, or need not run, is left alone."""
        row = self._db.first("SELECT * FROM steps WHERE id = ?", (step_id,))
        if step_id in self._live or row is None or row["state"] != "running" or step.work is None:
            return
        if row["started_at"] is None:
            self._db.execute("UPDATE steps SET started_at = ? WHERE id = ?", (self._clock.now(), step_id))
        job = Job(run, step_id, step, step.work, Said(row["log"], self.secrets_of(run)),
                  row["started_at"] or self._clock.now(), self._clock.monotonic())
        self._live[step_id] = job
        if step.work.fn is not None and step.work.on == "thread":
            fn = inner(step.work.fn)
            self._watchdog.watch(step_id, job.said, folder_of(fn), here=inspect.iscoroutinefunction(fn))
        work = self._run(job) if row["deaths"] < DEATHS else self._end(job, Result("failed", error=DIED))
        job.task = self._tasks.start(work, name=f"{step.kind} {step.slug} of {run}")

    async def stop(self, run: str, slug: str, *, by: str = "person") -> None:
        """Stop it: its row says so when this returns. Nothing when it does not run. Raises `NotFound`."""
        row = self._row(run, slug, locked=True)
        seen = self.live(row["id"])
        far = f"Stopped at {seen.far}." if seen is not None and seen.total else ""
        if self._settle(row["id"], "stopped", error=far, by=by):
            await self._db.durable()
            await self.advance(run)

    async def go_on(self, run: str, slug: str, *, item: int | None = None, by: str = "person") -> None:
        """Run what was stopped or has failed again; of an `each` what has no result. Nothing when it runs or is done.
        `item`: of those that have failed only this one.

        Raises `NotFound`, and `Conflict` when the run is locked.
        """
        row = self._row(run, slug)
        if row["state"] not in ("stopped", "failed"):
            return
        with self._feed.change() as rev:
            if row["state"] == "failed":
                self._db.execute("DELETE FROM items WHERE step = ?1 AND state = 'failed' AND number = "
                                 "coalesce(?2, number)", (row["id"], item))
            # what failed is tried again with the newest code, also before its end has been drawn
            self._db.execute("UPDATE steps SET state = 'running', error = '', details = '', deaths = 0, rev = ?, "
                             "version = iif(state = 'failed', '', version), started_at = NULL, answered_at = NULL, "
                             "by = ? WHERE id = ? AND state = ?", (rev, by, row["id"], row["state"]))
            self._touch(run, rev)
            self._tell(run, by, "tried again" if row["state"] == "failed" else "went on",
                       f"{row['label']} {row['key']}".strip())
        await self._db.durable()
        await self.advance(run)

    async def continue_with(self, run: str, slug: str, *, by: str = "person") -> None:
        """Accept of an `each` the results there are. Nothing when it runs or is done. Raises as `go_on` does."""
        row = self._row(run, slug)
        if row["kind"] != "each":
            raise Conflict("There is nothing to continue with.", hint="Try it again.")
        if row["state"] not in ("stopped", "failed"):
            return
        if self._settle(row["id"], "done", was=row["state"], by=by, what="continued"):
            await self._db.durable()
            await self.advance(run)

    # --- looking

    def live(self, step_id: int) -> Live | None:
        """What is seen of a step that runs."""
        job = self._live.get(step_id)
        if job is None:
            return None
        items, said = job.items, job.said
        done: float = items.done + items.failed if items is not None else said.done
        total = items.total if items is not None else said.total
        now = self._clock.monotonic()
        elapsed, eta = now - job.began, None
        if total and done > job.first and elapsed > 0:
            eta = max(0.0, (total - done) * elapsed / (done - job.first))
        waits = said.waits or (FULL if said.queued and not said.busy else "")
        tries = {item: each._replace(error=cover(each.error, said.secrets), at=each.at - now)
                 for item, each in said.tries.items()}
        text, log = cover([said.text, list(said.log)], said.secrets)
        return Live(done, total, text, log, eta, items.failed if items else 0, said.written, "items" if items else "",
                    waits, tries, items.failures if items else ())

    def ending(self, step_id: int) -> bool:
        """Whether a call of what was stopped is still running, in a thread that nobody can break off."""
        said = self._left.get(step_id)
        if said is not None and not any(said is each for each in list(speaking.values())):
            del self._left[step_id]
        return step_id in self._left

    def advice(self, step_id: int) -> str:
        """What its author could do where a step, running or ended lately, makes pages slow; "" where it does not."""
        return self._watchdog.advice(step_id)

    def panel(self) -> list[JobLine]:
        """What runs, the newest first, then what has ended lately."""
        running = [self._line(job, "running", live=self.live(job.id)) for job in self._live.values()]
        return [*reversed(running), *self._ended]

    def _line(self, job: Job, state: str, *, live: Live | None = None, error: str = "") -> JobLine:
        return JobLine(job.run, job.id, job.step.slug, job.step.name, state, live, None if live else self._clock.now(),
                       error)

    # --- one of them

    async def _run(self, job: Job) -> None:
        """Run one to its end. Cancelled without Stop, the server goes down: nothing is written."""
        try:
            result = await {"job": self._job, "each": self._each, "llm": self._ask}[job.step.kind](job)
        except (TreadleError, Unstorable) as error:
            result = Result("failed", error=getattr(error, "message", str(error)))
        except Exception:  # noqa: BLE001 - whatever fails, a job must end
            logger.exception("{} of {} failed", job.step.slug, job.run)
            result = Result("failed", error=FAULT)
        await self._end(job, result)

    async def _end(self, job: Job, result: Result) -> None:
        await self._saved(job, lambda: self._settle(job.id, result.state, value=result.value or None,
                                                    error=result.error, details=result.details, file=result.ending))
        if not job.ended:  # its row is another's by now: it was reverted
            self._let_go(job, "stopped", "")
        await self._saved(job, lambda: self.advance(job.run))

    async def _saved(self, job: Job, write: Callable[[], Any]) -> Any:
        """What `write` gives, as soon as the disk takes it."""
        while True:
            try:
                given = write()
                return await given if inspect.isawaitable(given) else given
            except StorageError as error:
                logger.error("{} of {} cannot be saved yet: {}", job.step.slug, job.run, error.message)
                await self._clock.sleep(AGAIN_S)

    async def _job(self, job: Job) -> Result:
        result = await Calls(self._executors, self._clock, job.work, job.said).result(job.work.args)
        if result.rows is not None:
            await insert(self._db, job.id, result.rows)
            return Result("done")  # what is in the rows is read by whoever draws the run
        return await self._filed(job, result, "")

    async def _each(self, job: Job) -> Result:
        work = job.work
        assert work.items is not None
        values: list[Any] = await self._executors.in_thread(list, work.items)
        digests = await self._executors.in_thread(_digests, work.fn, values, work.seal)
        items = job.items = Items(self._db, self._files, job.run, job.id, digests)
        await items.load()
        job.first = items.done + items.failed
        calls = Calls(self._executors, self._clock, work, job.said)

        async def slot(take: Callable[..., int | None]) -> None:
            number = await self._saved(job, take)
            while number is not None:
                result = await calls.result((values[number],), item=number, alone=items.deaths[number] >= DEATHS - 1)
                result = await self._filed(job, result, f"-{number + 1}")
                async with self._turn:
                    number = await self._saved(job, partial(take, number, result, result.ending))

        async with asyncio.TaskGroup() as slots:
            for n in range(min(work.workers, items.total)):
                slots.create_task(slot(partial(items.take, first=n == 0)))
        if items.failed and work.failed == "ask":
            return Result("failed", error=f"{items.failed} of {items.total} failed.")
        return Result("done")  # what is in the rows is read by whoever draws the run

    async def _ask(self, job: Job) -> Result:
        prompt = cover(job.work.prompt, job.said.secrets)
        return await answer(self._llm, lambda: self.messages(job.run, prompt), job.work.schema, job.said)

    async def _filed(self, job: Job, result: Result, number: str) -> Result:
        """A result that is a file, with the file stored."""
        if result.data is None:
            return result
        name = f"{job.step.slug}{number}.{result.ending}"
        try:
            async with self._files.receive(name, run=job.run, step=f"{job.step.slug}{number}",
                                           max_bytes=self._max_file) as sink:
                await sink.write(result.data)
        except TreadleError as error:
            return Result("failed", error=error.message)
        assert sink.file is not None
        return Result("done", f'{{"file": "{sink.file.id}"}}', ending=sink.file.id)

    # --- the one place where something ends

    def _settle(self, step_id: int, state: str, *, value: str | None = None, error: str = "", details: str = "",
                file: str = "", was: str = "running", by: str = "", what: str = "stopped") -> bool:
        """End a step, once: only one whose row is in the state `was`. Nothing of it counts afterwards."""
        row = self._db.first("SELECT run, slug, label, key, log FROM steps WHERE id = ? AND state = ?", (step_id, was))
        if row is None:
            return False
        job = self._live.get(step_id)
        log = "\n".join(job.said.log) if job is not None else row["log"]
        error, details, log = cover([without_secrets(text) for text in (error, details, log)],
                                    self.secrets_of(row["run"]) if job is None else job.said.secrets)
        with self._feed.change() as rev:
            self._db.execute("UPDATE steps SET state = ?, value = ?, error = ?, details = ?, log = ?, answered_at = ?, "
                             "rev = ? WHERE id = ? AND state = ?",
                             (state, value, error, details, log, self._clock.now(), rev, step_id, was))
            self._db.execute("DELETE FROM items WHERE step = ? AND state IN ('running', 'stopped')", (step_id,))
            if file:
                self._files.keep(file, run=row["run"], step=row["slug"])
            self._touch(row["run"], rev)
            parts: list[str] = []
            if job is not None and not by:  # it has ended by itself
                took, failed = self._clock.now() - job.started_at, job.items.failed if job.items is not None else 0
                parts = [f"after {span(took)}"] * (took >= 1) + [error or f"{failed:,} failed"] * bool(error or failed)
            self._tell(row["run"], by or "job", what if by else state, f"{row['label']} {row['key']}".strip(),
                       one_line(", ".join(parts), 200))
        if job is not None:
            self._let_go(job, state, error)
        return True

    def _let_go(self, job: Job, state: str, error: str) -> None:
        del self._live[job.id]
        self._watchdog.forget(job.id)
        job.ended = True
        if state == "stopped":
            self._left[job.id] = job.said
        self._ended.appendleft(self._line(job, state, error=error))
        if job.task is not None and job.task is not asyncio.current_task():
            job.task.cancel()

    def _touch(self, run: str, rev: int) -> None:
        self._db.execute("UPDATE runs SET advance_due = 1, rev = ?, updated_at = ? WHERE key = ?",
                         (rev, self._clock.now(), run))

    def _tell(self, run: str, by: str, what: str, label: str, text: str = "") -> None:
        self._db.execute("INSERT INTO history (run, at, by, what, label, text) VALUES (?, ?, ?, ?, ?, ?)",
                         (run, self._clock.now(), by, what, label, text))

    def _row(self, run: str, slug: str, *, locked: bool = False) -> Any:
        row = self._db.first("SELECT s.*, r.state AS run_state FROM steps s JOIN runs r ON r.key = s.run WHERE "
                             "s.run = ? AND s.slug = ? AND s.kind IN ('job', 'each', 'llm') AND s.state != 'reverted' "
                             "AND r.deleted = 0", (run, slug))
        if row is None:
            raise NotFound(f"This run has no job {slug[:80]}.")
        if row["run_state"] != "open" and not locked:
            raise Conflict("This run is finished and locked.", hint="Unlock it to change it.")
        return row


def _digests(fn: Any, values: list[Any], seal: bytes) -> list[str]:
    """By which each item is known. For a thread, which lets the loop pass often: of 10,000 items it computes 0.1 s."""
    found = []
    for number, digest in enumerate(item_digests(fn, values, seal)):
        found.append(digest)
        if number % 20 == 0:
            time.sleep(0.0002)
    return found
