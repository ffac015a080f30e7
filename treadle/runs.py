"""Runs: a workflow under way, as rows. `draw` writes nothing; every change is one transaction, then `advance`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .answers import Answers as Answers
from .answers import Given, accept, pending, same
from .clock import Clock
from .db import Database
from .errors import Conflict, NotFound
from .feed import Feed
from .fields_spec import SECRET
from .files import File, Files
from .plugins import Plugins
from .replay import Drawing, Step, Stored, replay
from .secrets import Secrets
from .text import one_line
from .workflow import Broken, Workflow

DRAWINGS_KEPT = 8  # replay is pure, so its last results serve the pages of a table and the answer to a POST
TITLES = frozenset({"text", "url", "upload"})  # kinds of questions whose answer names a run
FACTS_LENGTH = 4_000  # characters of a run that the model is told
FACT_LENGTH = 400  # characters of one answer in them


class Run(NamedTuple):
    """One row of `runs`. `state`: "open", or "finished", which is locked; `complete`: the code has returned."""

    key: str
    endpoint: str
    number: int
    title: str
    state: str
    rev: int
    complete: int
    reverted_to: str  # the label reverted to, while that can be undone
    created_at: float
    updated_at: float
    named: int  # the title was given by a person
    origin: str  # the key of the run it was forked from, or "import"
    waiting_for: str  # the label of the open step
    answered: int     # steps with an answer


RUN = f"""SELECT {", ".join(Run._fields[:-2])},
    coalesce((SELECT label FROM steps WHERE run = runs.key AND state = 'open'), '') AS waiting_for,
    (SELECT count(*) FROM steps WHERE run = runs.key AND state = 'done') AS answered FROM runs WHERE deleted = 0"""


@dataclass(frozen=True, slots=True)
class RunView:
    """What a page draws: a run (None before its first answer) and its replay.

    `form_rev`: the rev the form of the open step carries. `answered`: slug to time. `pending`: the files of a
    refused form of the open step, by the name of their field.
    """

    run: Run | None
    workflow: Workflow
    drawing: Drawing
    form_rev: int = 0
    answered: dict[str, float] = field(default_factory=dict)
    pending: dict[str, File] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name a person gave it; else the workflow and the first text or file that was given, or its number."""
        if self.run is not None and self.run.named:
            return self.run.title
        for step in self.drawing.items:
            if isinstance(step, Step) and step.state == "done" and step.field is not None:
                if step.field.kind in TITLES and (short := one_line(step.field.text(step.value), 40)):
                    return f"{self.workflow.title}, {short}"
        return f"{self.workflow.title} {self.run.number}" if self.run is not None else self.workflow.title


def new_owner(client_id: str) -> str:
    """To whom a file belongs that was sent with the first answer, before there is a run."""
    return f"new/{client_id}"


