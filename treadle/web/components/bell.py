"""The bell, its panel, and the list of jobs of all runs in it or on a page of its own."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from fasthtml.common import NotStr

from ...jobs.engine import JobLine
from ...runs import Run
from ...text import span
from .icons import icon
from .jobs import POLL, left, reason
from .steps import one_line, run_path

Url = Callable[[str], str]
EMPTY = "No job is running. Jobs of all runs show here while they run, and an hour longer."


def Bell(running: int, failed: int) -> str:
    """The bell. Its badge counts what runs; in red, what has failed since the list was last opened."""
    said = f"{failed} failed" if failed else f"{running} running" if running else "none running"
    look = "badge bad" if failed else "badge"
    badge = f'<span class="{look}" aria-hidden="true">{failed or running}</span>' if failed or running else ""
    see = ' hx-post="/jobs/seen" hx-swap="none"' if failed else ""
    return (f'<button class="btn icon bell js" type="button" id="bell" popovertarget="jobs" '
            f'aria-label="Background jobs, {said}"{see}>{icon("bell")}{badge}</button>')


def BellLink(chat: str) -> str:
    """The bell where there is no script: the list is a page of its own."""
    return (f'<noscript><a class="btn icon bell" href="/jobs{chat}" aria-label="Background jobs">{icon("bell")}</a>'
            "</noscript>")


@cache
def JobsPanel() -> str:
    """The panel under the bell. What is in it is asked for while it is open."""
    return (
        '<section class="pop" id="jobs" popover aria-labelledby="jobs-title"><header>'
        '<h2 id="jobs-title">Background jobs</h2><button class="btn icon sm" type="button" popovertarget="jobs" '
        f'popovertargetaction="hide" aria-label="Close" autofocus>{icon("x")}</button></header>'
        f'<div class="jobs" id="jobs-list" hx-get="/jobs/list" {POLL}></div>'
        '<footer><label class="check"><input type="checkbox" id="notify"><span class="label">Notify me when a long job '
        'ends</span></label><p class="hint" id="not-allowed" role="status" hidden>The browser does not allow it here; '
        "its settings for this page do.</p></footer></section>"
        '<span class="sr" id="job-said" role="status"></span>')


class Line(NamedTuple):
    """A line of the list: a job, the run it belongs to, the rev of its step and when that was started."""

    job: JobLine
    run: Run
    rev: int
    started_at: float


def JobsList(lines: Sequence[Line], now: float, url: Url, *, polled: bool) -> str:
    """`#jobs-list`: what has failed, what runs, and what ended lately. `polled`: in the panel, not on the page."""
    order = {"failed": 0, "running": 1}
    lines = sorted(lines, key=lambda line: order.get(line.job.state, 2))
    inside = f"<ul>{''.join(_line(line, now, url, polled) for line in lines)}</ul>" if lines else f"<p>{EMPTY}</p>"
    if not polled:
        return f'<div class="jobs" id="jobs-list">{inside}</div>'
    at = escape(url(f"/jobs/list?seen={zlib.crc32(inside.encode()):x}"))
    return f'<div class="jobs" id="jobs-list" hx-get="{at}" {POLL}>{inside}</div>'


def _line(line: Line, now: float, url: Url, polled: bool) -> str:
    job, run, live = line.job, line.run, line.job.live
    at = escape(url(run_path(run)))
    name = (f'<a class="nm" href="{at}" hx-get="{at}" hx-target="#main" hx-push-url="true" hx-swap="innerHTML" '
            f'hx-sync="#menu:replace">{escape(job.label)} <span class="hint">{escape(run.title)}</span></a>')

    def act(verb: str, label: str) -> str:
        where = escape(url(f"/runs/{quote(run.key)}/jobs/{quote(job.slug)}/{verb}?panel=yes"))
        swap = f'hx-post="{where}" hx-target="#jobs-list" hx-swap="outerMorph settle:0"' if polled else ""
        return (f'<form method="post" action="{where}" {swap}><button class="btn ghost sm" type="submit" '
                f'aria-label="{label}: {escape(job.label)}">{label}</button></form>')

    ago = f"<span>{since(now - job.ended_at)}</span>" if job.ended_at else ""
    if job.state == "running":
        bar = (f'<progress value="{live.done:g}" max="{live.total:g}" aria-label="{escape(job.label)}"></progress>'
               if live is not None and live.total and (live.done or not live.waits) else "")
        far = live.waits or live.far or escape(one_line(live.text, 60)) if live is not None else ""
        far += f", {live.failed:,} failed" if live is not None and live.failed else ""
        eta = left(live.eta_s) if live is not None and live.eta_s is not None and not live.waits else ""
        meta = f'{bar}<p class="meta"><span>{far}</span><span>{eta}</span></p>'
        end = act("stop", "Stop")
    elif job.state == "done":
        meta, end = f'<p class="meta"><span class="ok">Finished</span>{ago}</p>', ""
    elif job.state == "stopped":
        meta = f'<p class="meta"><span>{escape(job.error.rstrip(".")) or "Stopped"}</span>{ago}</p>'
        end = act("go-on", "Go on")
    else:
        why = escape(one_line(f"Failed: {reason(job.error)}" if job.error else "Failed", 160))
        meta, end = f'<p class="meta"><span class="bad">{why}</span>{ago}</p>', act("go-on", "Try again")
    return f'<li id="job-line-{job.step_id}">{name}{end}{meta}</li>'


def since(seconds: float) -> str:
    """How long ago, in words that do not change by the second."""
    return "just now" if seconds < 60 else f"{span(round(seconds / 60) * 60)} ago"


def JobsPage(lines: Sequence[Line], now: float, url: Url) -> NotStr:
    """The list as a page."""
    return NotStr('<div class="head"><div class="row"><div><h1>Background jobs</h1><p>Jobs of all runs, while they run '
                  'and an hour longer.</p></div></div></div><div class="card">'
                  f"{JobsList(lines, now, url, polled=False)}</div>")


def Ended(rev: int, lines: Sequence[Line], url: Url) -> str:
    """Where app.js finds the long jobs that have ended since it last asked, for those who want to be told."""
    links = "".join(f'<a id="ended-{line.job.step_id}" href="{escape(url(run_path(line.run)))}" '
                    f'title="{escape(line.job.label)} {"failed" if line.job.state == "failed" else "is done"}">'
                    f"{escape(line.run.title)}</a>" for line in lines)
    return (f'<div id="ended" hidden hx-get="/jobs/ended?since={rev}" hx-trigger="every 10s" hx-swap="outerHTML">'
            f"{links}</div>")
