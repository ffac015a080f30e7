"""One step of a run in each of its states, with stable ids: redrawing a step keeps what is typed into it."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from ...errors import PluginError
from ...fields.answers import fields_of, proposals
from ...fields.drafts import Draft, Drafts
from ...fields.types import FormSpec, Secret
from ...files import File, megabytes
from ...replay import Step
from ...runs import Run, RunView, summary
from ...text import counted
from .drafts import DraftAct, DraftLine
from .fields import Field, State
from .icons import icon
from .shows import Things, prose

SUMMARY = 200  # characters of an answer in its one line
PART = 60  # of one answer of a form
NUMBERS = {2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven", 8: "Eight", 9: "Nine"}
UNSAVED = (f'<div class="notice bad unsaved" role="alert" hidden>{icon("circle-alert")}'
           "<p>No answer from the server; nothing was stored.<span> What you typed is still here.</span></p></div>")


class Drawn(NamedTuple):
    """How a run is drawn: for whom, when, and what takes the focus.

    `url` keeps the conversation in addresses. `author`: whoever sits at the server sees file, line and traceback.
    `focus`: after an answer, the next field takes the focus. `check`: when it is in the page, it asks once whether it
    is still the newest, as the stream may have told of a change before it was there. `held`: it shows an answer that
    was not stored, and stays until the person decides. `upload`: the id of an upload this form may send. `client_id`:
    that of a run not begun. `reference`: finds an error in the log. `before`: what stands above the first step.
    `history`: what stands under it. `draft`: what the model has written of the open answer; `model_ready`: it could.
    """

    url: Callable[[str], str]
    now: float
    author: bool
    focus: bool = False
    check: bool = False
    held: bool = False
    upload: str = ""
    client_id: str = ""
    reference: str = ""
    before: str = ""
    history: str = ""
    draft: Draft | None = None
    model_ready: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A form that comes back: what was typed in each field, and why. `status` 422: a value; 409: somebody was faster.

    `sent`: the name of the file that came with a field. `errors`: a sentence by the name of its field, "" for the form
    as a whole. `fault`: what is wrong with the author's check of it. `said`: the words of the
    button of an approval, which is perhaps not drawn any more.
    """

    slug: str
    typed: Mapping[str, Sequence[str]]
    problem: str
    status: int = 422
    sent: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    fault: PluginError | None = None
    said: str = ""


def run_path(run: Run) -> str:
    """The address of a run's page."""
    return f"/{quote(run.endpoint)}/{quote(run.key)}"


def draft_at(run: Run, step: Step) -> str:
    """The address of the draft of a question."""
    return f"/runs/{quote(run.key)}/drafts/{quote(step.slug)}"


def run_id(run: Run, drawn: Drawn) -> str:
    """The id of a run in its page. Of a held one it is another, so that no redrawing under way takes its place; then
    the one replaces the other whole, as morphing keeps ids."""
    return f"run-{run.key}-held" if drawn.held else f"run-{run.key}"


def StepCard(view: RunView, step: Step, base: str, drawn: Drawn, refusal: Refusal | None) -> str:
    """A step: answered, in one line; open, with its form; answered twice, with the choice between the answers."""
    if refusal is not None and refusal.slug != step.slug:
        refusal = None
    if step.state == "done":
        conflict = refusal is not None and refusal.status == 409
        return _twice(view, step, drawn, refusal) if refusal is not None and conflict else _done(view, step, drawn)
    if drawn.held or (view.run is not None and view.run.state == "finished"):
        return WaitCard(step.label, str(step.number), "Later" if drawn.held else "Not answered")
    return _open(view, step, base, drawn, refusal)


def WaitCard(label: str, mark: str, text: str) -> str:
    """A step that cannot be answered now, and why."""
    return (f'<li class="step wait"><span class="mark">{mark}</span><section class="card"><h2>{escape(label)}</h2>'
            f"<p>{text}</p></section></li>")


def Act(run: Run, verb: str, label: str, look: str, drawn: Drawn, *, said: str = "", big: bool = False) -> str:
    """A form with one button. `said`: its name where the label alone does not tell which step it is about. `big`: as
    at the foot of a card."""
    at = escape(drawn.url(f"/runs/{quote(run.key)}/{verb}"))
    aria = f' aria-label="{escape(said)}"' if said else ""
    return (f'<form method="post" action="{at}" hx-post="{at}" {redraw(run, drawn)}>'
            f'<button class="btn {look}{"" if big else " sm"}" type="submit"{aria}>{label}</button></form>')


