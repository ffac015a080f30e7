"""The list of all runs: found, followed live, named, deleted and brought back, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple
from urllib.parse import quote, urlencode

from fasthtml.common import NotStr

from ...archive import NAME_MOST, PAGE, Line, Listing
from ...text import counted
from .icons import icon
from .more import ASKED, INCLUDE, SWAP, WHOLE, More, run_at
from .runs import TRACK, when
from .steps import Drawn

STATES = {"": "All", "unfinished": "Unfinished", "finished": "Finished", "deleted": "Deleted"}


class Asked(NamedTuple):
    """What a person looks for. `edit`: the run that is being named. `pick`: one that is selected already."""

    q: str = ""
    state: str = ""
    workflow: str = ""
    page: int = 1
    edit: str = ""
    pick: str = ""

    def query(self, **other: str | int) -> str:
        """Its address, with some of it changed."""
        parts = {"q": self.q, "state": self.state, "workflow": self.workflow, "page": self.page, **other}
        said = {name: value for name, value in parts.items() if value and (name, value) != ("page", 1)}
        return f"/runs?{urlencode(said)}" if said else "/runs"


class Place(NamedTuple):
    """A workflow that has runs: its title, how many steps it announces, and whether it can be opened."""

    title: str
    steps: int
    there: bool


def RunsPage(found: Listing, asked: Asked, places: Mapping[str, Place], drawn: Drawn, *, toast: str = "",
             problem: str = "", picked: Sequence[str] = ()) -> NotStr:
    """The page of all runs. `problem`: why a file could not be taken; `toast`: what was just done."""
    total = found.counts[""]
    never = not total and not (asked.q or asked.workflow)
    text = "Runs of all workflows stand here once they have begun." if never else "Select two to compare them."
    acts = "".join(
        f'<button class="btn {look} sm" type="submit" form="picked" formaction="{escape(drawn.url(at))}" '
        f'formmethod="{method}">{icon(sign, small=True)}{label}</button>' for look, at, method, sign, label in (
            ("line", "/runs/compare", "get", "columns-2", "Compare"),
            ("ghost", "/runs/delete", "post", "trash-2", "Delete")))
    clear = '<button class="btn ghost sm" type="reset" form="picked">Clear</button>'
    return NotStr(
        f'<div class="head"><div class="row"><div><h1>Runs</h1><p>{text}</p></div>'
        f'<div class="acts" id="runs-acts">{acts}{clear}</div></div></div>{_filter(found, asked, places, drawn)}'
        f'<form id="picked" method="get" action="{escape(drawn.url("/runs/compare"))}">{_chat(drawn)}</form>'
        f"{RunList(found, asked, places, drawn, picked=picked)}"
        f'<div class="live" id="runs-live" hidden></div>{_import(drawn, problem)}'
        f'<div id="toast" role="status">{toast}</div>')


def _chat(drawn: Drawn) -> str:
    """The conversation, which a form sent with GET would drop."""
    chat = drawn.url("").partition("chat=")[2]
    return f'<input type="hidden" name="chat" value="{escape(chat)}">' if chat else ""


def _filter(found: Listing, asked: Asked, places: Mapping[str, Place], drawn: Drawn) -> str:
    options = "".join(f'<option value="{escape(name)}"{" selected" if name == asked.workflow else ""}>'
                      f"{escape(place.title)}</option>" for name, place in places.items())
    select = (f'<div class="select-wrap"><select class="select" name="workflow" aria-label="Workflow">'
              f'<option value="">All workflows</option>{options}</select>{icon("chevron-down", small=True)}</div>'
              if len(places) > 1 else "")
    at = escape(drawn.url("/runs"))
    return (f'<form class="bar-row" id="runs-filter" method="get" action="{at}" hx-get="{at}" hx-target="#runs-list" '
            'hx-swap="outerMorph settle:0" hx-replace-url="true" hx-sync="this:replace" '
            'hx-trigger="submit, change, input changed delay:300ms from:&quot;find input[type=search]&quot;">'
            f'{_chat(drawn)}<label class="sr" for="runs-q">Search runs</label><input class="input" id="runs-q" '
            f'type="search" name="q" value="{escape(asked.q)}" placeholder="Search names and answers">{select}'
            f'{Segments(found, asked)}<noscript><button class="btn line" type="submit">Search</button></noscript>'
            "</form>")


def Segments(found: Listing, asked: Asked) -> str:
    """All, unfinished, finished; deleted ones where there are any."""
    radios = "".join(
        f'<label><input type="radio" name="state" value="{state}"{" checked" if state == asked.state else ""}>'
        f"<span>{label} {found.counts[state]:,}</span></label>" for state, label in STATES.items()
        if state != "deleted" or found.counts[state] or asked.state == state)
    return f'<fieldset class="seg" id="runs-seg"><legend class="sr">Show</legend>{radios}</fieldset>'


def RunList(found: Listing, asked: Asked, places: Mapping[str, Place], drawn: Drawn, *, newer: int = 0,
            picked: Sequence[str] = ()) -> str:
    """`#runs-list`: the rows, and what names them for the next look. `newer`: runs that are not among them yet, which
    are drawn when somebody asks, as nothing that is read is to move."""
    rows = "".join(_row(line, places, drawn, asked, picked) for line in found.lines)
    first = (found.page - 1) * PAGE + 1
    last = first + len(found.lines) - 1
    here = drawn.url(asked.query())
    note = ""
    if newer:
        said = f"{counted(newer, 'newer run')}."
        note = f'<p class="hint" role="status">{said} {_link("Show them", here)}</p>'
    if not rows:
        some = asked.q or asked.state or asked.workflow
        none = f"No run is found. {_link('Show all', drawn.url('/runs'))}" if some else "There are no runs yet."
        listed = f'<p class="hint">{none}</p>'
    else:
        turn = [_link(label, drawn.url(asked.query(page=target))) for label, target in (
            ("Previous page", found.page - 1), ("Next page", found.page + 1)) if 1 <= target <= found.pages]
        pages = f" {' '.join(turn)}" if turn else ""
        listed = (f'<ul class="rows">{rows}</ul>'
                  f'<p class="hint more">{first:,} to {last:,} of {found.matched:,}.{pages}</p>')
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(str(value))}">' for name, value in (
        ("keys", ",".join(line.key for line in found.lines)), ("q", asked.q), ("state", asked.state),
        ("workflow", asked.workflow), ("page", found.page)))
    return f'<div id="runs-list">{note}{listed}<div id="runs-asked" hidden>{hidden}</div></div>'


def _link(label: str, at: str) -> str:
    return f'<a href="{escape(at)}" hx-get="{escape(at)}" {SWAP} hx-replace-url="true">{label}</a>'


def _row(line: Line, places: Mapping[str, Place], drawn: Drawn, asked: Asked, picked: Sequence[str]) -> str:
    title = escape(line.title)
    checked = " checked" if line.key in picked else ""
    check = (f'<label class="check"><input type="checkbox" name="run" value="{escape(line.key)}" form="picked" '
             f'id="pick-{escape(line.key)}"{checked}><span class="sr">Select {title}</span></label>')
    if line.key == asked.edit and not line.deleted:
        return f'<li id="row-{escape(line.key)}">{check}{_name_form(line, asked, drawn)}</li>'
    place = places.get(line.endpoint, Place(line.endpoint, 0, False))
    state, look = state_of(line)
    sub = ", ".join(part for part in (escape(place.title), _where(line), _origin(line)) if part)
    at = escape(drawn.url(run_at(line)))
    name = (f'<span class="nm">{title}</span>' if line.deleted else
            f'<a class="nm" href="{at}" hx-get="{at}" hx-target="#main" hx-push-url="true" hx-swap="innerHTML" '
            f'hx-sync="#menu:replace">{title}</a>')
    end = (_act(drawn, f"/runs/{quote(line.key)}/restore", "Undo", f"Undo deleting {line.title}") if line.deleted
           else More(line.key, line.title, drawn, listed=True, forks=place.there))
    return (f'<li id="row-{escape(line.key)}">{check if not line.deleted else _unpicked()}<div>{name}'
            f'<p class="sub">{sub}</p></div><div class="end"><span class="state {look}">{state}</span>'
            f'<span class="when">{_track(line, place)}</span><span class="when date">'
            f'{when(line.updated_at, drawn.now).capitalize()}</span>{end}</div></li>')


def _unpicked() -> str:
    return f'<span class="check" aria-hidden="true">{icon("trash-2")}</span>'


def state_of(line: Line) -> tuple[str, str]:
    """The state of a run in words, and how it looks."""
    if line.deleted:
        return "Deleted", "open"
    if line.state == "finished":
        return "Finished", ""
    if line.complete:
        return "All steps done", ""
    if line.step_state == "running":
        return "Running", "ok"
    if line.step_state == "failed":
        return "Failed", "bad"
    if line.step_state == "stopped":
        return "Stopped", "open"
    if not line.step:
        return "Cannot go on", "bad"
    return ("Waits for you", "warn") if line.kind == "approve" else ("Unfinished", "open")


def _where(line: Line) -> str:
    if line.state == "finished":
        return "locked"
    if line.step:
        return f"step {line.answered + 1}, {escape(line.step)}"
    return "" if line.complete else "the next step could not be drawn"


def _origin(line: Line) -> str:
    if line.origin == "import":
        return "imported"
    return f"fork of {escape(line.origin)}" if line.origin else ""


def _track(line: Line, place: Place) -> str:
    ended = line.complete or line.state == "finished"
    number = line.answered + (not ended)
    total = min(max(0 if ended else place.steps, number), TRACK)
    bars = "".join(f'<li class="{"done" if n <= line.answered else "now" if n == number else ""}"></li>'
                   for n in range(1, total + 1))
    return f'<ol class="track sm" aria-hidden="true">{bars}</ol>'


def _name_form(line: Line, asked: Asked, drawn: Drawn) -> str:
    at, cancel = escape(drawn.url(f"/runs/{quote(line.key)}/rename")), escape(drawn.url(asked.query()))
    return (f'<form class="edit" method="post" action="{at}" hx-post="{at}" {WHOLE} {INCLUDE}>'
            f'<label class="sr" for="name-{escape(line.key)}">New name of {escape(line.title)}</label>'
            f'<input class="input" id="name-{escape(line.key)}" name="title" value="{escape(line.title)}" '
            f'maxlength="{NAME_MOST}" autocomplete="off" autofocus>'
            '<button class="btn solid" type="submit">Save</button>'
            f'<a class="btn ghost" href="{cancel}" hx-get="{cancel}" {WHOLE}>Cancel</a></form>')


def _act(drawn: Drawn, at: str, label: str, said: str) -> str:
    at = escape(drawn.url(at))
    return (f'<form method="post" action="{at}" hx-post="{at}" {SWAP} {ASKED}>'
            f'<button class="btn line sm" type="submit" aria-label="{escape(said)}">{label}</button></form>')


def Toast(text: str, keys: Sequence[str], drawn: Drawn) -> str:
    """What was deleted, and Undo. It goes after 8 s, not while it is pointed at or has the focus."""
    at = escape(drawn.url("/runs/restore"))
    hidden = "".join(f'<input type="hidden" name="run" value="{escape(key)}">' for key in keys)
    close = escape(drawn.url("/runs"))
    return (f'<div class="pop toast"><span>{escape(text)}</span><form method="post" action="{at}" hx-post="{at}" '
            f'{SWAP} {ASKED}>{hidden}<button class="btn ghost sm" type="submit">Undo</button></form>'
            f'<a class="btn icon sm" href="{close}" hx-get="/runs/toast" hx-target="closest .toast" '
            f'hx-swap="outerHTML" aria-label="Close">{icon("x", small=True)}</a></div>')


def _import(drawn: Drawn, problem: str) -> str:
    error = (f'<p class="err" id="import-err">{icon("circle-alert", small=True)}<span>{escape(problem)}</span></p>'
             if problem else "")
    bad = ' aria-invalid="true" aria-describedby="import-err" autofocus' if problem else ""
    return (f'<details class="fold sec" id="import"{" open" if problem else ""}><summary>'
            f'{icon("chevron-right", small=True)}Open a saved run</summary>'
            f'<form class="stack" method="post" enctype="multipart/form-data" '
            f'action="{escape(drawn.url("/runs/import"))}"><div class="field"><label class="label" for="import-file">'
            f'A run that was saved as an HTML file</label><input class="input" type="file" id="import-file" '
            f'name="value" accept=".html,text/html" required{bad}>{error}<p class="hint">At most 200 MB. '
            'Nothing in the file is run; the run is locked until you unlock it.</p></div>'
            '<button class="btn line" type="submit">Open it</button></form></details>')


def runs_changed() -> str:
    """What the stream sends when some run has changed: the list that is open is asked for anew, row by row."""
    return ('<hx-partial hx-target="#runs-live" hx-swap="innerHTML settle:0"><div hx-get="/runs/rows" '
            f'{ASKED} hx-trigger="load" {SWAP} hx-sync="closest .live:replace"></div></hx-partial>')
