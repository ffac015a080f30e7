"""Runs: a workflow under way, as rows. `draw` writes nothing; every change is one transaction, then `advance`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from .advance import Advancing
from .drawing import Step
from .errors import Conflict, NotFound
from .facts import summary
from .fields.answers import Answers, Given, accept, same
from .run import Run, RunView, new_owner
from .text import one_line
from .workflow import Workflow

__all__ = ["Answers", "Run", "RunView", "Runs", "new_owner", "summary"]

TEXT_LENGTH = 200  # characters of an answer in the history


class Runs(Advancing):
    """All runs, and every change of them.

    `by`: who made a change, for the history: "person", "model" or "command line". `fork`, which the core sets, copies
    a run.
    """

    fork: Callable[..., Awaitable[Run]] | None = None

    async def begin(self, endpoint: str, answers: Answers, *, client_id: str = "", by: str = "person") -> Run:
        """Make a run of this first answer. The same `client_id` with the same answer is the same run.

        Raises `InvalidAnswer`, and the author's `PluginError` where the workflow cannot be drawn.
        """
        view = await self.draw_new(endpoint, client_id=client_id)
        if view.drawing.error is not None:
            raise view.drawing.error
        step, given = view.drawing.open, None
        if step is not None and step.work is None:
            given = await self._accept(step, answers, owner=new_owner(client_id))
        self._plugins.keep(view.workflow)
        with self._feed.change() as rev:
            old = self._db.first("SELECT key FROM runs WHERE client_id = ?", (client_id,)) if client_id else None
            if old is not None and self._same(old["key"], given):
                key = old["key"]
            else:
                key = self._insert_run(view.workflow, client_id if old is None else "", rev)
                self._tell(key, by, "started")
                if step is not None and given is not None:
                    self._write(key, step, given, rev, by, view.workflow)
        return await self._done(key)

    async def answer(self, key: str, slug: str, answers: Answers, *, rev: int, replace: bool = False,
                     by: str = "person") -> Run:
        """Store the answer to the open step. `rev`: what its form carried.

        Raises `Conflict` when somebody was faster or the run is locked, `InvalidAnswer` for a value. `replace`: an
        answer that came second takes the place of the stored one; what followed it is asked again.
        """
        view = await self.draw(key)
        step = self._asked(view, slug, rev, replace)
        given = await self._accept(step, answers, owner=key)
        if step.state == "done" and await self._stop(key):
            view = await self.draw(key)
        with self._feed.change() as now:
            self._must_be_open(self.get(key))
            if self._steps.rev(key) != view.form_rev:
                raise Conflict(f"{step.label} was answered meanwhile.")
            if step.state == "done":
                self._steps.revert(key, step, now, undo=0)
            self._write(key, step, given, now, by, view.workflow)
        return await self._done(key)

    async def revert(self, key: str, slug: str, *, keep: bool = False, by: str = "person") -> Run:
        """Ask this step and all after it again, the old answers as defaults; what runs is stopped. A job runs again;
        `keep`: of an each only the items that have no result.

        Reverting to the open step is nothing. Raises `NotFound` for a step the run does not have, `Conflict` when it
        is locked.
        """
        view = await self.draw(key)
        self._must_be_open(self.get(key))
        step = next((item for item in view.drawing.items if isinstance(item, Step) and item.slug == slug), None)
        if step is None:
            raise NotFound(f"This run has no step {slug[:80]}.")
        if step.state == "done":
            await self._stop(key)
            with self._feed.change() as rev:
                self._must_be_open(self.get(key))
                if self._steps.revert(key, step, rev, undo=1, keep=keep):  # else somebody else has done so meanwhile
                    self._due(key, rev, view.workflow, step.name)
                    self._tell(key, by, "tried again" if keep else "reverted", step.name)
            return await self._done(key)
        return self.get(key)

    async def undo(self, key: str, *, by: str = "person") -> Run:
        """Take back what was reverted since the last answer. Raises `Conflict` when there is nothing to undo."""
        view = await self.draw(key)
        self._must_be_open(self.get(key))
        if self._db.first("SELECT 1 FROM steps WHERE run = ? AND undo = 1", (key,)) is not None:
            await self._stop(key)
        with self._feed.change() as rev:
            self._must_be_open(self.get(key))
            if not self._steps.undo(key, rev):
                raise Conflict("There is nothing to undo.", hint="An answer since then has taken its place.")
            self._due(key, rev, view.workflow, "")
            self._tell(key, by, "undone")
        return await self._done(key)

    async def finalise(self, key: str, *, by: str = "person") -> Run:
        """Lock a run, stopping what runs: nothing in it can be changed until `unlock`."""
        if self.get(key).state == "open":
            await self._stop(key)
        return await self._set_state(key, "finished", by)

    async def unlock(self, key: str, *, by: str = "person") -> Run:
        """Open a locked run again."""
        return await self._set_state(key, "open", by)

    async def go_on_here(self, key: str, *, by: str = "person") -> Run:
        """Go on with the newest code: answers that fit are kept, the first that does not is asked again."""
        view = await self.draw(key)
        if view.changed is not None:
            with self._feed.change() as rev:
                self._must_be_open(self.get(key))
                newest = self._plugins.version(view.workflow.endpoint)
                self._touch(key, rev, "advance_due = 1, version = ?", newest.code)
                self._tell(key, by, "changed")
            return await self._done(key)
        return self.get(key)

    async def start_anew(self, key: str, *, by: str = "person") -> Run:
        """A new run from these answers with the newest code; this one is locked. Returns the new one."""
        assert self.fork is not None  # the core has set it
        self._must_be_open(self.get(key))
        new = await self.fork(key, by=by)
        await self.go_on_here(new.key, by=by)
        await self.finalise(key, by=by)
        return self.get(new.key)

    async def use_new_version(self, key: str, slug: str, *, by: str = "person") -> Run:
        """Run what is left of a job with the newest code: what it has done is kept. Nothing where there is no newer."""
        view = await self.draw(key)
        self._must_be_open(self.get(key))
        step = view.drawing.open
        if view.newer and step is not None and step.slug == slug and self.jobs is not None:
            await self._stop(key)
            with self._feed.change() as rev:
                self._db.execute("UPDATE steps SET version = '', rev = ? WHERE id = ? AND state IN ('stopped', "
                                 "'failed')", (rev, step.id))
                self._touch(key, rev, "advance_due = 1")
                self._tell(key, by, "changed", step.label)
            await self.jobs.go_on(key, slug)
        return self.get(key)

    # within

    async def _done(self, key: str) -> Run:
        """After a change: the run goes on, and what was told is on the disk."""
        await self.advance(key)
        await self._db.durable()
        return self.get(key)

    async def _stop(self, key: str) -> bool:
        """End what runs in a run. Whether something did."""
        row = self._db.first("SELECT slug FROM steps WHERE run = ? AND state = 'running'", (key,))
        if row is not None and self.jobs is not None:
            await self.jobs.stop(key, row["slug"])
        return row is not None

    async def _accept(self, step: Step, answers: Answers, *, owner: str) -> Given:
        return await accept(step, answers, owner=owner, files=self._files, secrets=self._secrets)

    def _asked(self, view: RunView, slug: str, rev: int, replace: bool) -> Step:
        assert view.run is not None
        self._must_be_open(view.run)
        if view.drawing.error is not None:
            raise view.drawing.error
        if view.changed is not None:
            raise Conflict(f"{view.workflow.title} has changed since this run began.",
                           hint="Choose whether to go on here or to start a new run.")
        step = view.drawing.open
        if replace:
            step = next((item for item in view.drawing.items if isinstance(item, Step) and item.slug == slug), step)
        if step is None or step.slug != slug or rev != view.form_rev:
            raise Conflict("This step was answered meanwhile." if slug in view.answered
                           else "The run has moved on since this form was drawn.")
        return step

    def _insert_run(self, workflow: Workflow, client_id: str, rev: int) -> str:
        last = self._db.one("SELECT max(number) AS n FROM runs WHERE endpoint = ?", (workflow.endpoint,))["n"]
        number, now = (last or 0) + 1, self._clock.now()
        key = f"default-{workflow.endpoint}-{number:02d}"
        self._db.execute(
            "INSERT INTO runs (key, endpoint, number, title, state, version, advance_due, client_id, created_at, "
            "updated_at, rev) VALUES (?, ?, ?, ?, 'open', ?, 1, ?, ?, ?, ?)",
            (key, workflow.endpoint, number, f"{workflow.title} {number}", workflow.code, client_id or None, now, now,
             rev))
        return key

    def _write(self, key: str, step: Step, given: Given, rev: int, by: str, workflow: Workflow) -> None:
        """One answer, inside its transaction."""
        self._steps.answer(key, step, given.stored, rev, by=by, at=self._clock.now())
        for id, name in given.files:
            self._files.keep(id, run=key, step=name)
        self._due(key, rev, workflow, "")
        text = summary(replace(step, value=given.value))
        self._tell(key, by, "answered", step.name, one_line(self._secrets.redact(text), TEXT_LENGTH))

    def _due(self, key: str, rev: int, workflow: Workflow, reverted_to: str) -> None:
        """What counts has changed, as drawn with this code: the run is to go on with it."""
        self._plugins.keep(workflow)
        self._touch(key, rev, "advance_due = 1, complete = 0, reverted_to = ?, version = ?", reverted_to, workflow.code)

    def _tell(self, key: str, by: str, what: str, label: str = "", text: str = "") -> None:
        """A line of the history, inside the transaction of the change."""
        self._db.execute("INSERT INTO history (run, at, by, what, label, text) VALUES (?, ?, ?, ?, ?, ?)",
                         (key, self._clock.now(), by, what, label, text))

    async def _set_state(self, key: str, state: str, by: str) -> Run:
        if self.get(key).state != state:
            with self._feed.change() as rev:
                self._touch(key, rev, "state = ?", state)
                self._tell(key, by, "finalised" if state == "finished" else "unlocked")
            return await self._done(key)
        return self.get(key)

    def _same(self, key: str, given: Given | None) -> bool:
        """Whether this run began with the same answer. Going back and giving another one is another run."""
        row = self._db.first("SELECT value FROM steps WHERE run = ? AND state != 'open' ORDER BY id", (key,))
        return row is None or given is None or same(row["value"], given, self._files, self._secrets)

    def _must_be_open(self, run: Run) -> None:
        if run.state != "open":
            raise Conflict("This run is finished and locked.", hint="Unlock it to change it.")
