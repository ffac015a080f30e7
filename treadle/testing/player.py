"""The fixture `run`: a workflow played to its end or its first open question, through the same core as a server."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import secrets
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ..clock import Clock
from ..commands import key_text, settled, typed
from ..config import Settings
from ..core import Core
from ..drawing import WORKS, Export, Show, Step
from ..errors import ModelError, TreadleError
from ..fields.answers import fields_of, file_step
from ..llm import Piece
from ..plugins.registry import Plugins
from ..replay import replay
from ..runs import RunView, new_owner
from ..shows.exports import ending, make
from ..workflow import Page, Workflow

T = TypeVar("T")
Answers = Mapping[Any, Any]
Asked = tuple[str, str]  # a label and a key, as they are stored

__tracebackhide__ = True  # pytest shows the line of the test, not ours


class Played:
    """A run as it stands. `r[label]` and `r[label, key]`: what a step gave; see AUTHORING for the rest."""

    def __init__(self, view: RunView) -> None:
        self._view, self._drawing = view, view.drawing
        self.workflow = view.workflow.endpoint
        self.steps = {(step.label, step.key): step for step in view.drawing.items if isinstance(step, Step)}

    def __getitem__(self, label: Any) -> Any:
        """The value of a step that is done. Raises `KeyError` that says what there is."""
        step = self.steps.get(_asked(label))
        if step is None or step.state != "done":
            raise KeyError(f"{label!r} has no value; {self._stands()}")
        return step.value

    def __contains__(self, label: Any) -> bool:
        return (step := self.steps.get(_asked(label))) is not None and step.state == "done"

    def __repr__(self) -> str:
        return f"<{self.key or 'a run without answers'}: {self._stands()}>"

    @property
    def key(self) -> str:
        """The key of the run; "" before its first answer."""
        return self._view.run.key if self._view.run is not None else ""

    @property
    def waiting_for(self) -> str | None:
        """The label of the open question, or of the job that failed; None at the end."""
        return self._drawing.open.label if self._drawing.open is not None else None

    @property
    def waiting_key(self) -> str | None:
        """The key of what is waited for, as text; None where it has none."""
        return (self._drawing.open.key or None) if self._drawing.open is not None else None

    @property
    def error(self) -> str:
        """Why the job that is waited for failed; "" where none did."""
        return self._drawing.open.error if self._drawing.open is not None else ""

    @property
    def shown(self) -> list[Any]:
        """What was shown, in its order: texts as they are, tables and the rest as objects."""
        return [thing for item in self._drawing.items if isinstance(item, Show) for thing in item.things]

    @property
    def result(self) -> Any:
        """What the workflow returned."""
        return self._drawing.result

    @property
    def exports(self) -> Mapping[str, Any]:
        """The downloads by name, read back from the file each would be: made when looked at."""
        return _Exports({item.name: item for item in self._drawing.items if isinstance(item, Export)})

    def _stands(self) -> str:
        done = ", ".join(repr(label) if not key else f"{label!r} ({key})" for (label, key), step in self.steps.items()
                         if step.state == "done") or "nothing"
        waits = f"it waits for {self.waiting_for!r}" if self.waiting_for is not None else "it is complete"
        return f"done: {done}; {waits}{f', which failed: {self.error}' if self.error else ''}"


class _Exports(dict[str, Any]):
    """Made and read back when one is asked for."""

    def __getitem__(self, name: str) -> Any:
        item: Export = super().__getitem__(name)
        data, kind = make(item.name, item.data), ending(item.name)
        if kind == "xlsx":
            return _sheets(data)
        text = data.decode()
        if kind == "json":
            return json.loads(text)
        if kind in ("csv", "tsv"):
            return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""),
                                       delimiter="," if kind == "csv" else "\t"))
        return text


def _sheets(data: bytes) -> dict[str, list[dict[str, Any]]]:
    from openpyxl import load_workbook

    sheets = {}
    for sheet in load_workbook(io.BytesIO(data), read_only=True, data_only=True):
        head, *rows = sheet.iter_rows(values_only=True)
        sheets[sheet.title] = [dict(zip(head, row, strict=True)) for row in rows]
    return sheets


class _Now(Clock):
    """Time in which nobody waits: a retry comes almost at once. Limits are those of the real time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


