"""A run in words: a step in one line, and what the model is told of all of it."""

from __future__ import annotations

import json
from typing import Any

from .drawing import Drawing, Step
from .files import File
from .results import Results
from .text import counted, one_line

LENGTH = 4_000  # characters of a run that the model is told
ONE = 400  # characters of one answer in them


def summary(step: Step) -> str:
    """A done step: what was typed, the words of the decision, or what a job gave. Of a secret only that there is one.
    """
    if step.approve is not None:
        return step.approve.yes if step.value else step.approve.no
    if step.field is not None:
        return step.field.text(step.value)
    return _result(step.value)


def _result(value: Any) -> str:
    if isinstance(value, Results):
        failed = len(value.failed)
        count = counted(len(value), "result")
        return f"{count}, {failed:,} failed" if failed else count
    if value is None:
        return "Done"
    if isinstance(value, str | File):
        return getattr(value, "name", str(value))
    try:
        return json.dumps(value, default=str, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)


def told(title: str, key: str, drawing: Drawing, *, locked: bool) -> str:
    """What is stored of a run and what it waits for, in at most 4,000 characters."""
    last = "The run could not be drawn, because its workflow has an error." if drawing.error else (
        "The run is finished and locked." if locked else "All steps are done.")
    if drawing.open is not None and not locked:
        last = _waits(drawing.open)
    head = f"Open run: {one_line(title, 120)} ({key})."
    lines: list[str] = []
    room = LENGTH - len(head) - len(last) - 60
    done = [item for item in drawing.items if isinstance(item, Step) and item.state == "done"]
    for step in reversed(done):  # the newest answers matter most
        line = f"- {step.label}: {one_line(summary(step), ONE)}"
        if len(line) + 1 > room:
            lines.append("- (earlier answers are left out)")
            break
        room -= len(line) + 1
        lines.append(line)
    return "\n".join([head, *reversed(lines), last])


def _waits(step: Step) -> str:
    if step.work is None:
        text = f"The open question is step {step.number}: {step.label}."
        return f"{text} {one_line(step.field.help, ONE)}" if step.field is not None and step.field.help else text
    how = {"open": "has not begun", "running": "is running", "stopped": "was stopped by the person"}
    why = f"failed: {one_line(step.error, ONE).rstrip('.')}" if step.state == "failed" else how[step.state]
    return f"Step {step.number}, {step.label}, {why}."
