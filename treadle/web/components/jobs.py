"""A job, an each or a step of the model in a run, in each of its states.

A card that runs carries its own polling; when it has ended, it is drawn without.
"""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple
from urllib.parse import quote

from ...drawing import Step, Work
from ...files import File, megabytes
from ...jobs.engine import Live
from ...jobs.progress import Try
from ...runs import Run, RunView
from ...shows import Table
from ...text import counted, span
from ..records import ended
from .faults import JobReport
from .icons import icon
from .shows import TableForm
from .steps import SUMMARY, Act, Drawn, WaitCard, card, done_card, heading, named, one_line

NEWEST = 5   # results of an each that are seen on its card
FAILED = 20  # failed items that are named on it
PLAIN = re.compile(r"(?:Value|Runtime)Error: |Exception: ")  # they say nothing beyond what the author did
POLL = 'hx-trigger="every 500ms" hx-swap="outerMorph settle:0"'
Url = Callable[[str], str]


class Item(NamedTuple):
    """One item of an each as it is seen. `value`: JSON of one that is done."""

    number: int
    state: str
    value: str | None = None
    error: str = ""


class Seen(NamedTuple):
    """What is seen of a job beside its step. `done`: items of an each that are done. `rows`: the newest first, then
    those that failed. `newer`: its file has changed since it began. `waits`: for what, in a sentence. `written`: by
    `model` so far. `advice`: for its author, where it makes pages slow. `ending`: stopped, and not over yet."""

    done: int = 0
    failed: int = 0
    live: Live | None = None
    started_at: float | None = None
    ended_at: float | None = None
    log: Sequence[str] = ()
    details: str = ""
    items: Sequence[Item] = ()
    newer: bool = False
    waits: str = ""
    written: str = ""
    model: str = ""
    advice: str = ""
    ending: bool = False


def JobCard(view: RunView, step: Step, base: str, drawn: Drawn, seen: Seen) -> str:
    """A step that runs. `base`: the address of its run. Calls what names an author's items: not for the loop."""
    run = view.run
    if run is None or (drawn.held and step.state != "done"):
        return WaitCard(step.label, str(step.number), "Later" if drawn.held else "Runs when you start")
    locked = run.state == "finished"
    if step.state == "done":
        return _done(run, step, drawn, seen)
    if step.state == "open" and view.changed is not None and not locked:
        return WaitCard(step.label, str(step.number), "Runs when you have chosen")
    if step.state in ("running", "open") and not locked:
        return _running(run, step, base, drawn, seen)
    return _ended(view, run, step, base, drawn, seen, locked=locked)


def _verb(step: Step, verb: str) -> str:
    return f"jobs/{quote(step.slug)}/{verb}"


def _running(run: Run, step: Step, base: str, drawn: Drawn, seen: Seen) -> str:
    live = seen.live
    body = _bar(step, live) + _written(seen) + _log(live.log if live is not None else seen.log)
    body += _newest(step, base, drawn, seen) + _failures(run, step, base, drawn, seen)
    if seen.advice and drawn.author:
        body += f'<p class="hint full">For the author: {escape(seen.advice)}</p>'
    body += _newer(run, step, drawn, seen)
    since = f'<span class="note not-m">Since {_clock(seen.started_at)}</span>' if seen.started_at else ""
    inside = (f'<div class="card-head">{heading(step, focus=drawn.focus)}<p>{_words(step, seen)}</p></div>'
              f'{f"""<div class="card-body">{body}</div>""" if body else ""}<div class="card-foot">'
              f'{Act(run, _verb(step, "stop"), "Stop", "line", drawn, big=True)}{since}</div>')
    inside = _polled(run, step, base, drawn, inside)
    if seen.waits:
        return card(step, "active stopped", f'{icon("clock", small=True)}<span class="sr">Waiting</span>', inside)
    return card(step, "active", str(step.number), inside)


def _polled(run: Run, step: Step, base: str, drawn: Drawn, inside: str) -> str:
    """What is asked for again while somebody sees it. Its address says what was seen."""
    at = f"{base}/jobs/{quote(step.slug)}?rev={run.rev}&seen={zlib.crc32(inside.encode()):x}"
    return (f'<div id="job-{step.slug}" hx-get="{escape(drawn.url(at))}" hx-target="#step-{step.slug}" {POLL}>'
            f"{inside}</div>")


