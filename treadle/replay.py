"""The pure function: a workflow and its stored steps in, what is drawn and the first open step out.

The coroutine runs from the top, in a thread of its own with a deadline. A stored step returns at once, the first open
one stops it. Nothing here writes, and no error of an author's code comes out as an exception.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, get_origin
from weakref import WeakKeyDictionary

from .drawing import WORKS, Approve, Drawing, Export, Show, Step, Stored
from .errors import InvalidAnswer, NotFound, PluginError
from .fields.parse import prepare
from .fields.types import OpenFile, references
from .text import storable
from .ui import Halt, Ui
from .worker import GIVE_UP_S, Call, Ended, Overdue, blame, folder_of, guarded, shown
from .workflow import Author, Late, Workflow

__all__ = ["Approve", "Drawing", "Export", "Show", "Step", "Stored", "Ui", "replay", "run_check"]

DEADLINE_S = 1.0        # seconds for one drawing
AGAIN_S = 15.0          # seconds until a run that took longer is tried again; the others are drawn meanwhile
CHECK_DEADLINE_S = 5.0  # seconds for an author's check of one answer

CHECKED = frozenset({"form", "Annotated"})  # names in a workflow's code that pydantic will be needed for

FOREIGN = "A workflow can await nothing but ui"
FOREIGN_HINT = "Between two questions there is nothing to wait for: a drawing ends within a second."


def _play(workflow: Workflow, ui: Ui, folder: str) -> Drawing:
    """Drive the coroutine by hand, to its end or to the first open step. Runs in the author's thread."""
    drawing, error = ui._drawing, None
    coro = workflow.fn(ui)
    try:
        coro.send(None)
    except StopIteration as end:
        drawing.result = end.value
        if ui._halt is not None:
            ui._swallowed = ui._halt
        else:
            try:
                ui._must_be_awaited()
                drawing.finished = True
            except Halt as halt:
                error = _card(halt.problem, halt, folder)
    except Halt as halt:
        error = _card(halt.problem, halt, folder) if halt.problem else None
    except Ended:
        raise
    except BaseException as failed:  # noqa: BLE001 - an author's code may raise anything; it becomes an error card
        foreign = isinstance(failed, RuntimeError) and "no running event loop" in str(failed)
        error = blame(failed, folder, message=FOREIGN if foreign else "", hint=FOREIGN_HINT if foreign else "",
                      file=workflow.file, line=workflow.fn.__code__.co_firstlineno)
    else:
        file, line = _awaiting(coro, folder)
        with suppress(Exception, GeneratorExit, Halt):  # what is wrong is known already
            coro.close()
        error = PluginError(FOREIGN, file=shown(file, folder), line=line, hint=FOREIGN_HINT)
    if ui._swallowed is not None:
        error = _swallowed(ui._swallowed, folder)
    return _failed(drawing, error) if error is not None else drawing


def _swallowed(halt: Halt, folder: str) -> PluginError:
    return _card(halt.problem or "The stop signal of this step was caught", halt, folder,
                 "A bare `except:` or a `finally` did that. Catch `Exception`, and call no ui there.")


def _card(problem: str, halt: Halt, folder: str, hint: str = "") -> PluginError:
    return PluginError(problem, file=shown(halt.file, folder), line=halt.line, hint=hint)


def _failed(drawing: Drawing, error: PluginError) -> Drawing:
    items = [item for item in drawing.items if not isinstance(item, Step) or item.state == "done"]
    return Drawing(items, error=error)


def _awaiting(coro: Any, folder: str) -> tuple[str, int]:
    """File and line of the author's innermost `await`."""
    place = ("", 0)
    while coro is not None and (frame := getattr(coro, "cr_frame", None)) is not None:
        if frame.f_code.co_filename.startswith(folder):
            place = (frame.f_code.co_filename, frame.f_lineno)
        coro = coro.cr_await
    return place


def _differs(first: Ui, second: Ui, folder: str) -> PluginError | None:
    """Where two replays of the same answers went apart: the call, its label or its arguments."""
    one, two = first._trace or [], second._trace or []
    for n in range(max(len(one), len(two))):
        a, b = (trace[n] if n < len(trace) else None for trace in (one, two))
        if a == b:
            continue
        file, line, call, _ = b or a or ("", 0, "", None)
        said = [entry[2] if entry else "nothing" for entry in (a, b)]
        how = f"other arguments of {call}" if said[0] == said[1] else f"{said[0]} the first time, {said[1]} the second"
        return PluginError(f"Two replays of the same answers differ: {how}", file=shown(file, folder), line=line,
                           hint="Keep clocks, random numbers and whatever else changes out of a workflow's code.")
    return None


# what took too long last: how far it came, until when it is not tried again, and with which rows; for ever is of all
_overdue: WeakKeyDictionary[Author, tuple[Drawing, float, list[Stored]]] = WeakKeyDictionary()
_running: dict[Author, asyncio.Task[Drawing]] = {}


