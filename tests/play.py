"""Play a workflow as a person does: each answer is parsed and checked, stored, and everything is replayed, twice."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from treadle.fields.types import FileId
from treadle.files import File
from treadle.replay import Drawing, Export, Show, Step, Stored, replay, run_check
from treadle.workflow import Workflow, workflow


def declared(fn: Callable[..., Any]) -> Workflow:
    """A function as a workflow of its own name."""
    return workflow(fn.__name__, message="m")(fn)


def no_files(id: str) -> File:
    raise AssertionError(f"no file is asked for, but {id}")


async def play(workflow: Workflow, answers: Mapping[str, Any], files: Mapping[str, File] | None = None) -> Drawing:
    """To the end, or the first question `answers` says nothing of. Texts are what is typed; a bool decides.

    Raises what a person would be told: `InvalidAnswer`; and the author's `PluginError`.
    """
    known = dict(files or {})
    open_file = known.__getitem__ if known else no_files
    stored: list[Stored] = []
    while True:
        drawing = await replay(workflow, stored, open_file=open_file, twice=True)
        if drawing.error is not None:
            raise drawing.error
        step = drawing.open
        if step is None or step.label not in answers:
            return drawing
        given = answers[step.label]
        if step.field is None:
            text = "true" if given else "false"
        else:
            if step.field.kind == "yes_no":
                given = "yes" if given else "no"
            raw = FileId(given) if step.field.kind == "upload" else str(given)
            text = step.field.to_json(await run_check(step, step.field.parse([raw], open_file=open_file)))
        shown_as = step.approve.digest if step.approve else ""
        stored.append(Stored(step.label, step.key, step.kind, text, shown_as, "done"))


def steps(drawing: Drawing) -> dict[str, Any]:
    """Label to value of the answered steps."""
    return {item.label: item.value for item in drawing.items if isinstance(item, Step) and item.state == "done"}


def shown(drawing: Drawing) -> list[Any]:
    """Everything that is shown, in its order."""
    return [thing for item in drawing.items if isinstance(item, Show) for thing in item.things]


def exports(drawing: Drawing) -> dict[str, dict[str, Any]]:
    """Name to data of what can be downloaded."""
    return {item.name: item.data for item in drawing.items if isinstance(item, Export)}


# for tests of replay itself

SOON = {"deadline_s": 0.05, "give_up_s": 0.1}  # seconds, where a deadline is meant to be met


def done(label: str, value: str, *, key: str = "", kind: str = "ask", digest: str = "", state: str = "done") -> Stored:
    """A stored step; `value` is JSON."""
    return Stored(label, key, kind, value, digest, state)


async def draw(fn: Any, *stored: Stored, **options: Any) -> Drawing:
    """Replay a function or a workflow once."""
    flow = fn if isinstance(fn, Workflow) else declared(fn)
    return await replay(flow, stored, open_file=no_files, **options)


def line_of(fn: Callable[..., Any], text: str) -> int:
    """The line of a function's file that holds `text`."""
    source, first = inspect.getsourcelines(fn)
    return first + next(n for n, line in enumerate(source) if text in line)


async def failing(fn: Any, *stored: Stored, said: str, at: str = "", **options: Any) -> Drawing:
    """Replay `fn`, whose error card must say `said` and name the line with `at` in it, and have nothing open."""
    drawing = await draw(fn, *stored, **options)
    assert drawing.error is not None
    assert said in drawing.error.message
    assert drawing.error.file.startswith("unit/test_replay")
    if at:
        assert drawing.error.line == line_of(fn, at)
    assert drawing.open is None
    assert not drawing.finished
    return drawing
