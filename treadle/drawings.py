"""Runs as they are drawn: with which code, and the last drawings kept, as replay is pure."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from .drawing import WORKS, Drawing, Step, Stored
from .errors import NotFound, PluginError
from .fields.types import OpenFile
from .plugins.registry import Plugins
from .replay import replay
from .steps import Steps
from .workflow import Workflow

KEPT = 16  # drawings; they serve the pages of a table and the answer to a POST


class Changed(NamedTuple):
    """The code has changed so that a run cannot simply go on. `first`: the step at which it would go on, if any.
    `again`: that one was answered, or done, before."""

    first: Step | None
    again: bool


class Drawn(NamedTuple):
    """A drawing and the code it came from. `newer`: a newer one is there than the one its step runs with."""

    workflow: Workflow
    drawing: Drawing
    changed: Changed | None = None
    newer: bool = False


class Drawings:
    """Draws runs. Writes nothing."""

    def __init__(self, plugins: Plugins, steps: Steps, open_file: OpenFile, seal: bytes, *, twice: bool) -> None:
        self._plugins, self._steps, self._open_file, self._seal, self._twice = plugins, steps, open_file, seal, twice
        self._kept: OrderedDict[tuple[Any, ...], Drawing] = OrderedDict()

    async def of(self, run: str, endpoint: str, code: str, rows: Sequence[sqlite3.Row], rev: int, *,
                 locked: bool) -> Drawn:
        """Draw a run whose rows came from `code`.

        A locked one is drawn with that; one where a step runs with the version that started it; any other with the
        newest, if every answer and result comes in order and fits, and its `version` did not rise since something was
        answered. Raises `NotFound`, and the `PluginError` of a plugin that does not load.
        """
        stored = self._steps.stored(rows)
        try:
            newest = runnable(self._plugins.version(endpoint), endpoint)
        except (NotFound, PluginError):
            if (held := self._held(endpoint, code)) is None:
                raise
            newest = held
        pinned = code if locked else next((row["version"] for row in rows if row["state"] == "running" or (
            row["state"] == "done" and row["value"] is None)), "")
        if pinned and (held := self._held(endpoint, pinned)) is not None:
            return Drawn(held, await self.draw(held, run, rev, stored), newer=held.code != newest.code)
        drawing = await self.draw(newest, run, rev, stored)
        before = self._held(endpoint, code) if code not in ("", newest.code) else None
        rose = before is not None and newest.version > before.version and any(  # what was answered means another thing
            row["state"] == "done" and row["kind"] not in WORKS for row in rows)
        same = newest.code == code or drawing.error is not None
        fits = same or (_fits(drawing, rows) and not rose)
        if fits and not same and (begins := _begins(drawing)):  # what would run now with the old code, too
            fits = before is not None and begins == _begins(await self.draw(before, run, rev, stored))
        step = drawing.open
        if fits:
            return Drawn(newest, drawing, newer=step is not None and step.code not in ("", newest.code))
        changed = Changed(step, step is not None and any(
            (row["label"], row["key"], row["state"]) == (step.label, step.key, "done") for row in rows))
        if before is None:
            return Drawn(newest, drawing, changed)
        old = await self.draw(before, run, rev, stored)
        if old.open is not None and old.open.state == "running":  # tried again: with the code it has failed with
            return Drawn(before, old, newer=True)
        return Drawn(before, old, changed)

    async def draw(self, workflow: Workflow, run: str, rev: int, stored: Sequence[Stored]) -> Drawing:
        """One replay, or the one that is kept of the same rows and code."""
        counts = tuple(row.id for row in stored if row.state not in ("open", "reverted"))  # some are retired unseen
        name = (run or f"/{workflow.endpoint}", workflow.code, rev, counts)
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        drawing = await replay(workflow, stored, open_file=self._open_file, seal=self._seal, twice=self._twice)
        if drawing.error is None:
            self._kept[name] = drawing
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return drawing

    def _held(self, endpoint: str, code: str) -> Workflow | None:
        """That version, unless it is gone: then the newest has to do."""
        try:
            return self._plugins.version(endpoint, code)
        except (NotFound, PluginError):
            return None


def runnable(found: Workflow | None, endpoint: str) -> Workflow:
    """What was found at an address, if it is something to run: home and pages are places. Raises `NotFound`."""
    if found is None or found.kind not in ("workflow", "tool"):
        raise NotFound(f"There is no workflow {endpoint[:80]}.", hint="Its file may have been renamed or removed.")
    return found


def _begins(drawing: Drawing) -> tuple[str, str] | None:
    """Label and key of what is to run next and nobody has begun."""
    step = drawing.open
    return (step.label, step.key) if step is not None and step.work is not None and step.state == "open" else None


def _fits(drawing: Drawing, rows: Sequence[sqlite3.Row]) -> bool:
    """Whether everything that was answered and done, and came in the last drawing, comes in this one in order."""
    live = [(row["label"], row["key"]) for row in sorted(rows, key=lambda row: row["position"])
            if row["state"] == "done" and row["position"]]
    drawn = [(item.label, item.key) for item in drawing.items if isinstance(item, Step) and item.state == "done"]
    known = set(live)
    return [name for name in drawn if name in known] == live
