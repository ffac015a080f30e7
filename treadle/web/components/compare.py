"""Two runs side by side: their steps by label and key, what differs in words, the rows that differ, what they show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape
from typing import Any, NamedTuple
from urllib.parse import quote

from fasthtml.common import NotStr

from ...archive import Line
from ...shows.table import cell
from ...text import counted, storable
from ..records import Record
from .compare_shows import Differing, ShownRow
from .more import run_at
from .steps import Drawn

ROWS = 50     # rows that differ, of one step
CELLS = 4     # columns of them
LENGTH = 300  # characters of one cell


class Pair(NamedTuple):
    """A step of both runs, or of one of them."""

    label: str
    key: str
    left: Record | None
    right: Record | None

    @property
    def differs(self) -> str:
        """How, in a word; "" where it does not."""
        if self.left is None or self.right is None:
            return "only on the right" if self.left is None else "only on the left"
        return "" if self.left.same == self.right.same and self.left.text == self.right.text else "differs"


def aligned(left: Sequence[Record], right: Sequence[Record]) -> list[Pair]:
    """The steps of both in one order; the same label and key stand in one line."""
    first, second = ({(record.label, record.key): record for record in side} for side in (left, right))
    names, others = list(first), list(second)
    pairs: list[Pair] = []
    for _, a, b, c, d in SequenceMatcher(None, names, others, autojunk=False).get_opcodes():
        pairs += [Pair(*name, first[name], second.get(name)) for name in names[a:b]]
        pairs += [Pair(*name, None, second[name]) for name in others[c:d] if name not in first]
    return pairs


def ComparePage(lines: tuple[Line, Line], left: Sequence[Record], right: Sequence[Record],
                shown: Sequence[Differing], drawn: Drawn) -> NotStr:
    """The page. On a phone the two stand one under the other. `shown`: what the runs show, after the steps."""
    pairs = aligned(left, right)
    count = sum(bool(pair.differs) for pair in pairs)
    text = f"{count} of {counted(len(pairs), 'step')} {'differs' if count == 1 else 'differ'}."
    if shown:
        count, things = sum(bool(each.how) for each in shown), counted(len(shown), "thing shown", "things shown")
        text += f" {count} of {things} {'differs' if count == 1 else 'differ'}."
    names = [line.title for line in lines]
    if names[0] == names[1]:
        names = [f"{line.title} ({line.key})" for line in lines]
    swap = escape(drawn.url(f"/runs/compare?run={quote(lines[1].key)}&run={quote(lines[0].key)}"))
    heads = "".join(f'<th scope="col"><a href="{escape(drawn.url(run_at(line)))}">{escape(name)}</a></th>'
                    for line, name in zip(lines, names, strict=True))
    rows = "".join([*(_pair(pair, names) for pair in pairs), *(ShownRow(each, names) for each in shown)])
    tables = "".join(_rows(pair, names) for pair in pairs if pair.differs == "differs")
    return NotStr(storable(  # a run from a file may hold half a character
        f'<div class="head"><div class="row"><div><h1>Two runs compared</h1><p>{text}</p></div><div class="acts">'
        f'<a class="btn ghost sm" href="{swap}" hx-get="{swap}" hx-target="#main" hx-replace-url="true" '
        'hx-swap="innerHTML">Swap</a></div></div></div>'
        '<div class="data compare"><header><b>Steps</b><label class="check"><input type="checkbox" id="only">'
        '<span class="label">Only what differs</span></label></header>'
        '<div class="tbl wrap-cells stacks" tabindex="0" role="region" aria-label="Comparison"><table><thead><tr>'
        f'<th scope="col">Step</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></div>{tables}'))


def _pair(pair: Pair, names: Sequence[str]) -> str:
    title = escape(pair.label) + (f" <span class=\"hint\">{escape(pair.key)}</span>" if pair.key else "")
    how = pair.differs
    if not how:
        text = _cut(pair.left.text if pair.left is not None else "")
        return (f'<tr class="same"><th scope="row">{title}</th><td colspan="2"><span class="sr">The same in both: '
                f"</span>{text}</td></tr>")
    cells = "".join(f'<td class="diff" data-of="{escape(name)}">{_cut(record.text) if record else "–"}</td>'
                    for record, name in zip((pair.left, pair.right), names, strict=True))
    return f'<tr><th scope="row">{title}<br><span class="hint">{how}</span></th>{cells}</tr>'


def _cut(text: str) -> str:
    return escape(text if len(text) <= LENGTH else f"{text[:LENGTH - 1]}…")


def _rows(pair: Pair, names: Sequence[str]) -> str:
    """The rows that differ, by what their first column says. Rows that are alike are counted, not drawn."""
    assert pair.left is not None and pair.right is not None  # both have it
    if not pair.left.rows or not pair.right.rows:
        return ""
    first = next(iter(pair.left.rows[0]), "")
    sides = [{_name(row, first): row for row in record.rows} for record in (pair.left, pair.right)]
    known = list(dict.fromkeys([*sides[0], *sides[1]]))
    other = [name for name in known if sides[0].get(name) != sides[1].get(name)]
    body = "".join(f"<tr><td>{_cut(name)}</td>" + "".join(
        f'<td data-of="{escape(title)}">{_row(side.get(name), (sides[1 - n]).get(name), first)}</td>'
        for n, (side, title) in enumerate(zip(sides, names, strict=True))) + "</tr>" for name in other[:ROWS])
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in (first, *names))
    cut = f", the first {ROWS} are shown" if len(other) > ROWS else ""
    return (f'<div class="data"><header><b>{escape(pair.label)}</b></header><div class="tbl wrap-cells stacks" '
            f'tabindex="0" role="region" aria-label="Rows of {escape(pair.label)} that differ"><table><thead>'
            f"<tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
            f"<footer><span>{len(other):,} of {counted(len(known), 'row differs', 'rows differ')}{cut}</span></footer>"
            "</div>")


def _name(row: dict[str, Any], first: str) -> str:
    value = row.get(first)
    return cell(value) if first in row else json.dumps(row, ensure_ascii=False, default=str)


def _row(row: dict[str, Any] | None, other: dict[str, Any] | None, first: str) -> str:
    """The columns of a row in which it differs from the other one."""
    if row is None:
        return "not there"
    parts = [f"{name}: {cell(value)}" for name, value in row.items()
             if name != first and (other is None or other.get(name) != value)]
    return _cut(", ".join(parts[:CELLS])) or "–"