async def replay(workflow: Workflow, stored: Sequence[Stored], *, open_file: OpenFile, seal: bytes = b"",
                 twice: bool = False, deadline_s: float = DEADLINE_S, give_up_s: float = GIVE_UP_S) -> Drawing:
    """Draw a run. An author's error comes as `Drawing.error`, with what was drawn before it.

    `open_file` is called here, on the loop, never in the thread. `seal`: the key of the digests of what is called after
    a secret was given. `twice`: replay twice and compare. What is not done after
    `deadline_s` is not replayed again from the same rows for `AGAIN_S`, and where its thread does not end within
    `give_up_s` more, from none until its file changes. One replay of a workflow runs at a time. Cancelling leaves it to
    its deadline.
    """
    try:
        await _prepare(workflow, stored)
    except PluginError as error:
        return Drawing(error=error)
    while (other := _running.get(workflow.fn)) is not None:
        await asyncio.wait({other})
    late, until, rows = _overdue.get(workflow.fn, (Drawing(), 0.0, []))
    same = late.error is not None and rows == _plain(stored)
    if (why := late.error) is not None and (until == math.inf or (same and time.monotonic() < until)):
        again = PluginError(why.message, file=why.file, line=why.line, hint=why.hint)  # whoever raises it changes it
        return Drawing([*late.items] if same else [], error=again)
    files: dict[str, Any] = {}
    for id in references(row.value for row in stored):
        try:
            files[id] = open_file(id)
        except NotFound:
            continue  # the question is asked again
    task = asyncio.create_task(_replay(workflow, stored, files, seal, twice, deadline_s, give_up_s))
    _running[workflow.fn] = task
    task.add_done_callback(lambda _: _running.pop(workflow.fn, None))
    return await asyncio.shield(task)


async def _prepare(workflow: Workflow, stored: Sequence[Stored]) -> None:
    """Import the workflow where that was left for now, and pydantic where it will need that, before its time begins.

    Raises `PluginError` for a file that cannot be imported any more.
    """
    if isinstance(workflow.fn, Late) and not workflow.fn.imported:
        await asyncio.to_thread(workflow.fn.load)
    if "pydantic" not in sys.modules and (code := getattr(workflow.fn, "__code__", None)) is not None:
        known = workflow.fn.__globals__
        annotated = any(get_origin(known.get(name)) is Annotated for name in code.co_names)
        if annotated or CHECKED & {*code.co_names} or any(row.kind in WORKS for row in stored):
            await asyncio.to_thread(prepare)


async def _replay(workflow: Workflow, stored: Sequence[Stored], files: dict[str, Any], seal: bytes, twice: bool,
                  deadline_s: float, give_up_s: float) -> Drawing:
    folder = folder_of(workflow.fn)

    def open_file(id: str) -> Any:
        if id not in files:
            raise NotFound("This file is gone.")
        return files[id]

    uis = [Ui(stored, open_file, seal=seal, traced=twice) for _ in range(2 if twice else 1)]

    def work() -> Drawing:
        drawing = _play(workflow, uis[0], folder)
        if twice and drawing.error is None:
            drawing = _play(workflow, uis[1], folder)
            if drawing.error is None and (error := _differs(uis[0], uis[1], folder)) is not None:
                return _failed(drawing, error)
        return drawing

    try:
        return await Call(work, folder).result(deadline_s, give_up_s=give_up_s)
    except Overdue as late:
        ui = uis[0]
        if ui._swallowed is not None:
            error = _swallowed(ui._swallowed, folder)
        else:
            hint = f"It was still running after {deadline_s:g} s. What takes long belongs in a job."
            if late.held:
                hint += " A call in it holds its thread; it is not tried again until its file changes."
            error = PluginError(f"{workflow.title} took too long to draw", hint=hint,
                                file=shown(late.file or workflow.file, folder),
                                line=late.line or workflow.fn.__code__.co_firstlineno)
        drawing = _failed(Drawing(list(ui._drawing.items)), error)
        _overdue[workflow.fn] = drawing, math.inf if late.held else time.monotonic() + AGAIN_S, _plain(stored)
        return drawing


def _plain(stored: Sequence[Stored]) -> list[Stored]:
    """The rows without what reads their items, which is another object each time."""
    return [row._replace(rows=None) for row in stored]


async def run_check(step: Step, value: Any, *, deadline_s: float = CHECK_DEADLINE_S,
                    give_up_s: float = GIVE_UP_S) -> Any:
    """Give a parsed answer to the author's `check=`, in a thread. A skipped answer (None) is not checked.

    Raises `InvalidAnswer` with the sentence of their `ValueError`, `PluginError` for any other fault of theirs.
    """
    check, spec = step.check, step.field
    if check is None or spec is None or value is None:
        return value
    folder = folder_of(check) or step.file.rpartition("/")[0] + "/"

    def work() -> Any:
        try:
            checked = check(value)
        except InvalidAnswer:
            raise
        except ValueError as error:
            raise InvalidAnswer(storable(str(error)) or "This answer was refused.", field="value") from error
        try:
            spec.to_json(checked)
        except InvalidAnswer:
            raise PluginError(f"The check of {step.label!r} returned {checked!r:.80}", file=shown(step.file, folder),
                              line=step.line, hint="It returns the value, or raises ValueError.") from None
        return checked

    return await guarded(work, folder, what=f"The check of {step.label!r}", file=step.file, line=step.line,
                         within=deadline_s, give_up_s=give_up_s)
