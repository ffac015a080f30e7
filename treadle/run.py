"""A run as it is read: its row, and what a page draws of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from .clock import Clock
from .db import Database
from .drawing import Drawing, Step
from .drawings import Changed, Drawings, runnable
from .errors import NotFound
from .facts import told
from .feed import Feed
from .fields.answers import fields_of, pending, proposals
from .fields.secrets import Secrets
from .fields.spec import SECRET, Secret
from .files import File, Files
from .plugins.registry import Plugins
from .steps import Steps
from .text import cover, one_line
from .worker import folder_of, guarded
from .workflow import Broken, Workflow

T = TypeVar("T")
DRAW_S = 5.0  # seconds for drawing what an author shows
TITLES = frozenset({"text", "url", "upload"})  # kinds of questions whose answer names a run


class Run(NamedTuple):
    """One row of `runs`. `state`: "open", or "finished", which is locked; `complete`: the code has returned."""

    key: str
    endpoint: str
    number: int
    title: str
    state: str
    rev: int
    complete: int
    reverted_to: str  # the step reverted to, while that can be undone
    created_at: float
    updated_at: float
    named: int  # the title was given by a person
    origin: str  # the key of the run it was forked from, or "import"
    version: str      # the code its rows came from
    waiting_for: str  # the label of the step that is open, runs or failed
    answered: int     # steps with an answer


RUN = f"""SELECT {", ".join(Run._fields[:-2])},
    coalesce((SELECT label FROM steps WHERE run = runs.key AND state NOT IN ('done', 'reverted')), '') AS waiting_for,
    (SELECT count(*) FROM steps WHERE run = runs.key AND state = 'done') AS answered FROM runs WHERE deleted = 0"""


@dataclass(frozen=True, slots=True)
class RunView:
    """What a page draws: a run (None before its first answer) and its replay.

    `form_rev`: the rev the form of the open step carries. `answered`: slug to time. `pending`: files and secrets
    of a refused form of the open step, by the name of their field. `changed`: its code has, and the person decides how
    to go on. `newer`: there is newer code than the step that runs, or was stopped, began with.
    """

    run: Run | None
    workflow: Workflow
    drawing: Drawing
    form_rev: int = 0
    answered: dict[str, float] = field(default_factory=dict)
    pending: dict[str, File | Secret] = field(default_factory=dict)
    changed: Changed | None = None
    newer: bool = False

    @property
    def title(self) -> str:
        """The name a person gave it; else the workflow and the first text or file that was given, or its number."""
        if self.run is not None and self.run.named:
            return self.run.title
        for step in self.drawing.items:
            if isinstance(step, Step) and step.state == "done" and step.field is not None:
                values = proposals(step)
                for name, spec in fields_of(step).items():
                    if spec.kind in TITLES and (short := one_line(spec.text(values[name]), 40)):
                        return f"{self.workflow.title}, {short}"
        return f"{self.workflow.title} {self.run.number}" if self.run is not None else self.workflow.title


async def authored(view: RunView, work: Callable[[], T], *, within: float = DRAW_S) -> T:
    """What `work`, which asks an author's objects, gives; in a thread that is ended `within` seconds. Raises
    `PluginError`."""
    workflow = view.workflow
    return await guarded(work, folder_of(workflow.fn), what="What it shows", file=workflow.file, within=within)


def new_owner(client_id: str) -> str:
    """To whom a file belongs that was sent with the first answer, before there is a run."""
    return f"new/{client_id}"


class Reading:
    """All runs, to be read. Lives on the event loop; replay is in a worker thread and never touches the database."""

    def __init__(self, db: Database, feed: Feed, clock: Clock, plugins: Plugins, files: Files, secrets: Secrets, *,
                 twice: bool) -> None:
        self._db, self._feed, self._clock = db, feed, clock
        self._plugins, self._files, self._secrets = plugins, files, secrets
        self._steps = Steps(db, files)
        self._drawings = Drawings(plugins, self._steps, self._open, secrets.seal, twice=twice)

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
        run, rev = self.get(key), self._steps.rev(key)
        rows = self._steps.rows(key)
        drawn = await self._drawings.of(key, run.endpoint, run.version, rows, rev, locked=run.state == "finished")
        answered = {row["slug"]: row["answered_at"] for row in rows if row["state"] == "done"}
        waiting = pending(drawn.drawing.open, key, self._files, self._secrets)
        return RunView(run, drawn.workflow, drawn.drawing, rev, answered, waiting, drawn.changed, drawn.newer)

    async def draw_new(self, endpoint: str, *, client_id: str = "") -> RunView:
        """Replay a workflow without rows: what stands before its first answer.

        `client_id`: that of a refused form, whose file is still there.
        """
        workflow = self._workflow(endpoint)
        drawing = await self._drawings.draw(workflow, "", 0, ())
        waiting = pending(drawing.open, new_owner(client_id), self._files, self._secrets) if client_id else {}
        return RunView(None, workflow, drawing, pending=waiting)

    async def facts(self, key: str) -> str:
        """What the model is told of a run: its answers, its jobs and what it waits for, in at most 4,000 characters."""
        view, run = await self.draw(key), self.get(key)
        text = told(run.title, key, view.drawing, locked=run.state == "finished")
        return str(cover(self._secrets.redact(text), self.secrets_of(key)))

    def secrets_of(self, key: str) -> Sequence[str]:
        """What a run was told in confidence."""
        return () if self._secrets.empty else self._secrets.of(row["value"] for row in self._db.rows(
            "SELECT value FROM steps WHERE run = ? AND kind IN ('ask', 'form') AND instr(value, ?)", (key, SECRET)))

    def _open(self, id: str) -> Any:
        """The file or the secret of an id that is stored. Raises `NotFound`."""
        return self._secrets.get(id) if id.startswith(SECRET) else self._files.get(id)

    def _workflow(self, endpoint: str) -> Workflow:
        found = self._plugins.get(endpoint)
        if isinstance(found, Broken):
            raise found.error.with_traceback(None)  # it is kept: each raise would add to its traceback
        return runnable(found, endpoint)
