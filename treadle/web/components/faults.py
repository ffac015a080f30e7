"""When an author's file is wrong: plain words for the person, file and line for whoever sits at the server."""

from __future__ import annotations

from html import escape

from fasthtml.common import NotStr

from ...errors import PluginError
from ...workflow import Broken
from .icons import icon
from .steps import Drawn


def FailedStep(title: str, at: str, drawn: Drawn, *, begun: bool) -> str:
    """What the person sees where the next step should be. `at`: where to try again."""
    what = "The next step could not be drawn. Your answers are kept." if begun else (
        "This workflow could not be drawn. Nothing was stored.")
    facts = (f'<div class="card-body"><dl class="facts full"><dt>Reference</dt><dd>{escape(drawn.reference)}</dd></dl>'
             "</div>") if drawn.reference else ""
    return (f'<li class="step active failed" id="failed" aria-current="step"><span class="mark">{icon("x", small=True)}'
            '<span class="sr">Failed</span></span><section class="card" aria-labelledby="failed-h">'
            f'<div class="card-head"><h2 id="failed-h">{escape(title)}</h2><p>{what}</p></div>{facts}'
            f'<div class="card-foot"><a class="btn solid" href="{escape(drawn.url(at))}">Try again</a></div>'
            "</section></li>")


def Fault(error: PluginError, *, title: str = "") -> str:
    """For the author: what happened, file and line, the traceback in a fold with Copy."""
    where = f"<code>{escape(error.file)}</code>" if error.file else "The plugin"
    line = f", line {error.line}" if error.line else ""
    message = f" {escape(error.message.rstrip('.'))}." if title else ""
    trace = (f'<details class="fold full"><summary>{icon("chevron-right", small=True)}Traceback</summary>'
             '<div class="code"><div class="bar"><span>traceback</span><button class="btn icon sm" type="button" '
             f'data-copy="trace" aria-label="Copy the traceback">{icon("copy", small=True)}</button></div>'
             f'<pre tabindex="0" id="trace"><code>{escape(error.details)}</code></pre></div></details>'
             if error.details else "")
    hint = error.hint or "Mend the file and start Treadle again; what was answered is kept."
    return (f'<section class="card sec" id="fault" aria-label="Error in a plugin"><div class="card-head fault">'
            f'<h2>{icon("circle-alert")}{escape(title or error.message)}</h2><p>{where}{line}.{message}</p></div>'
            f'<div class="card-body">{trace}<p class="hint full">{escape(hint)}</p></div></section>')


def BrokenPage(broken: Broken, drawn: Drawn) -> NotStr:
    """A plugin that does not load, at its own address. Everything else is untouched."""
    card = Fault(broken.error, title=f"{broken.file.rpartition('/')[2]} does not load") if drawn.author else ""
    text = "This workflow cannot be opened at present. The others are not affected."
    return NotStr(f'<div class="head"><div class="row"><div><h1>{escape(broken.title)}</h1><p>{text}</p></div></div>'
                  f"</div>{card}")
