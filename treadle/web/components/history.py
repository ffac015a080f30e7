"""Who did what in a run, and when: a page, and a fold in the run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from fasthtml.common import NotStr

from ...archive import Line, Told
from .icons import icon
from .more import run_at
from .runs import when
from .steps import Drawn

FOLDED = 20  # lines of the fold; the page has all
WHO = {"person": "You", "model": "The model", "command line": "Command line", "job": "Job"}
WHAT = {"finalised": "finished and locked", "undone": "undid the revert"}


def HistoryTable(told: Sequence[Told], now: float, *, name: str = "History") -> str:
    """The lines, the latest first. What was reverted stays, in grey, and says so."""
    if not told:
        return '<p class="hint">Nothing has happened yet.</p>'
    rows = "".join(_row(line, now) for line in told)
    return (f'<div class="tbl wrap-cells" tabindex="0" role="region" aria-label="{name}"><table><thead><tr>'
            '<th scope="col">Step</th><th scope="col">What</th><th scope="col">By</th>'
            f'<th scope="col" class="num">When</th></tr></thead><tbody>{rows}</tbody></table></div>')


def _row(line: Told, now: float) -> str:
    what = WHAT.get(line.what, line.what)
    glue = ": " if line.by == "job" and line.text and not line.text.startswith("after ") else " "
    told = f"{what[:1].upper()}{what[1:]}{glue}{line.text}".rstrip()
    text = escape(line.text if line.what == "answered" and line.text else told)
    grey = ' class="same"' if line.what in ("reverted", "undone") else ""
    cells = [escape(line.label) or "–", text, WHO.get(line.by, escape(line.by.capitalize())) or "–"]
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(line.at))
    return (f"<tr{grey}>" + "".join(f"<td>{cell}</td>" for cell in cells)
            + f'<td class="num"><time datetime="{stamp}">{when(line.at, now).capitalize()}</time></td></tr>')


def HistoryPage(line: Line, told: Sequence[Told], drawn: Drawn) -> NotStr:
    """All of it, on a page of its own."""
    back = escape(drawn.url(run_at(line)))
    return NotStr(f'<div class="head"><h1>History</h1><p><a href="{back}" hx-get="{back}" hx-target="#main" '
                  f'hx-push-url="true" hx-swap="innerHTML">{escape(line.title)}</a> <code>{escape(line.key)}</code></p>'
                  f"</div>{HistoryTable(told, drawn.now)}")


def HistoryFold(key: str, told: Sequence[Told], drawn: Drawn) -> str:
    """The latest of it, folded, at the end of a run."""
    if not told:
        return ""
    at = escape(drawn.url(f"/runs/{quote(key)}/history"))
    more = (f'<p class="hint more"><a href="{at}" hx-get="{at}" hx-target="#main" hx-push-url="true" '
            'hx-swap="innerHTML">The whole history</a></p>') if len(told) >= FOLDED else ""
    return (f'<details class="fold sec" id="history"><summary>{icon("chevron-right", small=True)}History</summary>'
            f"{HistoryTable(told[:FOLDED], drawn.now)}{more}</details>")
