"""A run goes on: the row of the step that is open is written, and what is to run begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from .drawing import Step
from .errors import NotFound, PluginError
from .fields.spec import SECRET
from .jobs.items import content_of
from .run import Reading, RunView


class Engine(Protocol):
    """What runs the jobs of runs."""

    def start(self, run: str, step_id: int, step: Step) -> None:
        """Begin, or go on after a restart; nothing for one that is under way."""

    async def stop(self, run: str, slug: str) -> None:
        """Stop it; nothing when it is not running."""

    async def go_on(self, run: str, slug: str) -> None:
        """Go on with what was stopped or failed."""


class Advancing(Reading):
    """All runs, going on. `jobs`, which the core sets, is what runs their jobs."""

    jobs: Engine | None = None

    async def advance(self, key: str) -> None:
        """Write the row of the step that is open, and begin what is to run. After every change, and after every end of
        a job. A run that cannot be drawn stays due, so that it goes on when its file is mended; so does one that waits
        for a decision about its changed code.
        """
        try:
            while await self._advance(key):
                pass
        except (NotFound, PluginError):
            return

    async def recover(self) -> None:
        """At the start: go on where a kill left something to do."""
        self._files.recover()
        await self.forget_secrets()
        for row in self._db.rows("SELECT key FROM runs WHERE deleted = 0 AND state = 'open' AND (advance_due = 1 OR "
                                 "key IN (SELECT run FROM steps WHERE state = 'running')) ORDER BY rev"):
            await self.advance(row["key"])

    async def reloaded(self, endpoints: Sequence[str]) -> None:
        """The code of these has changed: what was due, and could not be drawn, goes on."""
        for endpoint in endpoints:
            for row in self._db.rows("SELECT key FROM runs WHERE endpoint = ? AND deleted = 0 AND advance_due = 1 "
                                     "ORDER BY rev", (endpoint,)):
                await self.advance(row["key"])

    async def forget_secrets(self) -> None:
        """Forget those no run holds any more: at the start, and when runs are removed for good."""
        rows = self._db.rows("SELECT value FROM steps WHERE value LIKE ?", (f'%"{SECRET}%',))
        await self._secrets.sweep(row["value"] for row in rows)

    async def _advance(self, key: str) -> bool:
        """One step on. Whether there may be more to do: the rows have moved on, or something has begun."""
        await self._seal(key)
        view = await self.draw(key)
        drawing, step = view.drawing, view.drawing.open
        if self.get(key).state != "open" or drawing.error is not None or view.changed is not None:
            return False  # what is locked stays due until somebody unlocks it
        begins = step is not None and step.work is not None and step.state == "open"
        adopts = step is not None and step.state == "running" and not step.code
        self._plugins.keep(view.workflow)
        with self._feed.change() if begins or adopts else self._unseen(view.form_rev) as rev:
            if self._steps.rev(key) != view.form_rev:
                return True  # answered or reverted meanwhile: draw that
            begun = self._place(view, rev)
            more = (begins or adopts) and not begun
            self._db.execute("UPDATE runs SET advance_due = ?, complete = ?, version = ?, rev = max(rev, ?), "
                             "title = iif(named, title, ?) WHERE key = ?",
                             (int(more), int(drawing.finished), view.workflow.code, rev, view.title, key))
        if step is not None and (begun or (step.state == "running" and not adopts)) and self.jobs is not None:
            self.jobs.start(key, begun or step.id, step)
        return more

    def _place(self, view: RunView, rev: int) -> int:
        """The rows of a drawing: where each step stands in it, and that of the open one. The id of one that is to run
        from now on, else 0."""
        assert view.run is not None
        key, step = view.run.key, view.drawing.open
        self._db.execute("DELETE FROM steps WHERE run = ? AND state = 'open'", (key,))
        self._steps.place(key, [item for item in view.drawing.items if isinstance(item, Step)])
        if step is None:
            return 0
        if step.work is None:
            self._steps.open(key, step, rev)
        elif step.state == "open":
            return self._steps.begin(key, step, rev, code=view.workflow.code, at=self._clock.now())
        elif not step.code or step.state == "failed":  # tried again, it is with the newest code
            self._db.execute("UPDATE steps SET version = iif(state = 'failed', '', ?), rev = ? WHERE id = ?",
                             (view.workflow.code, rev, step.id))
        return 0

    async def _seal(self, key: str) -> None:
        """Say what is in the lists that are done, by which whatever is made of them is known."""
        for id in self._steps.unsealed(key):
            content = await content_of(self._db, id)
            with self._feed.change() as rev:
                self._db.execute("UPDATE steps SET value = ?, rev = ? WHERE id = ? AND state = 'done' AND "
                                 "value IS NULL", (content, rev, id))
                self._touch(key, rev, "advance_due = 1")

    @contextmanager
    def _unseen(self, rev: int) -> Iterator[int]:
        """A transaction that changes nothing a viewer sees."""
        with self._db.transaction():
            yield rev

    def _touch(self, key: str, rev: int, what: str, *params: Any) -> None:
        self._db.execute(f"UPDATE runs SET {what}, rev = ?, updated_at = ? WHERE key = ?",
                         (*params, rev, self._clock.now(), key))
