"""Drafts: what the model proposes for an open question. In memory only: nothing is stored before the person saves."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from ..context import Context
from ..drawing import Step
from ..errors import Conflict, TreadleError
from ..llm import Llm
from ..runs import Runs, RunView
from ..tasks import Tasks
from ..text import storable

MOST = 50  # drafts that are remembered
LENGTH = 100_000  # characters of one


@dataclass(slots=True)
class Draft:
    """A draft as far as it is written. `taken`: the person has typed, so that nothing flows in any more."""

    model: str
    text: str = ""
    state: Literal["writing", "done", "stopped", "failed"] = "writing"
    taken: bool = False
    problem: str = ""
    task: asyncio.Task[None] | None = None


class Drafts:
    """The drafts of open questions, each by its run, step and the rev of its form."""

    def __init__(self, runs: Runs, llm: Llm, context: Context, tasks: Tasks) -> None:
        self._runs, self._llm, self._context, self._tasks = runs, llm, context, tasks
        self._known: dict[tuple[str, str, int], Draft] = {}

    def of(self, view: RunView) -> Draft | None:
        """The draft of the open question of a run, if it was begun."""
        step = view.drawing.open
        return self._known.get((view.run.key, step.slug, view.form_rev)) if view.run is not None and step else None

    @staticmethod
    def asked(view: RunView) -> Step | None:
        """The open question, where the model is to draft its answer: not where an earlier answer stands."""
        step = view.drawing.open
        wanted = view.run is not None and view.run.state == "open" and step is not None and step.draft
        return step if step is not None and wanted and step.default is None else None

    async def begin(self, run: str, slug: str) -> RunView:
        """Have the model draft the open question; once, and not where no model is ready. Returns at once.

        Raises `Conflict` when that question is not open.
        """
        view = await self._runs.draw(run)
        step = self.asked(view)
        if step is None or step.slug != slug:
            raise Conflict("This question is not open any more.")
        if self.of(view) is None and self._llm.status.ready:
            draft = Draft(self._llm.status.chosen)
            self._known[run, slug, view.form_rev] = draft
            if len(self._known) > MOST:
                self._end(self._known.pop(next(iter(self._known))))
            draft.task = self._tasks.start(self._write(draft, run, step), name=f"draft of {run}")
        return view

    def stop(self, view: RunView, *, taken: bool = False) -> None:
        """End the draft of the open question; what is written stays. `taken`: as the person has begun to type."""
        draft = self.of(view)
        if draft is not None:
            draft.taken = draft.taken or taken
            self._end(draft)

    def _end(self, draft: Draft) -> None:
        if draft.state == "writing":
            draft.state = "stopped"
            if draft.task is not None:
                draft.task.cancel()

    async def _write(self, draft: Draft, run: str, step: Step) -> None:
        whole, line = "", step.field is not None and step.field.kind == "text"
        try:
            messages = await self._context.step(run, step.draft)
            async with aclosing(self._llm.chat(messages, model=draft.model)) as pieces:
                async for piece in pieces:
                    whole += piece.text
                    draft.text = " ".join(storable(whole).split()) if line else storable(whole).strip()
                    if len(whole) > LENGTH:
                        break
            draft.state = "done" if draft.text else "failed"
            draft.problem = "" if draft.text else "The model sent no text."
        except TreadleError as error:  # the model failed, or the run is gone meanwhile
            draft.state, draft.problem = "failed", error.message
