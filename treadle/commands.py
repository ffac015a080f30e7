"""What is done to workflows and runs from outside a page, as plain data: over HTTP, by the command line, by the model.

One way in for all three: a value becomes what a form would have sent, and goes through the same checks. One way out:
what JSON holds, without secrets.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from .drawing import WORKS, Export, Show, Step
from .errors import Conflict, InvalidAnswer, NotFound
from .feed import Feed
from .fields import FieldSpec
from .files import File, FileId
from .plugins import Plugins
from .runs import Answers, Run, Runs, RunView
from .shows import Table
from .ui import _key_text as key_text
from .worker import Call, folder_of
from .workflow import Broken, Workflow

__all__ = ["Commands", "key_text", "schema", "settled", "typed", "under_way"]

ROWS = 50      # rows of a table that is shown; an export holds them all
READ_S = 10.0  # seconds for what an author's objects may take to become data


def typed(step: Step, value: Any) -> Answers:
    """The fields a form would have sent for `value`: what a person would type, or what JSON and Python have for it.

    Raises `InvalidAnswer` for what can be no answer to this question; whether it is a good one is judged later.
    """
    if step.approve is not None:
        words = {step.approve.yes.casefold(): "yes", step.approve.no.casefold(): "no", "yes": "yes", "no": "no",
                 "true": "yes", "false": "no"}
        given = words.get(str(value).strip().casefold())
        return {"value": [given] if given else [str(value)]}
    assert step.field is not None  # the kinds that run are not answered
    if step.kind == "form":
        if not isinstance(value, Mapping):
            raise InvalidAnswer(f"{step.label} has several fields: give an object with a value for each.")
        return {f"value.{name}": _texts(step.field, each) for name, each in value.items()}
    return {"value": _texts(step.field, value)}


def _texts(spec: FieldSpec, value: Any) -> list[str | FileId]:
    if isinstance(value, str | FileId):
        return [value]
    if value is None:
        return []
    if isinstance(value, File):
        return [value.id]
    if isinstance(value, Mapping) and isinstance(value.get("file"), str):
        return [FileId(value["file"])]
    if isinstance(value, bool) and spec.kind == "yes_no":
        return ["yes"] if value else []
    if isinstance(value, list | tuple | set | frozenset):
        return [text for each in value for text in _texts(spec, each)]
    return [spec.text(value)]


def schema(step: Step) -> dict[str, Any]:
    """The JSON schema of the answer to a question."""
    if step.approve is not None:
        return {"type": "boolean", "title": step.label,
                "description": f"true: {step.approve.yes}. false: {step.approve.no}."}
    return field_schema(step.field) if step.field is not None else {}


def field_schema(spec: FieldSpec) -> dict[str, Any]:
    """The JSON schema of one field."""
    found: dict[str, Any] = {"title": spec.label}
    if spec.kind == "choice":
        found["enum"] = [*spec.values, *([None] if spec.nullable else [])]
    elif spec.kind == "upload":
        found |= {"type": "object", "properties": {"file": {"type": "string"}}, "required": ["file"],
                  "description": "Send the file first; this is the id that came back."}
    else:
        kind = {"whole_number": "integer", "yes_no": "boolean"}.get(spec.kind, "string")
        found["type"] = [kind, "null"] if spec.nullable else kind
    if spec.max_length is not None:
        found["maxLength"] = spec.max_length
    if spec.help and "description" not in found:
        found["description"] = spec.help
    if spec.default is not None:
        found["default"] = plain_data(spec.default)
    return found


def under_way(view: RunView) -> bool:
    """Whether this run waits for a job and not for a person."""
    step = view.drawing.open
    return step is not None and step.kind in WORKS and step.state in ("open", "running")


async def settled(runs: Runs, feed: Feed, key: str) -> RunView:
    """The run once it waits for a person or has ended. Cancelling leaves its job alone."""
    while True:
        tick = feed.tick
        view = await runs.draw(key)
        if not under_way(view):
            return view
        await feed.wait_after(tick)


def plain_data(value: Any) -> Any:
    """A value as JSON holds it: files by name and id, frames and models as they write themselves."""
    if value is None or isinstance(value, str | int | float | bool):
        return value if value == value else None  # JSON knows no NaN
    if isinstance(value, File):
        return {"file": value.id, "name": value.name, "size": value.size, "url": f"/files/{value.id}"}
    if isinstance(value, Mapping):
        return {str(name): plain_data(each) for name, each in value.items()}
    if isinstance(value, Table):
        return plain_data(value.records())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: plain_data(getattr(value, part.name)) for part in dataclasses.fields(value)}
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json")
    if hasattr(value, "__iter__") and not isinstance(value, bytes):
        return [plain_data(each) for each in value]
    return str(getattr(value, "value", value))


class Commands:
    """The commands. Each gives what JSON holds, and raises what a page would show."""

    def __init__(self, runs: Runs, plugins: Plugins, feed: Feed) -> None:
        self._runs, self._plugins, self._feed = runs, plugins, feed

    # reading

    def workflows(self) -> list[dict[str, Any]]:
        """Every workflow in the order of the menu, and those that do not load."""
        return [self._declared(found) for found in self._plugins.all()]

    async def workflow(self, endpoint: str) -> dict[str, Any]:
        """One workflow, and its first question. Raises `NotFound`, `PluginError`."""
        view = await self._runs.draw_new(endpoint)
        return self._declared(view.workflow) | await self._view(view)

    def runs(self, endpoint: str = "", *, unfinished: bool | None = None) -> list[dict[str, Any]]:
        """The newest runs, the one last worked on first."""
        return [_run(run) for run in self._runs.list(endpoint or None, unfinished=unfinished, limit=100)]

    async def read(self, key: str) -> dict[str, Any]:
        """A run: its steps, what it waits for, what it shows. Raises `NotFound`, `PluginError`."""
        return await self._view(await self._runs.draw(key))

    # changing

    async def begin(self, endpoint: str, value: Any = None, *, client_id: str = "", by: str) -> dict[str, Any]:
        """Make a run of this answer to the first question. The same `client_id` again is the same run."""
        step = (await self._runs.draw_new(endpoint)).drawing.open
        answers = typed(step, value) if step is not None and step.kind not in WORKS else {}
        return await self.read((await self._runs.begin(endpoint, answers, client_id=client_id)).key)

    async def answer(self, key: str, name: str, value: Any, *, rev: int | None = None, by: str) -> dict[str, Any]:
        """Answer the open question. `name`: its slug or label, "" for whichever it is. `rev`: that of what was read.

        Raises `InvalidAnswer`; `Conflict` when another step is open, or it was answered since `rev`.
        """
        view = await self._runs.draw(key)
        step = view.drawing.open
        if view.drawing.error is not None:
            raise view.drawing.error
        if step is None or step.kind in WORKS or name not in ("", step.slug, step.label):
            waits = f"It waits for {step.label}." if step is not None else "It is complete."
            raise Conflict(f"{key} does not ask for {name or 'an answer'} now.", hint=waits)
        await self._runs.answer(key, step.slug, typed(step, value), rev=view.form_rev if rev is None else rev)
        return await self.read(key)

    async def change(self, key: str, what: str, name: str = "", *, by: str) -> dict[str, Any]:
        """Revert to a step, undo, finalise or unlock: `what` is one of these words."""
        if what == "revert":
            await self._runs.revert(key, await self._slug(key, name))
        else:
            one: dict[str, Callable[..., Any]] = {
                "undo": self._runs.undo, "finalise": self._runs.finalise, "unlock": self._runs.unlock}
            await one[what](key)
        return await self.read(key)

    # within

    async def _slug(self, key: str, name: str) -> str:
        view = await self._runs.draw(key)
        for step in view.drawing.items:
            if isinstance(step, Step) and name in (step.slug, step.label):
                return step.slug
        raise NotFound(f"{key} has no step {name[:80]}.")

    def _declared(self, found: Workflow | Broken) -> dict[str, Any]:
        facts: dict[str, Any] = {"workflow": found.endpoint, "title": found.title, "file": found.file}
        if isinstance(found, Broken):
            return facts | {"error": found.error.message, "line": found.error.line}
        return facts | {"about": found.about, "message": found.message, "outline": list(found.steps)}

    async def _view(self, view: RunView) -> dict[str, Any]:
        facts: dict[str, Any] = _run(view.run) if view.run is not None else {"workflow": view.workflow.endpoint}

        def work() -> dict[str, Any]:  # asks an author's objects what they hold
            items = view.drawing.items
            shown = [_shown(thing) for item in items if isinstance(item, Show) for thing in item.things]
            return {"steps": [_step(item) for item in items if isinstance(item, Step) and item.state == "done"],
                    "shown": shown, "result": plain_data(view.drawing.result)}

        facts |= await Call(work, folder_of(view.workflow.fn)).result(READ_S)
        base = f"/runs/{view.run.key}" if view.run is not None else f"/runs/new/{view.workflow.endpoint}"
        facts["exports"] = [{"name": item.name, "url": f"{base}/exports/{item.slug}"} for item in view.drawing.items
                            if isinstance(item, Export)]
        facts["error"] = None
        if (error := view.drawing.error) is not None:
            facts["error"] = {"error": error.message, "hint": error.hint, "file": error.file, "line": error.line}
        facts["open"] = _open(view)
        return facts


def _run(run: Run) -> dict[str, Any]:
    return {"run": run.key, "workflow": run.endpoint, "title": run.title, "url": f"/{run.endpoint}/{run.key}",
            "locked": run.state == "finished", "complete": bool(run.complete), "waiting_for": run.waiting_for or None}


def _step(step: Step) -> dict[str, Any]:
    return {"label": step.label, "key": step.key, "step": step.slug, "kind": step.kind,
            "value": plain_data(step.value)}


def _open(view: RunView) -> dict[str, Any] | None:
    """What the run waits for: a question with the schema of its answer, or a job with its state."""
    step = view.drawing.open
    if step is None:
        return None
    facts: dict[str, Any] = {"label": step.label, "key": step.key, "step": step.slug, "kind": step.kind,
                             "rev": view.form_rev}
    if step.kind in WORKS:
        return facts | {"state": "running" if step.state == "open" else step.state, "error": step.error}
    if step.approve is not None:
        facts["what"] = [_shown(thing) for thing in step.approve.what]
    return facts | {"state": "open", "schema": schema(step), "default": plain_data(step.default)}


def _shown(thing: Any) -> Any:
    """A text as it is; of a table its first rows; of anything else what it is."""
    if isinstance(thing, str):
        return thing
    if isinstance(thing, Table):
        return {"table": plain_data(thing.sorted(thing.sort)[:ROWS]), "rows": len(thing)}
    return {"kind": type(thing).__name__}


def as_text(data: Any) -> str:
    """JSON as it is sent."""
    return json.dumps(data, ensure_ascii=False, default=str)
