"""What is done to workflows and runs from outside a page, as plain data: over HTTP, by the command line, by the model.

One way in for all three: a value becomes what a form would have sent, and goes through the same checks. One way out:
what JSON holds, without secrets.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from .archive import Archive
from .drawing import WORKS, Export, Show, Step
from .errors import Conflict, InvalidAnswer, NotFound
from .feed import Feed
from .fields.answers import fields_of, file_step
from .fields.types import FieldSpec, FormSpec, Secret
from .files import File, FileId, Files, Sink
from .jobs.engine import Jobs
from .plugins.registry import Plugins
from .results import Failed
from .run import authored
from .runs import Answers, Run, Runs, RunView
from .shows import Table
from .shows.exports import make
from .text import cover, storable
from .ui import _key_text as key_text
from .workflow import Broken, Workflow

__all__ = ["Commands", "key_text", "schema", "settled", "typed", "under_way"]

LEVELS = 100   # of what is nested; what is deeper is an ellipsis
MISSING = {"missing": True}  # in the place of what only the other run has
ROWS = 50      # rows of a table that is shown; an export holds them all
READ_S = 10.0  # seconds for what an author's objects may take to become data
EXPORT_S = 60.0  # seconds for making a download
CHANGES = ("revert", "undo", "finalise", "unlock", "stop", "go-on", "continue", "use-new-code", "start-anew", "fork",
           "rename", "delete", "restore")


def typed(step: Step, value: Any) -> Answers:
    """The fields a form would have sent for `value`: what a person would type, or what JSON and Python have for it.

    Raises `InvalidAnswer` for what can be no answer to this question; whether it is a good one is judged later.
    """
    if step.approve is not None:
        words = {step.approve.yes.casefold(): "yes", step.approve.no.casefold(): "no", "yes": "yes", "no": "no",
                 "true": "yes", "false": "no"}
        given = words.get(str(value).strip().casefold())
        return {"value": [given] if given else [str(value)]}
    if isinstance(step.field, FormSpec):
        if not isinstance(value, Mapping):
            raise InvalidAnswer(f"{step.label} has several fields: give an object with a value for each.")
        if strange := [name for name in value if name not in step.field.fields]:
            known = ", ".join(step.field.fields)
            raise InvalidAnswer(f"{step.label} has no field {strange[0]}.", hint=f"It has {known}.")
        values = step.field.values(step.default) | dict(value)  # what is not given stays as a form would show it
        return {f"value.{name}": _texts(step.field.fields[name], each) for name, each in values.items()}
    assert step.field is not None  # the kinds that run are not answered
    return {"value": _texts(step.field, value)}


def _texts(spec: FieldSpec, value: Any) -> list[str | FileId]:
    if spec.kind == "upload":
        id = value.get("file", "") if isinstance(value, Mapping) else getattr(value, "id", value)
        return [FileId(storable(str(id)))] if id else []
    if spec.kind == "choices" and isinstance(value, list | tuple | set | frozenset):
        return [text for each in value for text in _option(spec, each)]
    if spec.kind in ("choice", "choices"):
        return [*_option(spec, value)]
    if spec.kind == "yes_no" and isinstance(value, bool):
        return ["yes"] if value else []
    return [value] if isinstance(value, str) else [*spec.texts(value)]


def _option(spec: FieldSpec, value: Any) -> list[str]:
    """The text of an option, of which `value` is the text or the value; what is neither is refused later."""
    if value is None or value in spec.options:
        return [] if value is None else [value]
    for text, option in zip(spec.options, spec.values, strict=True):
        plain = getattr(option, "value", option)
        if value in (option, plain) or value == str(plain):  # a number is a text on a command line
            return [text]
    return [str(value)]


def schema(step: Step) -> dict[str, Any]:
    """The JSON schema of the answer to a question."""
    if step.approve is not None:
        return {"type": "boolean", "title": step.label,
                "description": f"true: {step.approve.yes}. false: {step.approve.no}."}
    return step.field.json_schema() if step.field is not None else {}


def under_way(view: RunView) -> bool:
    """Whether this run waits for a job and not for a person."""
    step = view.drawing.open
    return (step is not None and step.kind in WORKS and step.state in ("open", "running") and view.changed is None
            and view.run is not None and view.run.state == "open")


async def settled(runs: Runs, feed: Feed, key: str) -> RunView:
    """The run once it waits for a person or has ended. Cancelling leaves its job alone."""
    while True:
        tick = feed.tick
        view = await runs.draw(key)
        if not under_way(view):
            return view
        await feed.wait_after(tick)


def plain_data(value: Any, left: int = LEVELS) -> Any:
    """A value as JSON holds it: files by name and id, frames and models as they write themselves."""
    if isinstance(value, Secret):
        return None
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float | bool):
        return value if not isinstance(value, float) or math.isfinite(value) else None  # JSON knows neither NaN nor inf
    if not left:
        return "\u2026"
    if isinstance(value, File):
        return {"file": value.id, "name": value.name, "size": value.size, "url": f"/files/{value.id}"}
    if isinstance(value, Failed):
        return {"failed": value.error, "item": plain_data(value.item, left - 1)}
    if isinstance(value, Mapping):
        return {str(name): plain_data(each, left - 1) for name, each in value.items()}
    if isinstance(value, Table):
        return plain_data(value.records(), left - 1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: plain_data(getattr(value, part.name), left - 1) for part in dataclasses.fields(value)}
    if isinstance(names := getattr(type(value), "model_fields", None), Mapping):
        return {name: plain_data(getattr(value, name), left - 1) for name in names}
    if hasattr(value, "__iter__") and not isinstance(value, bytes):
        return [plain_data(each, left - 1) for each in value]
    return str(value)


class Commands:
    """The commands. Each gives what JSON holds, and raises what a page would show."""

    def __init__(self, runs: Runs, archive: Archive, jobs: Jobs, plugins: Plugins, files: Files, *,
                 max_upload: int) -> None:
        """`max_upload`: bytes of a file where its question says nothing else."""
        self._runs, self._archive, self._jobs, self._plugins, self._files = runs, archive, jobs, plugins, files
        self._max_upload = max_upload

    # reading

    def workflows(self) -> list[dict[str, Any]]:
        """Every workflow in the order of the menu, and those that do not load."""
        return [_declared(found) for found in self._plugins.all() if found.kind != "page"]

    async def workflow(self, endpoint: str) -> dict[str, Any]:
        """One workflow, and its first question. Raises `NotFound`, `PluginError`."""
        view = await self._runs.draw_new(endpoint)
        return _declared(view.workflow) | await self._view(view)

    def runs(self, endpoint: str = "", *, unfinished: bool | None = None) -> list[dict[str, Any]]:
        """The newest runs, the one last worked on first."""
        return [_run(run) for run in self._runs.list(endpoint or None, unfinished=unfinished, limit=100)]

    async def read(self, key: str) -> dict[str, Any]:
        """A run: its steps, what it waits for, what it shows. Raises `NotFound`, `PluginError`."""
        return await self._view(await self._runs.draw(key))

    async def compare(self, left: str, right: str) -> dict[str, Any]:
        """Two runs: their steps by label and key, and what they show, each with whether it differs."""
        sides = [await self.read(key) for key in (left, right)]
        steps = [{(step["label"], step["key"]): step["value"] for step in side["steps"]} for side in sides]
        both = [{"label": name[0], "key": name[1], **_beside(*(side.get(name, MISSING) for side in steps))}
                for name in dict.fromkeys([*steps[0], *steps[1]])]
        shown = [_beside(*pair) for pair in zip_longest(*(side["shown"] for side in sides), fillvalue=MISSING)]
        return {"left": left, "right": right, "steps": both, "shown": shown}

    # changing

    async def bring_in(self, path: Path, *, by: str) -> dict[str, Any]:
        """Make a run of a saved one; it is locked. Raises `InvalidAnswer` for what is no saved run."""
        return _run(self._runs.get(await self._archive.bring_in(path, by=by)))

    async def begin(self, endpoint: str, value: Any = None, *, client_id: str = "", by: str) -> dict[str, Any]:
        """Make a run of this answer to the first question. The same `client_id` again is the same run."""
        step = (await self._runs.draw_new(endpoint)).drawing.open
        answers = typed(step, value) if step is not None and step.kind not in WORKS else {}
        return await self.read((await self._runs.begin(endpoint, answers, client_id=client_id, by=by)).key)

    async def answer(self, key: str, name: str, value: Any, *, rev: int | None = None, by: str) -> dict[str, Any]:
        """Answer the open question. `name`: its slug or label, "" for whichever it is. `rev`: that of what was read.

        Raises `InvalidAnswer`; `Conflict` when another step is open, or it was answered since `rev`.
        """
        view = await self._runs.draw(key)
        step = view.drawing.open
        if view.drawing.error is not None:
            raise view.drawing.error
        if step is None or step.kind in WORKS or name not in ("", step.slug, step.label):
            raise Conflict(f"{key} does not ask for {name or 'an answer'} now.", hint=_waits(step))
        await self._runs.answer(key, step.slug, typed(step, value), rev=view.form_rev if rev is None else rev,
                                by=by)
        return await self.read(key)

    async def change(self, key: str, what: str, name: str = "", *, by: str) -> dict[str, Any]:
        """Change a run in one of the ways of `CHANGES`. `name`: the slug or label of the step, where it needs one; of
        `fork` it may be "", of `rename` it is the new name."""
        at_step: Any = {"revert": self._runs.revert, "fork": self._archive.fork, "stop": self._jobs.stop,
                        "go-on": self._jobs.go_on, "continue": self._jobs.continue_with}
        if what in ("delete", "restore"):
            if not await getattr(self._archive, what)([key], by=by):
                raise NotFound(f"There is no run {key[:80]} to {what}.", hint="A deleted run is kept for a day.")
        elif what == "rename":
            await self._archive.rename(key, name, by=by)
        elif what in at_step:
            slug = (await self._step(key, name)).slug if name or what != "fork" else ""
            key = getattr(await at_step[what](key, slug, by=by), "key", key)
        else:
            method = {"use-new-code": "go_on_here"}.get(what, what.replace("-", "_"))
            key = (await getattr(self._runs, method)(key, by=by)).key
        return {"run": key, "deleted": True} if what == "delete" else await self.read(key)

    # files

    @asynccontextmanager
    async def receive(self, key: str, endpoint: str, name: str, *, owner: str, field: str = "") -> AsyncIterator[Sink]:
        """Store a file for the open question of a run, or of a workflow before its first answer. `field`: of a form.

        Raises `Conflict` where no file is asked for, `TooLarge`.
        """
        view = await (self._runs.draw(key) if key else self._runs.draw_new(endpoint))
        step = view.drawing.open
        known = f"value.{field}" if field else "value"
        spec = fields_of(step).get(known)
        if step is None or spec is None or spec.kind != "upload":
            raise Conflict("No file is asked for now.", hint=_waits(step))
        limit = self._max_upload if spec.max_mb is None else int(spec.max_mb * 1_000_000)
        async with self._files.receive(name, run=owner, step=file_step(step, known), max_bytes=limit) as sink:
            yield sink

    async def export(self, key: str, name: str) -> tuple[str, bytes]:
        """A download of a run: its name, and what is in it. Raises `NotFound`."""
        view = await self._runs.draw(key)
        for item in view.drawing.items:
            if isinstance(item, Export) and name in (item.name, item.slug):
                making = partial(make, item.name, item.data, self._runs.secrets_of(key))
                return item.name, await authored(view, making, within=EXPORT_S)
        raise NotFound(f"{key} has no download {name[:80]}.")

    # within

    async def _step(self, key: str, name: str) -> Step:
        for step in (await self._runs.draw(key)).drawing.items:
            if isinstance(step, Step) and name in (step.slug, step.label):
                return step
        raise NotFound(f"{key} has no step {name[:80]}.")

    async def _view(self, view: RunView) -> dict[str, Any]:
        facts: dict[str, Any] = _run(view.run) if view.run is not None else {"workflow": view.workflow.endpoint}
        if view.run is not None and view.changed is None:  # as drawn: its row follows in a moment
            step = view.drawing.open
            facts |= {"complete": view.drawing.finished, "waiting_for": step.label if step is not None else None}

        secrets = self._runs.secrets_of(view.run.key) if view.run is not None else ()

        def work() -> dict[str, Any]:  # asks an author's objects what they hold
            items = view.drawing.items
            shown = [_shown(thing, secrets) for item in items if isinstance(item, Show) for thing in item.things]
            return {"steps": [_step(item) for item in items if isinstance(item, Step) and item.state == "done"],
                    "shown": shown, "result": cover(plain_data(view.drawing.result), secrets)}

        facts |= await authored(view, work, within=READ_S)
        base = f"/runs/{view.run.key}" if view.run is not None else f"/runs/new/{view.workflow.endpoint}"
        facts["exports"] = [{"name": item.name, "url": f"{base}/exports/{item.slug}"} for item in view.drawing.items
                            if isinstance(item, Export)]
        error = view.drawing.error
        facts["error"] = error and {"error": error.message, "hint": error.hint, "file": error.file, "line": error.line}
        facts["changed"] = view.changed is not None
        facts["open"] = self._open(view, secrets)
        return facts

    def _open(self, view: RunView, secrets: Sequence[str]) -> dict[str, Any] | None:
        """What the run waits for: a question with the schema of its answer, or a job with its state."""
        step = view.drawing.open
        if step is None:
            return None
        facts: dict[str, Any] = {"label": step.label, "key": step.key, "step": step.slug, "kind": step.kind,
                                 "rev": view.form_rev}
        if step.kind in WORKS:
            live = self._jobs.live(step.id) if step.id else None
            progress = None if live is None else {
                "done": live.done, "total": live.total, "text": live.waits or live.text, "eta_s": live.eta_s,
                "failed": live.failed}
            state = "running" if under_way(view) else "waiting" if step.state == "open" else step.state
            return facts | {"state": state, "error": step.error, "progress": progress}
        if step.approve is not None:
            facts["what"] = [_shown(thing, secrets) for thing in step.approve.what]
        if step.field is not None:
            facts["field"] = step.field.kind
        return facts | {"state": "open", "schema": _told(schema(step), secrets),
                        "default": cover(plain_data(step.default), secrets)}


def _told(schema: dict[str, Any], secrets: Sequence[str]) -> dict[str, Any]:
    """A schema without these secrets, its own words as they are: "password" may be the name of a field, too."""
    return {name: cover(part, secrets) if name in ("default", "description") else
            _told(part, secrets) if isinstance(part, dict) else part for name, part in schema.items()}


def _beside(left: Any, right: Any) -> dict[str, Any]:
    return {"left": left, "right": right, "differs": left != right}


def _waits(step: Step | None) -> str:
    return f"It waits for {step.label}." if step is not None else "It is complete."


def _declared(found: Workflow | Broken) -> dict[str, Any]:
    facts: dict[str, Any] = {"workflow": found.endpoint, "title": found.title, "kind": found.kind, "file": found.file}
    if isinstance(found, Broken):
        return facts | {"error": found.error.message, "line": found.error.line}
    return facts | {"about": found.about, "message": found.message, "outline": list(found.steps),
                    "needs": list(found.needs)}


def _run(run: Run) -> dict[str, Any]:
    return {"run": run.key, "workflow": run.endpoint, "title": run.title, "url": f"/{run.endpoint}/{run.key}",
            "locked": run.state == "finished", "complete": bool(run.complete), "waiting_for": run.waiting_for or None}


def _step(step: Step) -> dict[str, Any]:
    return {"label": step.label, "key": step.key, "step": step.slug, "kind": step.kind,
            "value": plain_data(step.value)}


def _shown(thing: Any, secrets: Sequence[str]) -> Any:
    """A text as it is; of a table its first rows; of anything else what it is. Without the secrets of the run."""
    if isinstance(thing, str):
        return cover(thing, secrets)
    if isinstance(thing, Table):
        return {"table": cover(plain_data(thing.sorted(thing.sort)[:ROWS]), secrets), "rows": len(thing)}
    return {"kind": type(thing).__name__}
