"""A run as it is drawn. Its page, the answer to a form and what the stream asks for are the same body."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import groupby
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

from fasthtml.common import NotStr

from ...drawing import WORKS
from ...replay import Export, Show, Step
from ...runs import Run, RunView
from ...text import counted
from .faults import FailedStep, Fault
from .icons import icon
from .jobs import JobCard, Seen
from .more import More, Origin
from .shows import Results, Things, prose
from .steps import Act, Drawn, OutdatedCard, Refusal, StepCard, WaitCard, can_take_focus, run_id, run_path

TRACK = 40  # steps; more are no line of bars any more
FOLD = 6    # steps of a loop, done one after the other; fewer stand by themselves


class Ahead(NamedTuple):
    """A step of the outline that the run has not reached, or went past."""

    label: str
    number: int
    needed: bool


Entry = Step | Show | Ahead


def run_changed(key: str) -> str:
    """What the stream sends when a run has changed: whoever shows it fetches it anew, nobody else does anything."""
    name = escape(key)
    return (f'<hx-partial hx-target="#run-{name}-live" hx-swap="innerHTML settle:0"><div hx-get="/runs/{name}/body" '
            f'hx-trigger="load" hx-target="#run-{name}" hx-swap="outerMorph settle:0" hx-sync="closest .live:replace">'
            "</div></hx-partial>")


def RunBody(view: RunView, drawn: Drawn, refusal: Refusal | None = None,
            jobs: Mapping[str, Seen] = MappingProxyType({})) -> NotStr:
    """`#run-{key}`; of a workflow not begun, `#run-new-{endpoint}`. Slow with large tables: not for the event loop.

    `jobs`: what is seen of the steps that run, by slug.
    """
    run, drawing, workflow = view.run, view.drawing, view.workflow
    if run is not None and refusal is not None and is_held(view, refusal):
        drawn = drawn._replace(held=True)
    name = run_id(run, drawn) if run is not None else f"run-new-{workflow.endpoint}"
    base = f"/runs/{quote(run.key)}" if run is not None else f"/runs/new/{quote(workflow.endpoint)}"
    entries = _entries(view)
    items = []
    if run is not None and refusal is not None and _outdated(view, refusal):
        items.append(OutdatedCard(run, drawn, refusal))
        refusal = None
    asked = refusal.slug if refusal is not None else ""
    reached = [entry for entry in entries if not isinstance(entry, Ahead)]
    for alike, group in groupby(reached, lambda entry: _of_a_loop(entry, asked)):
        steps = [*group]
        cards = [str(_drawn(view, entry, base, drawn, refusal, jobs)) for entry in steps]
        items += [_folded(cards, steps)] if alike and len(steps) >= FOLD else cards
    error = drawing.error or (refusal.fault if refusal is not None else None)
    if drawing.error is not None:
        at = run_path(run) if run is not None else f"/{quote(workflow.endpoint)}"
        items.append(FailedStep(view, drawing.error, at, drawn))
    later = "Not answered" if run is not None and run.state == "finished" else "Later"
    items += [WaitCard(entry.label, str(entry.number), later) if entry.needed
              else WaitCard(entry.label, "–", "Not needed") for entry in entries if isinstance(entry, Ahead)]
    exports = [item for item in drawing.items if isinstance(item, Export)]
    return NotStr(
        f'<div id="{escape(name)}">{_head(view, entries, drawn)}{_reverted(view, drawn)}'
        f'<ol class="steps">{_changed(view, drawn)}{drawn.before}{"".join(items)}</ol>{_start(view, base, drawn)}'
        f"{Fault(error, url=drawn.url) if error is not None and drawn.author else ''}"
        f"{Results(exports, base=base, url=drawn.url)}"
        f"{drawn.history}"
        f"{_live(run, drawn) if run is not None and not drawn.held else ''}</div>")


def _drawn(view: RunView, entry: Step | Show, base: str, drawn: Drawn, refusal: Refusal | None,
           jobs: Mapping[str, Seen]) -> str:
    if isinstance(entry, Show):
        shown = Things(entry.things, entry.number, base=base, url=drawn.url)
        return f'<li class="step show" id="shown-{entry.number}"><div>{shown}</div></li>'
    if entry.kind in WORKS:
        return JobCard(view, entry, base, drawn, jobs.get(entry.slug, Seen()))
    return StepCard(view, entry, base, drawn, refusal)


def _of_a_loop(entry: Step | Show, asked: str) -> bool:
    """Whether it is one of several done alike, and nobody has to look at it. `asked`: what was just refused."""
    return isinstance(entry, Step) and entry.state == "done" and entry.key != "" and entry.slug != asked


def _folded(cards: Sequence[str], entries: Sequence[Step | Show]) -> str:
    """Steps of a loop, in one line: what comes after them is not to be scrolled for."""
    steps = [entry for entry in entries if isinstance(entry, Step)]
    labels = ", ".join(dict.fromkeys(escape(step.label) for step in steps))
    return (f'<li class="step done many"><span class="mark">{icon("check", small=True)}<span class="sr">Done</span>'
            f'</span><details class="fold" id="fold-{steps[0].slug}"><summary>{icon("chevron-right", small=True)}'
            f'{counted(len(steps), "step")}: {labels}</summary><ol class="steps">{"".join(cards)}</ol></details></li>')


def _outdated(view: RunView, refusal: Refusal) -> bool:
    """Whether there is no form any more to which a refused one could come back."""
    asked = any(isinstance(item, Step) and item.slug == refusal.slug for item in view.drawing.items)
    locked = view.run is not None and view.run.state == "finished"
    return not asked or (locked and refusal.status == 409)


def is_held(view: RunView, refusal: Refusal) -> bool:
    """Whether two answers wait for a decision, or one that has no place any more for being copied."""
    return _outdated(view, refusal) or (refusal.status == 409 and refusal.slug in view.answered)


def _live(run: Run, drawn: Drawn) -> str:
    """Where the stream says that the run has changed."""
    name = escape(run.key)
    at = escape(drawn.url(f"/runs/{quote(run.key)}/body?rev={run.rev}"))
    check = (f'<div hx-get="{at}" hx-trigger="load" hx-target="#run-{name}" hx-swap="outerMorph settle:0" '
             'hx-sync="closest .live:replace"></div>') if drawn.check else ""
    return f'<div class="live" id="run-{name}-live" hidden>{check}</div>'


def _entries(view: RunView) -> list[Entry]:
    """What replay drew, and the steps that are known in advance but were not reached."""
    ahead, passed = list(view.workflow.steps), list[str]()
    entries: list[Entry] = []
    number = 0
    for item in view.drawing.items:
        if isinstance(item, Step):
            number = item.number
            if item.label in ahead:
                at = ahead.index(item.label)
                passed, ahead = passed + ahead[:at], ahead[at + 1:]
        if not isinstance(item, Export):
            entries.append(item)
    entries += [Ahead(label, 0, needed=False) for label in passed]
    entries += [Ahead(label, number + n, needed=not view.drawing.finished) for n, label in enumerate(ahead, 1)]
    return entries


def _head(view: RunView, entries: Sequence[Entry], drawn: Drawn) -> str:
    run = view.run
    known = [entry for entry in entries if isinstance(entry, Step) or (isinstance(entry, Ahead) and entry.needed)]
    states = ["" if isinstance(entry, Ahead) else "done" if entry.state == "done" else "now"
              for entry in known if not isinstance(entry, Show)]
    bars = "".join(f'<li class="{state}"></li>' for state in states)
    track = f'<ol class="track" aria-hidden="true">{bars}</ol>' if 1 < len(states) <= TRACK else ""
    focus = can_take_focus(drawn.focus and (view.drawing.open is None or run is None or run.state != "open"))
    if run is None:
        return (f'<div class="head"><div class="row"><div><h1{focus}>{escape(view.title)}</h1>'
                f"{prose(view.workflow.message) if view.workflow.kind != 'page' else ''}"
                f"</div></div>{track}</div>")
    steps = f"{states.count('done')} of {counted(len(states), 'step')}" if states else ""
    if run.state == "finished":
        text = f"Finished {when(run.updated_at, drawn.now)}.{f' {steps}.' if steps else ''}"
        act = Act(run, "unlock", f'{icon("lock-open", small=True)}Unlock', "line", drawn)
    else:
        text = f"{f'{steps} done. ' if steps else ''}Started {when(run.created_at, drawn.now)}."
        act = Act(run, "finalise", f'{icon("lock", small=True)}Finish and lock',
                  "line" if view.drawing.finished else "ghost", drawn)
    return (f'<div class="head"><div class="row"><div><h1{focus}>{escape(view.title)}</h1>'
            f'<p>{text} <code>{escape(run.key)}</code></p></div><div class="acts">{act}'
            f"{'' if drawn.held else More(run.key, view.title, drawn)}</div></div>{track}</div>"
            + Origin(run.key, run.origin, run.state == "finished", drawn))


def _reverted(view: RunView, drawn: Drawn) -> str:
    run = view.run
    if run is None or not run.reverted_to or run.state == "finished":
        return ""
    return (f'<div class="notice" id="reverted">{icon("undo-2")}<p>Reverted to {escape(run.reverted_to)}; your later '
            f'answers are kept as defaults.</p><div class="acts">{Act(run, "undo", "Undo", "line", drawn)}</div></div>')


def _changed(view: RunView, drawn: Drawn) -> str:
    """The workflow has changed so that the run cannot simply go on: the person decides how."""
    run, changed = view.run, view.changed
    if run is None or changed is None or run.state == "finished":
        return ""
    step, anew = changed.first, escape(drawn.url(f"/runs/{quote(run.key)}/start-anew"))
    how = "" if step is None else (
        f" Step {step.number}, {escape(step.label)}, is the first that {'is asked' if step.work is None else 'runs'}"
        f"{' again' if changed.again else ''}.")
    return ('<li class="step active decide" id="changed"><span class="mark">–</span>'
            '<section class="card" aria-labelledby="changed-h"><div class="card-head">'
            f'<h2 id="changed-h">{escape(view.workflow.title)} has changed since this run began</h2>'
            '<p>Needs your choice.</p></div><div class="card-body"><dl class="facts full">'
            f"<dt>Go on here</dt><dd>Answers that fit are kept.{how}</dd><dt>Start a new run</dt>"
            "<dd>Starts from these answers. This run is finished and locked.</dd></dl></div>"
            f'<div class="card-foot">{Act(run, "go-on-here", "Go on here", "solid", drawn, big=True)}'
            f'<form method="post" action="{anew}" hx-post="{anew}" hx-target="#main" hx-push-url="true" '
            'hx-swap="innerHTML"><button class="btn line" type="submit">Start a new run</button></form></div></section>'
            "</li>")


def _start(view: RunView, base: str, drawn: Drawn) -> str:
    """A workflow whose first step is no question begins with a button."""
    first = view.drawing.open
    if view.run is not None or (first is not None and first.kind not in WORKS) or view.drawing.error is not None:
        return ""
    if view.workflow.kind == "page":
        return ""
    at = escape(drawn.url(base))
    return (f'<form method="post" action="{at}" hx-post="{at}" hx-target="#main" hx-push-url="true" '
            f'hx-swap="innerHTML"><input type="hidden" name="client_id" value="{escape(drawn.client_id)}">'
            '<button class="btn solid" type="submit">Start</button></form>')


def RunRows(runs: Sequence[Run], drawn: Drawn, *, steps: Callable[[str], int], named: str,
            more: str = "") -> NotStr:
    """A list of runs: a whole row is one link. `steps`: how many an endpoint announces. `more`: a link beside its name.
    """
    rows = []
    for run in runs:
        at = escape(drawn.url(run_path(run)))
        ended = run.complete or run.state == "finished"
        number = run.answered + (not ended)
        total = min(max(0 if ended else steps(run.endpoint), number), TRACK)
        bars = "".join(f'<li class="{"done" if n <= run.answered else "now" if n == number else ""}"></li>'
                       for n in range(1, total + 1))
        waits = ("Finished and locked" if run.state == "finished" else "All steps done" if ended else
                 f"Step {number}, {run.waiting_for}" if run.waiting_for else "The next step could not be drawn")
        rows.append(
            f'<li><div><a class="nm" href="{at}" hx-get="{at}" hx-target="#main" hx-push-url="true" '
            f'hx-swap="innerHTML" hx-sync="#menu:replace">{escape(run.title)}</a>'
            f'<p class="sub">{escape(waits)}</p></div><div class="end"><span class="when">'
            f'{when(run.updated_at, drawn.now).capitalize()}</span><ol class="track sm" aria-hidden="true">{bars}</ol>'
            f'{icon("chevron-right")}</div></li>')
    if not rows:
        return NotStr("")
    name = named.partition(" ")[0].lower()
    return NotStr(f'<section class="sec" aria-labelledby="{name}"><header><h2 id="{name}">{escape(named)}</h2>{more}'
                  f'</header><ul class="rows">{"".join(rows)}</ul></section>')


def when(at: float, now: float) -> str:
    """A time as a person says it: "today, 14:08", "yesterday", "18 November", "18 November 2025"."""
    then, today = time.localtime(at), time.localtime(now)
    if then[:3] == today[:3]:
        return f"today, {time.strftime('%H:%M', then)}"
    if then[:3] == time.localtime(now - 86_400)[:3]:
        return "yesterday"
    return f"{then.tm_mday} {time.strftime('%B', then)}" + ("" if then[0] == today[0] else f" {then[0]}")