def _newer(run: Run, step: Step, drawn: Drawn, seen: Seen) -> str:
    """What is left can go on with the code of now."""
    if not seen.newer:
        return ""
    act = Act(run, _verb(step, "renew"), "Use the new code", "line", drawn)
    return (f'<div class="notice full">{icon("info")}<p>The workflow has changed; this goes on with the code it '
            f'began with.</p><div class="acts">{act}</div></div>')


def _words(step: Step, seen: Seen) -> str:
    if seen.waits:
        return escape(seen.waits)
    if step.kind == "job" and seen.live is not None and seen.live.tries:
        return escape(tried(seen.live.tries[0]))
    if step.kind == "llm":
        return f"{escape(seen.model)} writes this step." if seen.model else "The model writes this step."
    workers = step.work.workers if step.work is not None and step.work.items is not None else 1
    return f"{f'{workers} at once. ' if workers > 1 else ''}You can leave this page; the job goes on."


def _bar(step: Step, live: Live | None) -> str:
    """What it does and how far it is; nothing where nothing is known of it."""
    if live is None or step.kind == "llm" or not (live.text or live.total) or (live.waits and not live.done):
        return ""
    name, far = escape(live.text or step.label), live.far
    far += f", {live.failed:,} failed" if live.failed else ""
    far += f", {len(live.tries):,} tried again" if live.tries and live.unit else ""
    far += f", {left(live.eta_s)}" if live.eta_s is not None and not (live.waits or live.tries) else ""
    bar = f'<progress value="{live.done:g}" max="{live.total:g}" aria-label="{name}"></progress>' if live.total else ""
    return (f'<div class="notice full" role="group" aria-label="Progress"><p><b>{name}</b></p>'
            f'<span class="n">{far}</span>{bar}</div>')


def tried(again: Try) -> str:
    """Why something failed, and when it is tried again: "No answer; attempt 2 of 3 starts in 8 s."."""
    return f"{reason(again.error)[:-1]}; attempt {again.number} of {again.most} starts in {max(again.at, 1):.0f} s."


def left(seconds: float) -> str:
    """The time left, as a person says it."""
    return f"{span(max(round(seconds), 1))} left"


def _clock(at: float) -> str:
    return time.strftime("%H:%M", time.localtime(at))


def _written(seen: Seen) -> str:
    """What the model has written so far."""
    if not seen.written:
        return ""
    text = escape(seen.written.strip()).replace("\n\n", "</p><p>").replace("\n", "<br>")
    return f'<div class="prose full"><p>{text}<span class="caret"></span></p></div>'


