"""The commands as the model may call them: JSON schemas, and one dispatcher that goes through the same commands.

In the chat only those that read are offered. The others exist with their schema, for a model that a person has allowed
to act; what they change has "model" in the history of its run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .commands import Commands, settled
from .conversation import Place
from .drawing import WORKS
from .errors import InvalidAnswer, NotFound, TreadleError
from .feed import Feed
from .plugins.registry import Plugins
from .runs import Runs
from .text import one_line
from .workflow import Tool

BY = "model"
LENGTH = 4_000  # characters of one result that the model is told
NAMED = {"run": {"type": "string", "description": "The key of a run, such as default-hello-01."}}
READING = {
    "list_workflows": ("List the workflows of this application, with what each is for.", {}, ()),
    "list_runs": ("List the runs last worked on and what each waits for.",
                  {"workflow": {"type": "string", "description": "Only those of this workflow."}}, ()),
    "read_run": ("Read a run: its answers, its jobs and its open question. Without a key the one the person has open.",
                 NAMED, ()),
}
ACTING = {
    "start_run": ("Begin a run of a workflow with the answer to its first question.",
                  {"workflow": {"type": "string"}, "answer": {"description": "It fits the schema of the question."},
                   "client_id": {"type": "string", "description": "That of the file, where the answer is one."}},
                  ("workflow",)),
    "answer_step": ("Answer the open question of a run.",
                    {**NAMED, "answer": {"description": "It fits the schema of the question."},
                     "step": {"type": "string", "description": "The label of the question that is meant."}},
                    ("run", "answer")),
}


class Called(NamedTuple):
    """What a call gave: `text` for the model, `said` for the person, "" where there was nothing to call."""

    text: str
    said: str


class Tools:
    """What the model may call."""

    def __init__(self, commands: Commands, runs: Runs, plugins: Plugins, feed: Feed) -> None:
        self._commands, self._runs, self._plugins, self._feed = commands, runs, plugins, feed

    def offered(self) -> list[dict[str, Any]]:
        """Those of the chat: they change nothing."""
        return [_described(name, *facts) for name, facts in READING.items()]

    async def all(self) -> list[dict[str, Any]]:
        """Every one, with the `@tool` functions of the plugins under their own names."""
        own = []
        for found in self._plugins.all():
            if isinstance(found, Tool):
                step = (await self._commands.workflow(found.endpoint))["open"] or {}
                own.append(_function(found.endpoint, found.about or found.title, step.get("schema") or {}))
        return [*self.offered(), *(_described(name, *facts) for name, facts in ACTING.items()), *own]

    async def call(self, name: str, given: Mapping[str, Any], place: Place, *, reading: bool = True) -> Called:
        """Do it. `reading`: only what changes nothing is done, whatever is asked for. What cannot be done is told to
        the model in a sentence, and raised to nobody. Waits for the jobs of a run it began or answered."""
        try:
            return await self._called(name, given, place, reading)
        except TreadleError as error:
            return Called(f"This was refused: {error.message} {error.hint}".strip(), _title(name))

    async def _called(self, name: str, given: Mapping[str, Any], place: Place, reading: bool) -> Called:
        if name == "list_workflows":
            lines = [f"{each['title']} (/{each['workflow']}): {each.get('about') or each.get('error', '')}"
                     for each in self._commands.workflows()]
            return Called(_cut("\n".join(lines)), "Listed the workflows")
        if name == "list_runs":
            runs = self._commands.runs(str(given.get("workflow") or ""))
            lines = [f"{run['title']} ({run['run']}): {_state(run)}" for run in runs]
            return Called(_cut("\n".join(lines)) or "There are no runs.", "Listed the runs")
        if name == "read_run":
            key = str(given.get("run") or place.run)
            if not key:
                raise NotFound("No run is open.", hint="list_runs names those there are.")
            return Called(_cut(await self._runs.facts(key)), f"Read {one_line(self._runs.get(key).title, 60)}")
        tool = self._plugins.get(name)
        if reading or not (name in ACTING or isinstance(tool, Tool)):
            known = [*READING, *([] if reading else ACTING)]
            return Called(f"There is no tool {name[:80]}. There are {', '.join(known)}.", "")
        if name == "answer_step":
            key = str(given.get("run") or "")
            await self._commands.answer(key, str(given.get("step") or ""), given.get("answer"), by=BY)
        elif name == "start_run":
            begun = await self._commands.begin(str(given.get("workflow") or ""), given.get("answer"), by=BY,
                                               client_id=str(given.get("client_id") or ""))
            key = begun["run"]
        else:
            key = (await self._commands.begin(name, dict(given), by=BY))["run"]
        return Called(await self._stands(key), f"{_title(name)}: {one_line(self._runs.get(key).title, 60)}")

    async def _stands(self, key: str) -> str:
        """What a run is after a change, with the schema of what it asks next."""
        view = await settled(self._runs, self._feed, key)
        step = (await self._commands.read(key))["open"]
        told = f"\nIt asks for {step['label']}, as {step['schema']}" if step and step["kind"] not in WORKS else ""
        if view.drawing.error is not None:
            raise InvalidAnswer(view.drawing.error.message)
        return _cut(await self._runs.facts(key)) + _cut(told)


def _described(name: str, about: str, properties: Mapping[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    return _function(name, about, {"type": "object", "properties": dict(properties), "required": list(required)})


def _function(name: str, about: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": about, "parameters": dict(parameters) or {
        "type": "object", "properties": {}}}}


def _state(run: Mapping[str, Any]) -> str:
    if run["locked"]:
        return "finished and locked"
    return "complete" if run["complete"] else f"waits for {run['waiting_for']}"


def _title(name: str) -> str:
    return one_line(name.replace("_", " ").capitalize(), 60)


def _cut(text: str) -> str:
    return text if len(text) <= LENGTH else f"{text[:LENGTH]}\n(The rest is left out.)"