def redraw(run: Run, drawn: Drawn) -> str:
    """What the answer to a form or a link replaces: the whole run."""
    swap = "outerHTML" if drawn.held else "outerMorph settle:0"
    return f'hx-target="#{escape(run_id(run, drawn))}" hx-swap="{swap}"'


def card(step: Step, look: str, mark: str, inside: str, *, current: bool = True) -> str:
    """A step in its place between the others. `look`: its classes."""
    now = ' aria-current="step"' if current else ""
    return (f'<li class="step {look}" id="step-{step.slug}"{now}><span class="mark">{mark}</span>'
            f'<section class="card" aria-labelledby="step-{step.slug}-h">{inside}</section></li>')


def heading(step: Step, *, focus: bool | None = None) -> str:
    """Its title, which names its card; with a key, which of several it is."""
    key = f' <span class="hint">{escape(one_line(step.key, PART))}</span>' if step.key else ""
    return f'<h2 id="step-{step.slug}-h"{can_take_focus(focus)}>{escape(step.label)}{key}</h2>'


def named(step: Step) -> str:
    """A step in a sentence: its label, and its key where it has one."""
    return one_line(step.name, SUMMARY)


def can_take_focus(now: bool | None) -> str:
    """For a heading. Where it may have the focus it stays focusable in every drawing, or a redrawing would take it."""
    return "" if now is None else ' tabindex="-1" autofocus' if now else ' tabindex="-1"'


def _done(view: RunView, step: Step, drawn: Drawn) -> str:
    run = view.run
    act = "" if run is None else Act(run, f"revert/{quote(step.slug)}", f'{icon("undo-2", small=True)}Revert', "ghost",
                                     drawn, said=f"Revert to {named(step)}")
    return done_card(run, step, _said(step, drawn) or "No answer", act)


def done_card(run: Run | None, step: Step, text: str, act: str) -> str:
    """A step that is done, in one line. `act`: what can be done with it, unless the run is locked."""
    if run is not None and run.state == "finished":
        act = icon("lock", small=True, label="Locked", cls="lock")
    mark = f'{icon("check", small=True)}<span class="sr">Done</span>'
    return card(step, "done", mark, f'{heading(step)}<p class="sum">{text}</p>{act}', current=False)


def _said(step: Step, drawn: Drawn) -> str:
    """An answer in one line; files can be had back."""
    told = []
    values = proposals(step)
    for name, spec in fields_of(step).items():
        value = values[name]
        text = " ".join(spec.text(value).split()) if spec.kind == "json" else spec.text(value)
        text = escape(one_line(text, SUMMARY if len(values) == 1 else PART))
        if isinstance(value, File):
            at = escape(drawn.url(f"/files/{value.id}"))
            text = f'<a href="{at}" download>{escape(value.name)}</a>, {megabytes(value.size)}'
        if text:
            told.append(text if len(values) == 1 else f"{escape(spec.label)} <b>{text}</b>")
    return ", ".join(told) if fields_of(step) else escape(one_line(summary(step), SUMMARY))


def _open(view: RunView, step: Step, base: str, drawn: Drawn, refusal: Refusal | None) -> str:
    note = '<span class="note not-m">Nothing is stored before this answer</span>' if view.run is None else ""
    form = _form(view, step, base, drawn)
    problem = _problem(step, refusal, drawn)
    if step.approve is not None:
        shown = Things(step.approve.what, step.approve.number, base=base, url=drawn.url)
        yes, no = escape(step.approve.yes), escape(step.approve.no)
        buttons = (f'<button class="btn solid" type="submit" name="value" value="yes">{yes}</button>'
                   f'<button class="btn line" type="submit" name="value" value="no">{no}</button>'
                   f'<input type="hidden" name="said.yes" value="{yes}">'
                   f'<input type="hidden" name="said.no" value="{no}">')
        inside = (f'<div class="card-head">{heading(step, focus=drawn.focus)}</div>'
                  f'<div class="card-body">{problem}<div class="full shown-all">{shown}</div></div>'
                  f'{form}<div class="card-foot">{buttons}{note}</div></form>')
        return card(step, "active decide", str(step.number), inside)
    verb, line, act = "Start" if view.run is None else "Save", "", ""
    if view.run is not None and Drafts.asked(view) is step:
        at, ready = drawn.url(draft_at(view.run, step)), drawn.model_ready
        line = DraftLine(step.slug, at, drawn.draft, ready=ready)
        act = DraftAct(step.slug, view.run.key, at, drawn.draft, ready=ready)
    said = prose(step.field.help) if isinstance(step.field, FormSpec) and step.field.help else ""
    inside = (f'{form}<div class="card-head">{heading(step)}{said}</div>'
              f'<div class="card-body">{problem}{open_fields(view, step, drawn, refusal)}{line}</div>'
              f'<div class="card-foot"><button class="btn solid" type="submit">{verb}</button>{act}{note}</div></form>')
    return card(step, "active", str(step.number), inside)