def _log(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    text = escape("\n".join(lines))
    return _fold(f"Log, {counted(len(lines), 'line')}", _out("Log", text))


def _out(name: str, text: str) -> str:
    return f'<div class="out" tabindex="0" role="region" aria-label="{name}"><pre>{text}</pre></div>'


def _fold(title: str, inside: str, *, opened: bool = False) -> str:
    return (f'<div class="full"><details class="fold"{" open" if opened else ""}><summary>'
            f'{icon("chevron-right", small=True)}{title}</summary>{inside}</details></div>')


def _ended(view: RunView, run: Run, step: Step, base: str, drawn: Drawn, seen: Seen, *, locked: bool) -> str:
    """Stopped, or failed: what happened in the first line, and how it goes on."""
    assert step.work is not None
    each, stopped = step.work.items is not None, step.state != "failed"
    total = len(step.work.items) if step.work.items is not None else 0
    some = each and not stopped and seen.done > 0
    if each:
        first = (f"Stopped at {seen.done:,} of {counted(total, 'item')}." if stopped else
                 f"{seen.done:,} of {counted(total, 'item is', 'items are')} done; {seen.failed:,} failed.")
    else:
        first = reason(step.error) or ("Stopped." if stopped else "This failed.")
    if seen.ending:
        first += " A call that cannot be broken off is still ending; its result is not used."
    body = _failures(run, step, base, drawn, seen, again=not stopped and not locked)
    body += _newest(step, base, drawn, seen)
    body += _log(seen.log)
    if seen.details and drawn.author:
        body += _fold("Traceback, for the author", _out("Traceback", escape(seen.details)))
    if not stopped:
        body += JobReport(view, step, seen.details, drawn)
    body += _newer(run, step, drawn, seen) if not locked else ""
    acts = "" if locked else _ways(view, run, step, drawn, seen, stopped=stopped)
    note = f"{'Stopped' if stopped else 'Failed'} at {_clock(seen.ended_at)}" if seen.ended_at else ""
    inside = (f'<div class="card-head">{heading(step, focus=drawn.focus)}<p>{escape(first)}</p></div>'
              f'{f"""<div class="card-body">{body}</div>""" if body else ""}'
              f'<div class="card-foot">{acts}<span class="note not-m">{note}</span></div>')
    if seen.ending:
        inside = _polled(run, step, base, drawn, inside)
    if stopped:
        return card(step, "active stopped", '<span class="stop"></span><span class="sr">Stopped</span>', inside)
    if some:
        return card(step, "active", str(step.number), inside)
    return card(step, "active failed", f'{icon("x", small=True)}<span class="sr">Failed</span>', inside)


def _ways(view: RunView, run: Run, step: Step, drawn: Drawn, seen: Seen, *, stopped: bool) -> str:
    again = "Go on" if stopped else f"Try the {seen.failed:,} again" if seen.done and seen.failed > 1 else "Try again"
    acts = Act(run, _verb(step, "go-on"), again, "solid", drawn, big=True)
    some = step.work is not None and step.work.items is not None and seen.done > 0
    if some:
        those = f"Continue with those {seen.done:,}" if seen.done > 1 else "Continue with that one"
        acts += Act(run, _verb(step, "continue"), those, "line", drawn, big=True)
    asked = [each for each in view.drawing.items if isinstance(each, Step) and each.state == "done" and not each.work]
    if asked and not (stopped or some):
        label = f"Revert to {escape(one_line(asked[-1].name, 40))}"
        acts += Act(run, f"revert/{quote(asked[-1].slug)}", label, "ghost", drawn, big=True)
    return acts


def reason(text: str) -> str:
    """Why something failed, in the author's words: a sentence, without the name of a class in front."""
    text = PLAIN.sub("", text.strip())
    return text if not text or text[-1] in ".!?…" else f"{text}."


def _failures(run: Run, step: Step, base: str, drawn: Drawn, seen: Seen, *, again: bool = False) -> str:
    """The items of an each that have failed, and those that are tried again. `again`: somebody may try one again."""
    work, failed = step.work, [item for item in seen.items if item.state == "failed"]
    tries = dict(list(seen.live.tries.items())[:FAILED]) if seen.live is not None else {}
    if work is None or work.items is None or not (failed or tries):
        return ""

    def row(number: int, why: str, act: str = "") -> str:
        return (f'<li><div><span class="nm">{escape(called(work, number))}</span><p class="sub">{escape(why)}</p></div>'
                f'{f"""<div class="end">{act}</div>""" if act else ""}</li>')

    def one(number: int) -> str:
        return Act(run, f"{_verb(step, 'go-on')}?item={number}", "Try again", "ghost", drawn,
                   said=f"Try again: {called(work, number)}") if again and seen.failed > 1 else ""

    rows = "".join(row(number, tried(each)) for number, each in tries.items())
    rows += "".join(row(item.number, reason(item.error), one(item.number)) for item in failed)
    at = escape(drawn.url(f"{base}/items/{quote(step.slug)}?sort=-Error"))
    more = f'<a class="btn ghost sm" href="{at}">All {seen.failed:,}</a>' if seen.failed > len(failed) else ""
    told = [f"{seen.failed:,} failed"] if seen.failed else []
    told += [f"{len(seen.live.tries):,} tried again"] if seen.live is not None and tries else []
    return _fold(", ".join(told), f'<ul class="rows">{rows}</ul>{more}', opened=True)


def _newest(step: Step, base: str, drawn: Drawn, seen: Seen) -> str:
    """The newest results of an each. Left alone while somebody points at them or has opened all of them."""
    items = [item for item in seen.items if item.state == "done"][:NEWEST]
    if step.work is None or step.work.items is None or not items:
        return ""
    table = table_of(step.work, items)
    page = table.page(sort="", number=1, query="")
    head = "".join(f'<th scope="col"{_num(column.number)}>{escape(column.name)}</th>' for column in page.columns)
    rows = "".join("<tr>" + "".join(f"<td{_num(column.number)}>{escape(text)}</td>" for column, text in
                                    zip(page.columns, row, strict=True)) + "</tr>" for row in page.rows)
    count = f"{seen.done:,} of {counted(len(step.work.items), 'result')}"
    name = f"items-{step.slug}-{step.state}"  # all of them, opened while it ran, are not all any more when it ends
    at = escape(drawn.url(f"{base}/items/{quote(step.slug)}"))
    every = (f'<a class="btn ghost sm" href="{at}" hx-get="{at}" hx-target="#{name}" hx-swap="innerHTML">'
             "Show all</a>")
    return (f'<div class="full shown" id="{name}"><div class="data"><div class="tbl" tabindex="0" '
            f'role="region" aria-label="The newest results"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
            f"<footer><span>{count}</span>{every}</footer></div></div>")


def _num(number: bool) -> str:
    return ' class="num"' if number else ""


def table_of(work: Work, items: Sequence[Item]) -> Table:
    """What an each has given, as a table: columns of what the results hold, their names where that is not among it."""
    return Table([_row(called(work, item.number), item) for item in items])


def _row(name: str, item: Item) -> dict[str, Any]:
    try:
        value = json.loads(item.value) if item.value is not None else None
    except ValueError:
        value = None
    if isinstance(value, dict):
        row = ({} if name in map(str, value.values()) else {"Item": name}) | value
    else:
        row = {"Item": name} | ({"Result": value} if value is not None else {})
    return row | ({"Error": item.error} if item.error else {})


def called(work: Work, number: int) -> str:
    """The name of an item of an each on its card. Calls the author's `name=`, so it belongs in their thread."""
    item = work.items[number] if work.items is not None and number < len(work.items) else number + 1
    if work.name is not None:
        return one_line(str(work.name(item)), 80)
    if isinstance(item, dict):
        return one_line(next((value for value in item.values() if isinstance(value, str)), _cells(item)), 80)
    return one_line(str(getattr(item, "name", item)), 80)


def _cells(value: dict[Any, Any]) -> str:
    """The first plain values of a dict: "lo: 10, hi: 20"."""
    plain = [f"{name}: {('no', 'yes')[cell] if isinstance(cell, bool) else cell}" for name, cell in value.items()
             if isinstance(cell, str | int | float)]
    return ", ".join(plain[:4])


def _done(run: Run, step: Step, drawn: Drawn, seen: Seen) -> str:
    assert step.work is not None
    seconds = seen.ended_at - seen.started_at if seen.started_at and seen.ended_at else 0.0
    took = f" in {span(seconds)}" if seconds >= 1 and not isinstance(step.value, str) else ""
    if step.work.items is not None:
        text = _bold(ended(seen.done, seen.failed, len(step.work.items)))
    else:
        text = _result(step.value, drawn)
    again = _rest(run, step, drawn, seen) + Act(run, f"revert/{quote(step.slug)}", f'{icon("rotate-ccw", small=True)}'
                                                "Run again", "ghost", drawn, said=f"Run again: {named(step)}")
    return done_card(run, step, f"{text}{took}", again)


def _rest(run: Run, step: Step, drawn: Drawn, seen: Seen) -> str:
    """Run what an each has no result of; those there are stay."""
    if step.work is None or step.work.items is None or not (rest := len(step.work.items) - seen.done):
        return ""
    label = f"Go on with the other {rest:,}" if rest > seen.failed else (
        f"Try the {rest:,} failed again" if rest > 1 else "Try the failed one again")
    return Act(run, f"revert/{quote(step.slug)}?keep=yes", label, "ghost", drawn, said=f"{label}: {named(step)}")


def _bold(text: str) -> str:
    """The number in front stands out."""
    number, _, words = text.partition(" ")
    return f"<b>{number}</b> {words}"


def _result(value: Any, drawn: Drawn) -> str:
    """What a job gave, in one line."""
    if isinstance(value, File):
        at = escape(drawn.url(f"/files/{value.id}"))
        return f'<a href="{at}" download>{escape(value.name)}</a>, {megabytes(value.size)}'
    if value is None:
        return "Done"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int | float):
        return f"<b>{value:,}</b>"
    if fields := getattr(type(value), "model_fields", None) or getattr(type(value), "__dataclass_fields__", None):
        value = {name: getattr(value, name) for name in fields}
    if isinstance(value, dict):
        return escape(one_line(_cells(value), SUMMARY)) or _bold(counted(len(value), "value"))
    if isinstance(value, Table | Sequence) and not isinstance(value, str):
        return _bold(counted(len(value), "row"))
    return escape(one_line(str(value), SUMMARY)) or "Done"


def ItemsForm(step: Step, items: Sequence[Item], *, base: str, url: Url, sort: str, page: int, query: str) -> str:
    """All results so far: one form that sorts, searches and turns pages, and stays as it is while the job goes on."""
    assert step.work is not None
    return TableForm(table_of(step.work, items), step.number, base=base, url=url, sort=sort, page=page, query=query,
                     where=f"items/{quote(step.slug)}")
