"""One step of a run in each of its states, with stable ids: redrawing a step keeps what is typed into it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from ...errors import PluginError
from ...files import File, megabytes
from ...replay import Step
from ...runs import Run, RunView, summary
from .fields import Field
from .icons import icon
from .shows import Things

SUMMARY = 200  # characters of an answer in its one line
UNSAVED = (f'<div class="notice bad unsaved" role="alert" hidden>{icon("circle-alert")}'
           "<p>No answer from the server; nothing was stored.<span> What you typed is still here.</span></p></div>")


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a run is drawn: for whom, when, and what takes the focus.

    `url` keeps the conversation in addresses. `author`: whoever sits at the server sees file, line and traceback.
    `focus`: after an answer, the next field takes the focus. `check`: when it is in the page, it asks once whether it
    is still the newest, as the stream may have told of a change before it was there. `held`: it shows an answer that
    was not stored, and stays until the person decides. `upload`: the id of an upload this form may send. `client_id`:
    that of a run not begun. `reference`: finds an error in the log.
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


@dataclass(frozen=True, slots=True)
class Refusal:
    """A form that comes back: what was typed, and why. `status` 422: a value; 409: somebody was faster.

    `sent`: the name of a file that came with it. `fault`: what is wrong with the author's check of it.
    """

    slug: str
    typed: Sequence[str]
    problem: str
    status: int = 422
    sent: str = ""
    fault: PluginError | None = None


def run_path(run: Run) -> str:
    """The address of a run's page."""
    return f"/{quote(run.endpoint)}/{quote(run.key)}"


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
    """Its title, which names its card."""
    return f'<h2 id="step-{step.slug}-h"{can_take_focus(focus)}>{escape(step.label)}</h2>'


def can_take_focus(now: bool | None) -> str:
    """For a heading. Where it may have the focus it stays focusable in every drawing, or a redrawing would take it."""
    return "" if now is None else ' tabindex="-1" autofocus' if now else ' tabindex="-1"'


def _done(view: RunView, step: Step, drawn: Drawn) -> str:
    run = view.run
    text = escape(one_line(summary(step), SUMMARY)) or "No answer"
    if isinstance(step.value, File):
        at = escape(drawn.url(f"/files/{step.value.id}"))
        text = f'<a href="{at}" download>{escape(step.value.name)}</a>, {megabytes(step.value.size)}'
    if run is None:
        end = ""
    elif run.state == "finished":
        end = icon("lock", small=True, label="Locked", cls="lock")
    else:
        end = Act(run, f"revert/{quote(step.slug)}", f'{icon("undo-2", small=True)}Revert', "ghost", drawn,
                  said=f"Revert to {step.label}")
    mark = f'{icon("check", small=True)}<span class="sr">Done</span>'
    return card(step, "done", mark, f'{heading(step)}<p class="sum">{text}</p>{end}', current=False)


def _open(view: RunView, step: Step, base: str, drawn: Drawn, refusal: Refusal | None) -> str:
    note = '<span class="note not-m">Nothing is stored before this answer</span>' if view.run is None else ""
    form = _form(view, step, base, drawn)
    problem = _problem(refusal)
    if step.approve is not None:
        shown = Things(step.approve.what, step.approve.number, base=base, url=drawn.url)
        yes, no = escape(step.approve.yes), escape(step.approve.no)
        buttons = (f'<button class="btn solid" type="submit" name="value" value="yes">{yes}</button>'
                   f'<button class="btn line" type="submit" name="value" value="no">{no}</button>')
        inside = (f'<div class="card-head">{heading(step, focus=drawn.focus)}</div>'
                  f'<div class="card-body">{problem}<div class="full shown-all">{shown}</div></div>'
                  f'{form}<div class="card-foot">{buttons}{note}</div></form>')
        return card(step, "active decide", str(step.number), inside)
    assert step.field is not None  # a step is a question or an approval
    refused = refusal is not None and refusal.status == 422
    kept = (view.pending.get("value") or step.default) if step.field.kind == "upload" else None
    field = Field(step.field, step.slug, value=step.default, typed=refusal.typed if refusal is not None else None,
                  error=refusal.problem if refusal is not None and refused else "",
                  kept=kept if isinstance(kept, File) else None, waits=bool(view.pending),
                  focus=drawn.focus or refusal is not None, upload=drawn.upload)
    verb = "Start" if view.run is None else "Save"
    inside = (f'{form}<div class="card-head">{heading(step)}</div><div class="card-body">{problem}{field}</div>'
              f'<div class="card-foot"><button class="btn solid" type="submit">{verb}</button>{note}</div></form>')
    return card(step, "active", str(step.number), inside)


def _form(view: RunView, step: Step, base: str, drawn: Drawn) -> str:
    """The opening tag, and what app.js shows in it when nobody answers."""
    run = view.run
    if run is None:  # its answer is a new page with an address of its own
        at, how = drawn.url(base), 'hx-target="#main" hx-push-url="true" hx-swap="innerHTML"'
        hidden = f'<input type="hidden" name="client_id" value="{escape(drawn.client_id)}">'
    else:
        at, how = drawn.url(f"{base}/steps/{quote(step.slug)}"), redraw(run, drawn)
        hidden = f'<input type="hidden" name="rev" value="{view.form_rev}">'
    if step.field is not None and step.field.kind == "upload":
        at += f"{'&' if '?' in at else '?'}upload={quote(drawn.upload)}"
        how += ' enctype="multipart/form-data" hx-config="timeout:3600s"'
    return (f'<form method="post" action="{escape(at)}" hx-post="{escape(at)}" {how} hx-sync="this:drop" '
            f'hx-disable="find .card-foot .btn">{hidden}{UNSAVED}')


def _problem(refusal: Refusal | None) -> str:
    """Why the form came back: once, on top."""
    if refusal is None:
        return ""
    value = refusal.status == 422
    kept = "; what you typed is kept" if any(refusal.typed) else ""
    text = f"One answer needs a change{kept}." if value else refusal.problem
    return (f'<div class="full"><div class="notice{" bad" if value else ""}" role="status">{icon("circle-alert")}'
            f"<p>{escape(text)}</p></div></div>")


def _twice(view: RunView, step: Step, drawn: Drawn, refusal: Refusal) -> str:
    """Somebody answered first: both answers, and nothing happens until the person decides."""
    run = view.run
    assert run is not None  # nobody else can answer what is not begun
    at = view.answered.get(step.slug)
    moment = f" at {time.strftime('%H:%M', time.localtime(at))}" if at else ""
    hidden = "".join(f'<textarea name="value" hidden>\n{escape(text)}</textarea>' for text in refusal.typed)
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
    mine = refusal.sent or "\n".join(refusal.typed) or "No answer"
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
    if refusal.sent:
        return refusal.sent
    if step.approve is not None:
        return step.approve.yes if list(refusal.typed) == ["yes"] else step.approve.no
    if step.field is not None and step.field.kind == "yes_no":
        return "Yes" if refusal.typed else "No"
    return "\n".join(refusal.typed) or "No answer"


def one_line(text: str, length: int) -> str:
    """The first line with words, cut, and how many more lines there are."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    cut = first if len(first) <= length else first[:length - 1].rstrip() + "…"
    return cut if len(lines) < 2 else f"{cut} and {len(lines) - 1:,} more {'line' if len(lines) == 2 else 'lines'}"