def open_fields(view: RunView, step: Step, drawn: Drawn, refusal: Refusal | None) -> str:
    """The fields of a question, with what was typed where a form comes back. The first bad one takes the focus."""
    specs, values = fields_of(step), proposals(step)
    errors = refusal.errors if refusal is not None and refusal.status == 422 else {}
    focused = next((name for name in specs if name in errors), next(iter(specs)))
    if drawn.draft is not None and not drawn.draft.taken and values.get("value") is None:
        values["value"] = drawn.draft.text
    drawing = ""
    for number, (name, spec) in enumerate(specs.items()):
        waiting = view.pending.get(name)
        kept = waiting or values[name]
        typed = refusal.typed.get(name, []) if refusal is not None else None
        drawing += Field(spec, field_id(step, number), State(
            name, values[name], typed, errors.get(name, ""), kept if isinstance(kept, File | Secret) else None,
            waits=waiting is not None, focus=name == focused and (drawn.focus or refusal is not None),
            upload=f"{drawn.upload}-{number}"), single=not isinstance(step.field, FormSpec))
    return drawing


def field_id(step: Step, number: int) -> str:
    """The id of a question's field; of a form's, with its number."""
    return f"f-{step.slug}-{number}" if isinstance(step.field, FormSpec) else f"f-{step.slug}"


def _form(view: RunView, step: Step, base: str, drawn: Drawn) -> str:
    """The opening tag, and what app.js shows in it when nobody answers."""
    run = view.run
    if run is None:  # its answer is a new page with an address of its own
        at, how = drawn.url(base), 'hx-target="#main" hx-push-url="true" hx-swap="innerHTML"'
        hidden = f'<input type="hidden" name="client_id" value="{escape(drawn.client_id)}">'
    else:
        at, how = drawn.url(f"{base}/steps/{quote(step.slug)}"), redraw(run, drawn)
        hidden = f'<input type="hidden" name="rev" value="{view.form_rev}">'
    specs = fields_of(step)
    if any(spec.kind == "upload" for spec in specs.values()):
        at += f"{'&' if '?' in at else '?'}upload={quote(drawn.upload)}"
        how += ' enctype="multipart/form-data" hx-config="timeout:3600s"'
    shape = zlib.crc32(repr([(name, spec.kind, spec.options) for name, spec in specs.items()]).encode())
    keep = f"{base}/{step.slug} {view.form_rev} {shape}"  # boot.js keeps under it what is typed, for these fields alone
    return (f'<form method="post" action="{escape(at)}" hx-post="{escape(at)}" {how} novalidate hx-sync="this:drop" '
            f'hx-disable="find .card-foot .btn" data-keep="{escape(keep)}">{hidden}{UNSAVED}'
            f"{_elsewhere(run, drawn) if run is not None else ''}")


def _elsewhere(run: Run, drawn: Drawn) -> str:
    """What app.js shows in a form in which somebody has typed, when its run has gone on without it."""
    at = escape(drawn.url(run_path(run)))
    return (f'<div class="notice elsewhere" role="alert" hidden>{icon("info")}<p>This run has gone on in another tab. '
            'What you typed is still here, and not stored. Save shows it beside what is stored, and you choose.</p>'
            f'<div class="acts"><a class="btn line sm" href="{at}" hx-get="{at}" hx-target="#main" hx-swap="innerHTML">'
            "Go on without it</a></div></div>")


