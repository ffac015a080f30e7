"""A run whose workflow is not here: what was stored, to be read."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import islice

from fasthtml.common import NotStr

from ...archive import Line
from ...files import megabytes
from ...shows.table import Table, cell
from ...text import counted
from ..records import Record
from .icons import icon
from .more import More
from .steps import Drawn, one_line

ROWS = 100  # of a result that are drawn; the saved file has all
SUMMARY = 200  # characters of an answer in its one line


def RecordPage(line: Line, records: Sequence[Record], drawn: Drawn) -> NotStr:
    """Its page. Nothing in it can be changed; it can be saved, compared, named and deleted."""
    name = escape(line.key)
    steps = "".join(_step(record, number, drawn) for number, record in enumerate(records, 1))
    return NotStr(
        f'<div id="run-{name}"><div class="head"><div class="row"><div><h1>{escape(line.title)}</h1>'
        f'<p>{counted(len(records), "step")}. <code>{name}</code></p></div>'
        f'<div class="acts">{More(line.key, line.title, drawn, forks=False)}</div></div></div>'
        f'<div class="notice">{icon("lock")}<p>The workflow {escape(line.endpoint)} is not installed here. This is '
        f'what was stored; it can be read, not changed.</p></div><ol class="steps">{steps}</ol>{drawn.history}'
        f'<div class="live" id="run-{name}-live" hidden></div></div>')


def _step(record: Record, number: int, drawn: Drawn) -> str:
    title = escape(record.label) + (f" {escape(record.key)}" if record.key else "")
    text = escape(one_line(record.text, SUMMARY))
    if record.file is not None:
        at = escape(drawn.url(f"/files/{record.file.id}"))
        text = f'<a href="{at}" download>{escape(record.file.name)}</a>, {megabytes(record.file.size)}'
    rows = f'<li class="step show"><div>{_rows(record.rows)}</div></li>' if record.rows else ""
    lock = icon("lock", small=True, label="Locked", cls="lock")
    mark = icon("check", small=True) if record.state == "done" else "–"
    return (f'<li class="step done"><span class="mark">{mark}</span><section class="card" '
            f'aria-labelledby="step-{number}"><h2 id="step-{number}">{title}</h2><p class="sum">{text}</p>{lock}'
            f"</section></li>{rows}")


def _rows(rows: Sequence[dict[str, object]]) -> str:
    table = Table(list(islice(rows, ROWS)))
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell(row.get(name))[:300])}</td>" for name in table.columns) + "</tr>"
                   for row in table.rows)
    note = f'<p class="hint">The first {ROWS} of {len(rows):,} rows.</p>' if len(rows) > ROWS else ""
    return (f'<div class="tbl" tabindex="0" role="region" aria-label="Rows"><table><thead><tr>{heads}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>{note}")
