"""When an author's file is wrong: plain words for the person, file and line for whoever sits at the server."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable
from html import escape

from fasthtml.common import NotStr

from ...config import VERSION
from ...drawing import WORKS
from ...errors import MissingPackage, PluginError
from ...replay import Step
from ...runs import RunView, summary
from ...workflow import Broken, Workflow
from .icons import icon
from .steps import Drawn

FRAME = re.compile(r'  File ".*", line \d+, in .*')  # a line of a traceback that quotes no value
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")  # what a sentence of ours quotes may be a value
SAVING = "Saving the file draws this page again. Runs that are under way keep the last good version."


def FailedStep(view: RunView, error: PluginError, at: str, drawn: Drawn) -> str:
    """What the person sees where the next step should be: what they typed, and where to try again (`at`)."""
    begun, workflow = view.run is not None, view.workflow
    what = "The next step could not be drawn. Your answers are kept." if begun else (
        f"This {workflow.kind} could not be drawn. Nothing was stored.")
    typed = typed_so_far(view)
    moment = time.strftime("%H:%M", time.localtime(drawn.now))
    facts = [("You typed", typed[-1][1])] if typed else []
    facts += [("Reference", f"{drawn.reference}, {moment}")] if drawn.reference else []
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    text = report(error, workflow, reference=drawn.reference, now=drawn.now)
    return (f'<li class="step active failed" id="failed" aria-current="step"><span class="mark">{icon("x", small=True)}'
            '<span class="sr">Failed</span></span><section class="card" aria-labelledby="failed-h">'
            f'<div class="card-head"><h2 id="failed-h">{escape(workflow.title)}</h2><p>{what}</p></div>'
            f'<div class="card-body"><dl class="facts full">{rows}</dl>{Report(text, typed)}</div>'
            f'<div class="card-foot"><a class="btn solid" href="{escape(drawn.url(at))}">Try again</a></div>'
            "</section></li>")


def typed_so_far(view: RunView) -> list[tuple[str, str]]:
    """Label and answer of what was answered; of a secret only that there is one."""
    return [(step.label, summary(step)) for step in view.drawing.items
            if isinstance(step, Step) and step.state == "done" and step.kind not in WORKS]


def report(error: PluginError, place: Workflow | Broken, *, reference: str = "", now: float) -> str:
    """What to send to the author: versions, where it failed and what kind of error it was. No value of anybody's: an
    exception may quote one, so its words are left out."""
    code = getattr(place, "code", "")
    kind = QUOTED.sub("…", error.message).partition(":")[0][:80]
    at = f"{error.file or place.file}{f', line {error.line}' if error.line else ''}"
    lines = [f"Treadle {VERSION}, Python {platform.python_version()}, {platform.system()}",
             f"Plugin: {place.endpoint}, {place.file}{f', {code}' if code else ''}",
             f"Error: {kind}, {at}",
             f"Time: {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(now))}"]
    if reference:
        lines.append(f"Reference: {reference}")
    return "\n".join(lines + [line for line in error.details.splitlines() if FRAME.fullmatch(line)])


def JobReport(view: RunView, step: Step, details: str, drawn: Drawn) -> str:
    """The report of a step that ran and failed."""
    error = PluginError(step.error, file=view.workflow.file, details=details)
    return Report(report(error, view.workflow, now=drawn.now), typed_so_far(view), name=f"report-{step.slug}")


def Report(text: str, typed: list[tuple[str, str]], *, name: str = "report") -> str:
    """A report in a fold, with Copy; what was typed comes along only where a person chooses that. `name`: an id that
    no other report of the page has."""
    answers = "\n".join(f"{label}: {value}" for label, value in typed)
    more = (f'<div class="acts js"><button class="btn ghost sm" type="button" data-copy="{name}-typed">Copy it with '
            f'what was typed</button></div><pre id="{name}-typed" hidden>{escape(text)}\n\n{escape(answers)}</pre>'
            if typed else "")
    return (f'<details class="fold full"><summary>{icon("chevron-right", small=True)}A report to copy</summary>'
            f'{_code("report", text, name)}{more}</details>')


def _code(what: str, text: str, name: str) -> str:
    return (f'<div class="code"><div class="bar"><span>{what}</span><button class="btn icon sm js" type="button" '
            f'data-copy="{name}" aria-label="Copy the {what}">{icon("copy", small=True)}</button></div>'
            f'<pre tabindex="0" id="{name}"><code>{escape(text)}</code></pre></div>')


def Fault(error: PluginError, *, title: str = "", name: str = "fault", url: Callable[[str], str] = str) -> str:
    """For the author: what happened, file and line, the traceback in a fold with Copy. `name`: an id that no other
    card of the page has. `url`: what keeps the conversation in an address."""
    if isinstance(error, MissingPackage):
        return _Missing(error, name)
    where = f"<code>{escape(error.file)}</code>" if error.file else "The plugin"
    line = f", line {error.line}" if error.line else ""
    message = f" {escape(error.message.rstrip('.'))}." if title else ""
    trace = (f'<details class="fold full"><summary>{icon("chevron-right", small=True)}Traceback</summary>'
             f'{_code("traceback", error.details, f"{name}-trace")}</details>' if error.details else "")
    rule = error.hint and not title  # a rule of replay was broken
    more = f' <a href="{escape(url("/docs/explanation/replay"))}">What may stand between awaits</a>' if rule else ""
    return (f'<section class="card sec" id="{name}" aria-label="Error in a plugin"><div class="card-head fault">'
            f'<h2>{icon("circle-alert")}{escape(title or error.message)}</h2><p>{where}{line}.{message}</p></div>'
            f'<div class="card-body">{trace}<p class="hint full">{escape(error.hint or SAVING)}{more}</p></div>'
            "</section>")


def _Missing(error: MissingPackage, name: str) -> str:
    """The package, and the command; the plugin is loaded anew as soon as it is there."""
    return (f'<section class="card sec" id="{name}" aria-label="Package not installed"><div class="card-head">'
            f"<h2>{escape(error.message)}</h2><p>Install it, and this page opens by itself.</p></div>"
            f'<div class="card-body"><div class="cmd full"><code id="{name}-cmd" tabindex="0">{escape(error.hint)}'
            f'</code><button class="btn icon sm js" type="button" data-copy="{name}-cmd" aria-label="Copy the command">'
            f'{icon("copy", small=True)}</button></div></div></section>')


def BrokenPage(broken: Broken, drawn: Drawn, *, waiting: int) -> NotStr:
    """A plugin that does not load, at its own address. Everything else is untouched. `waiting`: unfinished runs,
    which the last good version serves."""
    title = f"{broken.file.rpartition('/')[2]} does not load"
    card = Fault(broken.error, title=title) if drawn.author or isinstance(broken.error, MissingPackage) else ""
    runs = "" if not waiting else " Its last good version goes on serving the run that is not finished." if (
        waiting == 1) else f" Its last good version goes on serving the {waiting} runs that are not finished."
    text = f"This {broken.kind} cannot be opened at present. The others are not affected.{runs}"
    told = Report(report(broken.error, broken, now=drawn.now), [])
    return NotStr(f'<div class="head"><div class="row"><div><h1>{escape(broken.title)}</h1><p>{text}</p></div></div>'
                  f'</div>{card}<div class="sec">{told}</div>')