def _problem(step: Step, refusal: Refusal | None, drawn: Drawn) -> str:
    """Why the form came back: once, on top; of a form of several with a way to each that needs a change."""
    if refusal is None:
        return ""
    value, whole = refusal.status == 422, refusal.errors.get("", "")
    specs = fields_of(step)
    bad = {name: number for number, name in enumerate(specs) if name in refusal.errors}
    if not value or whole:
        text = escape(whole or refusal.problem)
    elif isinstance(step.field, FormSpec) and bad:
        count = "One answer needs" if len(bad) == 1 else f"{NUMBERS.get(len(bad), len(bad))} answers need"
        ways = ", ".join(f'<a href="#{field_id(step, number)}">{escape(specs[name].label)}</a>'
                         for name, number in bad.items())
        text = f"{count} a change: {ways}. Everything else is kept."
    else:
        kept = "; what you typed is kept" if any(map(any, refusal.typed.values())) else ""
        text = f"One answer needs a change{kept}."
    return (f'<div class="full"><div class="notice{" bad" if value else ""}" role="status">{icon("circle-alert")}'
            f"<p>{text}</p></div></div>")


def _twice(view: RunView, step: Step, drawn: Drawn, refusal: Refusal) -> str:
    """Somebody answered first: both answers, and nothing happens until the person decides."""
    run = view.run
    assert run is not None  # nobody else can answer what is not begun
    at = view.answered.get(step.slug)
    moment = f" at {time.strftime('%H:%M', time.localtime(at))}" if at else ""
    hidden = "".join(f'<textarea name="{escape(name)}" hidden>\n{escape(text)}</textarea>'
                     for name, texts in refusal.typed.items() for text in texts)
    post = escape(drawn.url(f"/runs/{quote(run.key)}/steps/{quote(step.slug)}"))
    inside = (
        f'<div class="card-head">{heading(step, focus=True)}<p>This step was answered in another tab{moment}.</p></div>'
        f'<div class="card-body"><dl class="facts full"><dt>Stored</dt><dd>{escape(summary(step)) or "No answer"}</dd>'
        f"<dt>Yours</dt><dd>{escape(_words(step, refusal))}</dd></dl></div>"
        f'<form method="post" action="{post}" hx-post="{post}" {redraw(run, drawn)}>'
        f'<input type="hidden" name="rev" value="{view.form_rev}"><input type="hidden" name="replace" value="yes">'
        f"{hidden}"
        f'<div class="card-foot">{_go_on(run, "Go on with the stored one", drawn)}'
        '<button class="btn line" type="submit">Use mine instead</button></div></form>')
    return card(step, "active decide", str(step.number), inside)


def OutdatedCard(run: Run, drawn: Drawn, refusal: Refusal) -> str:
    """A form whose step the run no longer asks: what was typed is shown, so that it can be copied."""
    typed = [*refusal.sent.values(), *(text for texts in refusal.typed.values() for text in texts)]
    mine = refusal.said or "\n".join(typed) or "No answer"
    return (
        '<li class="step active decide" id="outdated"><span class="mark">–</span><section class="card" '
        f'aria-labelledby="outdated-h"><div class="card-head"><h2 id="outdated-h"{can_take_focus(True)}>'
        f'Your answer was not stored</h2><p>{escape(refusal.problem)}</p></div><div class="card-body">'
        f'<dl class="facts full"><dt>Yours</dt><dd>{escape(mine)}</dd></dl></div>'
        f'<div class="card-foot">{_go_on(run, "Go on", drawn)}</div></section></li>')


def _go_on(run: Run, label: str, drawn: Drawn) -> str:
    return (f'<a class="btn solid" href="{escape(drawn.url(run_path(run)))}" '
            f'hx-get="{escape(drawn.url(f"/runs/{quote(run.key)}/body?focus=yes"))}" {redraw(run, drawn)}>{label}</a>')


def _words(step: Step, refusal: Refusal) -> str:
    """The loser's answer as they would say it."""
    if step.approve is not None:
        return step.approve.yes if list(refusal.typed.get("value", [])) == ["yes"] else step.approve.no
    told = []
    for name, spec in fields_of(step).items():
        texts = refusal.typed.get(name, [])
        text = refusal.sent.get(name) or "\n".join(texts)
        if spec.kind == "yes_no":
            text = "Yes" if texts else "No"
        told.append(f"{spec.label}: {text}" if isinstance(step.field, FormSpec) and text else text)
    return "\n".join(filter(None, told)) or "No answer"


def one_line(text: str, length: int) -> str:
    """The first line with words, cut, and how many more lines there are."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    cut = first if len(first) <= length else first[:length - 1].rstrip() + "…"
    return cut if len(lines) < 2 else f"{cut} and {counted(len(lines) - 1, 'more line')}"