class _Given(Plugins):
    """The workflows a test gives, instead of a folder; one that is named is looked for in the folder."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._given: dict[str, Workflow] = {}

    def load(self, **_: Any) -> None:
        """Nothing is read before a test names it."""

    def state(self) -> object:
        """Nothing is watched."""
        return None

    def give(self, workflow: Workflow) -> Workflow:
        """Take this one, as it is: what a test has replaced in its module counts."""
        known = self._given.get(workflow.endpoint)
        if known is None or known.fn is not workflow.fn:
            module = getattr(workflow, "call", workflow.fn).__module__.split(".")
            code = module[1] if len(module) > 1 and module[1].startswith("v_") else f"test-{id(workflow.fn)}"
            known = self._given[workflow.endpoint] = replace(workflow, code=workflow.code or code)
        return known

    def get(self, endpoint: str) -> Any:
        """The given one, else that of the folder."""
        if endpoint not in self._given and not self.all():
            super().load()
        return self._given.get(endpoint) or super().get(endpoint)


class Player:
    """What the fixture `run` is. Nothing is opened before it is first called; everything goes with the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.Runner()
        self._core: Core | None = None
        self._exit = AsyncExitStack()

    def __call__(self, workflow: Workflow | str, answers: Answers | None = None, *,
                 llm: Mapping[str, str] | None = None) -> Played:
        """Play a new run to its end or its first open question, its jobs too, every replay twice.

        `workflow`: as it stands in its file, or its name in the folder of plugins; a page is drawn. `answers`: by label
        or `(label, key)`. `llm`: by label what the model says. Raises `InvalidAnswer` for an answer that is refused,
        `PluginError` for an author's mistake, `AssertionError` for an answer that was never asked for.
        """
        core = self._opened()
        endpoint = core.plugins.give(workflow).endpoint if isinstance(workflow, Workflow) else workflow
        return self._wait(_play(core, endpoint, "", answers or {}, self._llm.told(llm)))

    def answer(self, run: Played, answers: Answers, *, llm: Mapping[str, str] | None = None) -> Played:
        """Go on with a run that waits. Raises as `run` does."""
        core = self._opened()
        return self._wait(_play(core, run.workflow, run.key, answers, self._llm.told(llm)))

    def go_on(self, run: Played) -> Played:
        """Try the job again that has failed."""
        return self._change(run, "go-on")

    def continue_with(self, run: Played) -> Played:
        """Go on with the results there are of the `each` in which some failed."""
        return self._change(run, "continue")

    def _change(self, run: Played, what: str) -> Played:
        core = self._opened()
        assert run.waiting_for is not None, f"nothing has failed: {run!r}"
        self._wait(core.commands.change(run.key, what, run.waiting_for, by="person"))
        return self._wait(_play(core, run.workflow, run.key, {}, self._llm))

    def revert(self, run: Played, label: Any) -> Played:
        """Ask this step and all after it again; a job runs again."""
        step = run.steps.get(_asked(label))
        assert step is not None, f"there is no step {label!r} to revert to: {run!r}"
        core = self._opened()
        self._wait(core.runs.revert(run.key, step.slug))
        return self._wait(_play(core, run.workflow, run.key, {}, self._llm))

    def close(self) -> None:
        """End what still runs."""
        try:
            if self._core is not None:
                self._wait(self._exit.aclose())
        finally:
            self._loop.close()

    def _opened(self) -> Any:
        if self._core is None:
            settings = Settings(data=self._folder, dev=True, open_browser=False, demo=True)
            settings = settings.with_plugins(os.environ.get("TREADLE_PLUGINS", ""))
            self._core = self._wait(self._exit.enter_async_context(
                Core.open(settings, clock=_Now(), plugins=_Given(settings))))
            self._llm = _Told(self._core)
        return self._core

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._loop.run(work)
        except (TreadleError, AssertionError) as error:  # it says what is wrong; how we came there says nothing
            raise error.with_traceback(None) from None