class Runs:
    """All runs. Lives on the event loop; replay is in a worker thread and never touches the database."""

    def __init__(self, db: Database, feed: Feed, clock: Clock, plugins: Plugins, files: Files, secrets: Secrets, *,
                 twice: bool) -> None:
        self._db, self._feed, self._clock = db, feed, clock
        self._plugins, self._files, self._secrets, self._twice = plugins, files, secrets, twice
        self._drawings: OrderedDict[tuple[str, str, int], Drawing] = OrderedDict()

    # reading

    def get(self, key: str) -> Run:
        """The run with this key. Raises `NotFound`."""
        row = self._db.first(f"{RUN} AND key = ?", (key,))
        if row is None:
            raise NotFound(f"There is no run {key[:80]}.", hint="Its workflow lists those there are.")
        return Run._make(row)

    def list(self, endpoint: str | None = None, *, unfinished: bool | None = None, limit: int = 20) -> Sequence[Run]:
        """Runs, the one last worked on first. `unfinished`: only those that wait for something, or only the others."""
        where = (" AND endpoint = :endpoint" if endpoint else "") + ("" if unfinished is None else (
            f" AND {'' if unfinished else 'NOT '}(state = 'open' AND complete = 0)"))
        return [Run._make(row) for row in self._db.rows(f"{RUN}{where} ORDER BY rev DESC LIMIT :limit",
                                                        {"endpoint": endpoint, "limit": limit})]

    async def draw(self, key: str) -> RunView:
        """Replay a run. Writes nothing. Raises `NotFound`, and the `PluginError` of a plugin that does not load."""
        run = self.get(key)
        workflow = self._workflow(run.endpoint)
        form_rev = self._form_rev(key)
        rows = self._db.rows("SELECT * FROM steps WHERE run = ? AND state != 'open' ORDER BY id", (key,))
        stored = [Stored(row["label"], row["key"], row["kind"], row["value"], row["digest"], row["state"])
                  for row in rows]
        drawing = await self._replay(workflow, key, form_rev, stored)
        answered = {row["slug"]: row["answered_at"] for row in rows if row["state"] == "done"}
        return RunView(run, workflow, drawing, form_rev, answered, pending(drawing.open, key, self._files))

    async def draw_new(self, endpoint: str, *, client_id: str = "") -> RunView:
        """Replay a workflow without rows: what stands before its first answer.

        `client_id`: that of a refused form, whose file is still there.
        """
        workflow = self._workflow(endpoint)
        drawing = await self._replay(workflow, "", 0, ())
        waiting = pending(drawing.open, new_owner(client_id), self._files) if client_id else {}
        return RunView(None, workflow, drawing, pending=waiting)

    async def facts(self, key: str) -> str:
        """What the model is told of a run: its answers and its open question, in at most 4,000 characters."""
        view = await self.draw(key)
        run, drawing = self.get(key), view.drawing
        last = "The run could not be drawn, because its workflow has an error." if drawing.error else (
            "The run is finished and locked." if run.state == "finished" else "All steps are done.")
        if drawing.open is not None and run.state == "open":
            last = f"The open question is step {drawing.open.number}: {drawing.open.label}."
            if drawing.open.field is not None and drawing.open.field.help:
                last += f" {one_line(drawing.open.field.help, FACT_LENGTH)}"
        head = f"Open run: {one_line(run.title, 120)} ({key})."
        lines: list[str] = []
        room = FACTS_LENGTH - len(head) - len(last) - 60
        done = [item for item in drawing.items if isinstance(item, Step) and item.state == "done"]
        for step in reversed(done):  # the newest answers matter most
            line = f"- {step.label}: {one_line(summary(step), FACT_LENGTH)}"
            if len(line) + 1 > room:
                lines.append("- (earlier answers are left out)")
                break
            room -= len(line) + 1
            lines.append(line)
        return "\n".join([head, *reversed(lines), last])

    # changing

    async def begin(self, endpoint: str, answers: Answers, *, client_id: str = "") -> Run:
        """Make a run of this first answer. The same `client_id` with the same answer is the same run.

        Raises `InvalidAnswer`, and the author's `PluginError` where the workflow cannot be drawn.
        """
        view = await self.draw_new(endpoint, client_id=client_id)
        if view.drawing.error is not None:
            raise view.drawing.error
        step, given = view.drawing.open, None
        if step is not None:
            given = await self._accept(step, answers, owner=new_owner(client_id))
        with self._feed.change() as rev:
            old = self._db.first("SELECT key FROM runs WHERE client_id = ?", (client_id,)) if client_id else None
            if old is not None and self._same(old["key"], given):
                key = old["key"]
            else:
                key = self._insert_run(view.workflow, client_id if old is None else "", rev)
                if step is not None and given is not None:
                    self._write(key, step, given, rev)
        await self._advance(key)
        await self._db.durable()
        return self.get(key)

    async def answer(self, key: str, slug: str, answers: Answers, *, rev: int,
                     replace: bool = False) -> Run:
        """Store the answer to the open step. `rev`: what its form carried.

        Raises `Conflict` when somebody was faster or the run is locked, `InvalidAnswer` for a value. `replace`: an
        answer that came second takes the place of the stored one; what followed it is asked again.
        """
        view = await self.draw(key)
        step = self._asked(view, slug, rev, replace)
        given = await self._accept(step, answers, owner=key)
        with self._feed.change() as now:
            self._must_be_open(self.get(key))
            if self._form_rev(key) != view.form_rev:
                raise Conflict(f"{step.label} was answered meanwhile.")
            if step.state == "done":
                self._revert_from(key, step, now, undo=0)
            self._write(key, step, given, now)
        await self._advance(key)
        await self._db.durable()
        return self.get(key)

    async def revert(self, key: str, slug: str) -> Run:
        """Ask this step and all after it again, the old answers as defaults. Reverting to the open step is nothing.

        Raises `NotFound` for a step the run does not have, `Conflict` when it is locked.
        """
        view = await self.draw(key)
        self._must_be_open(self.get(key))
        step = next((item for item in view.drawing.items if isinstance(item, Step) and item.slug == slug), None)
        if step is None:
            raise NotFound(f"This run has no step {slug[:80]}.")
        if step.state == "done":
            with self._feed.change() as rev:
                self._must_be_open(self.get(key))
                if self._revert_from(key, step, rev, undo=1):  # else it was reverted by somebody else meanwhile
                    self._touch(key, rev, "advance_due = 1, complete = 0, reverted_to = ?", step.label)
            await self._advance(key)
            await self._db.durable()
        return self.get(key)

    async def undo(self, key: str) -> Run:
        """Take back what was reverted since the last answer. Raises `Conflict` when there is nothing to undo."""
        with self._feed.change() as rev:
            self._must_be_open(self.get(key))
            self._db.execute("DELETE FROM steps WHERE run = ? AND state = 'open'", (key,))
            if not self._db.execute("UPDATE steps SET state = 'done', undo = 0, rev = ? WHERE run = ? AND undo = 1",
                                    (rev, key)).rowcount:
                raise Conflict("There is nothing to undo.", hint="An answer since then has taken its place.")
            self._touch(key, rev, "advance_due = 1, reverted_to = ''")
        await self._advance(key)
        await self._db.durable()
        return self.get(key)

    async def finalise(self, key: str) -> Run:
        """Lock a run: nothing in it can be changed until `unlock`."""
        return await self._set_state(key, "finished")

    async def unlock(self, key: str) -> Run:
        """Open a locked run again."""
        return await self._set_state(key, "open")

    async def recover(self) -> None:
        """At the start: advance what a kill left between an answer and its next step."""
        self._files.recover()
        await self.forget_secrets()
        for row in self._db.rows("SELECT key, endpoint FROM runs WHERE advance_due = 1 AND deleted = 0 ORDER BY rev"):
            if isinstance(self._plugins.get(row["endpoint"]), Workflow):  # else it stays due until its file loads
                await self._advance(row["key"])

    async def forget_secrets(self) -> None:
        """Forget those no run holds any more: at the start, and when runs are removed for good."""
        rows = self._db.rows("SELECT value FROM steps WHERE value LIKE ?", (f'%"{SECRET}%',))
        await self._secrets.sweep(row["value"] for row in rows)

    # within

    async def _advance(self, key: str) -> None:
        """Write the row of the open step. Moves no rev: the drawing is the same before and after.

        A run that cannot be drawn stays due, so that it goes on when its file is mended.
        """
        while True:
            view = await self.draw(key)
            if view.drawing.error is not None:
                return
            with self._db.transaction():
                if self._form_rev(key) != view.form_rev:
                    continue  # answered or reverted meanwhile: draw that
                self._db.execute("DELETE FROM steps WHERE run = ? AND state = 'open'", (key,))
                if (step := view.drawing.open) is not None:
                    # a stored answer that no longer fits is asked again and stays as the default
                    self._db.execute("UPDATE steps SET state = 'reverted' WHERE run = ? AND label = ? AND key = ? "
                                     "AND state = 'done'", (key, step.label, step.key))
                    self._insert(key, step, "open", None, view.form_rev)
                self._db.execute("UPDATE runs SET advance_due = 0, complete = ?, title = iif(named, title, ?) "
                                 "WHERE key = ?", (int(view.drawing.finished), view.title, key))
            return

    async def _replay(self, workflow: Workflow, key: str, form_rev: int, stored: Sequence[Stored]) -> Drawing:
        cached = (key or f"/{workflow.endpoint}", workflow.code, form_rev)
        if cached in self._drawings:
            self._drawings.move_to_end(cached)
            return self._drawings[cached]
        drawing = await replay(workflow, stored, open_file=self._open, twice=self._twice)
        if drawing.error is None:
            self._drawings[cached] = drawing
            if len(self._drawings) > DRAWINGS_KEPT:
                self._drawings.popitem(last=False)
        return drawing

    async def _accept(self, step: Step, answers: Answers, *, owner: str) -> Given:
        return await accept(step, answers, owner=owner, files=self._files, secrets=self._secrets)

    def _open(self, id: str) -> Any:
        """The file or the secret of an id that is stored. Raises `NotFound`."""
        return self._secrets.get(id) if id.startswith(SECRET) else self._files.get(id)

    def _asked(self, view: RunView, slug: str, rev: int, replace: bool) -> Step:
        assert view.run is not None
        self._must_be_open(view.run)
        if view.drawing.error is not None:
            raise view.drawing.error
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

    def _write(self, key: str, step: Step, given: Given, rev: int) -> None:
        """One answer, inside its transaction."""
        self._db.execute("DELETE FROM steps WHERE run = ? AND state = 'open'", (key,))
        self._db.execute("UPDATE steps SET undo = 0 WHERE run = ?", (key,))
        self._db.execute("UPDATE steps SET state = 'reverted', rev = ? WHERE run = ? AND label = ? AND key = ? "
                         "AND state = 'done'", (rev, key, step.label, step.key))
        self._insert(key, step, "done", given.stored, rev)
        for id, name in given.files:
            self._files.keep(id, run=key, step=name)
        self._touch(key, rev, "advance_due = 1, complete = 0, reverted_to = ''")

    def _insert(self, key: str, step: Step, state: str, value: str | None, rev: int) -> None:
        now = self._clock.now()
        self._db.execute(
            "INSERT INTO steps (run, label, key, slug, kind, state, value, digest, position, answered_at, "
            "created_at, rev) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (key, step.label, step.key, step.slug, step.kind, state, value, step.approve.digest if step.approve else "",
             step.number, now if state == "done" else None, now, rev))

    def _revert_from(self, key: str, step: Step, rev: int, *, undo: int) -> int:
        self._db.execute("DELETE FROM steps WHERE run = ? AND state = 'open'", (key,))
        return self._db.execute(
            "UPDATE steps SET state = 'reverted', undo = ?, rev = ? WHERE run = ? AND state = 'done' AND position >= "
            "(SELECT position FROM steps WHERE run = ? AND label = ? AND key = ? AND state = 'done')",
            (undo, rev, key, key, step.label, step.key)).rowcount

    def _touch(self, key: str, rev: int, what: str, *params: Any) -> None:
        self._db.execute(f"UPDATE runs SET {what}, rev = ?, updated_at = ? WHERE key = ?",
                         (*params, rev, self._clock.now(), key))

    async def _set_state(self, key: str, state: str) -> Run:
        if self.get(key).state != state:
            with self._feed.change() as rev:
                self._touch(key, rev, "state = ?", state)
            await self._db.durable()
        return self.get(key)

    def _form_rev(self, key: str) -> int:
        """The rev of the last answer, revert or undo: what the form of the open step carries."""
        row = self._db.one("SELECT max(rev) AS rev FROM steps WHERE run = ?", (key,))
        return row["rev"] or 0

    def _same(self, key: str, given: Given | None) -> bool:
        """Whether this run began with the same answer. Going back and giving another one is another run."""
        row = self._db.first("SELECT value FROM steps WHERE run = ? AND state != 'open' ORDER BY id", (key,))
        return row is None or given is None or same(row["value"], given, self._files, self._secrets)

    def _must_be_open(self, run: Run) -> None:
        if run.state != "open":
            raise Conflict("This run is finished and locked.", hint="Unlock it to change it.")

    def _workflow(self, endpoint: str) -> Workflow:
        found = self._plugins.get(endpoint)
        if isinstance(found, Broken):
            raise found.error.with_traceback(None)  # it is kept: each raise would add to its traceback
        if found is None or found.kind != "workflow":  # home is a place, and nothing to run
            raise NotFound(f"There is no workflow {endpoint[:80]}.", hint="Its file may have been renamed or removed.")
        return found


def summary(step: Step) -> str:
    """An answered step in one line: what was typed, or the words of the decision."""
    if step.approve is not None:
        return step.approve.yes if step.value else step.approve.no
    return step.field.text(step.value) if step.field is not None else ""