class _Told:
    """What the model says, by the label of the step that asks; everything else of a model stays as it is."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._says: dict[str, Any] = {}
        self.missing = ""
        core.jobs.messages = self._messages
        core.llm.chat = self._chat  # type: ignore[method-assign, assignment]  # the model itself is what is replaced

    def told(self, says: Mapping[str, Any] | None) -> _Told:
        """Add what a test gives."""
        self._says |= says or {}
        self.missing = ""
        return self

    async def _messages(self, run: str, prompt: str) -> list[dict[str, str]]:
        step = (await self._core.runs.draw(run)).drawing.open
        return [{"role": "user", "content": step.label if step is not None else ""}]

    async def _chat(self, messages: list[dict[str, str]], **_: Any) -> AsyncGenerator[Piece, None]:
        label = messages[0]["content"]
        if label not in self._says:
            self.missing = label
            raise ModelError(f"No answer of the model is given for {label!r}.")
        said = self._says[label]
        yield Piece(said if isinstance(said, str) else json.dumps(said))
        yield Piece(done=True)


async def _play(core: Core, endpoint: str, key: str, answers: Answers, llm: _Told) -> Played:
    """Answer what is asked until nothing more is known. `key`: "" before the first answer."""
    if not key and isinstance(place := core.plugins.get(endpoint), Page):
        return Played(_sound(RunView(None, place, await replay(place, (), open_file=core.files.get))))
    left = {_asked(label): value for label, value in answers.items()}
    client_id = secrets.token_urlsafe(12)
    while True:
        view = _sound(await settled(core.runs, core.feed, key) if key else await core.runs.draw_new(endpoint))
        step = view.drawing.open
        if step is not None and step.kind not in WORKS:
            if (step.label, step.key) not in left:
                break
            owner = key or new_owner(client_id)
            sent = await _sent(core, step, left.pop((step.label, step.key)), owner)
        elif key:
            break
        else:
            sent = {}  # Start: the first step asks nothing
        if key and step is not None:
            await core.runs.answer(key, step.slug, sent, rev=view.form_rev)
        else:
            key = (await core.runs.begin(endpoint, sent, client_id=client_id)).key
    played = Played(view)
    if llm.missing:
        raise AssertionError(f"the model is asked for {llm.missing!r}: give llm={{{llm.missing!r}: ...}}")
    if left:
        raise AssertionError(f"never asked for: {', '.join(map(_named, left))}; {played!r}")
    return played


async def _sent(core: Core, step: Step, value: Any, owner: str) -> Any:
    """The answer as a form would send it, its file stored as if it had come with it."""
    async def stored(path: Any, name: str) -> Any:
        spec = fields_of(step).get(name)
        if not isinstance(path, Path) or spec is None or spec.kind != "upload":
            return path
        limit = core.settings.max_upload
        async with core.files.receive(path.name, run=owner, step=file_step(step, name), max_bytes=limit) as sink:
            await sink.write(path.read_bytes())
        return sink.file

    if isinstance(value, Mapping):
        value = {name: await stored(each, f"value.{name}") for name, each in value.items()}
    return typed(step, await stored(value, "value"))


def _sound(view: RunView) -> RunView:
    """The view, unless its workflow has an error: that fails the test, with file, line and traceback."""
    error = view.drawing.error
    if error is None:
        return view
    error.add_note(f"{error.file}, line {error.line}. {error.hint}\n{error.details}".rstrip())
    raise error


def _asked(label: Any) -> Asked:
    """A label, or a label with its key, as a step is known by."""
    name, key = label if isinstance(label, tuple) else (label, None)
    return name, key_text(key)


def _named(asked: Asked) -> str:
    return f"{asked[0]!r} ({asked[1]})" if asked[1] else repr(asked[0])


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Player]:
    """Play workflows in a temporary folder: `run(workflow, answers={...})`. No browser, no model, no other data."""
    player = Player(tmp_path / "treadle")
    yield player
    player.close()
