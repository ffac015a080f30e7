"""What two runs show, side by side: texts as they are, rows of tables counted, all else by what it is made of."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from html import escape, unescape
from typing import Any, NamedTuple

from ...files import File
from ...replay import Show, Step
from ...runs import RunView
from ...shows import Table, kind
from ...shows.pictures import picture
from ...shows.table import cell
from ...text import counted
from .figures import Component, Terminal
from .shows import prose
from .steps import named

LENGTH = 300  # characters of one text

Key = tuple[str, int]
Cells = tuple[str, ...]


class Shown(NamedTuple):
    """A thing that is shown. `text`: a text, or what is not one made into text or a digest. `rows`: those of a table,
    the names of its columns first."""

    kind: str
    text: str
    rows: Sequence[Cells] = ()


def shown_in(view: RunView) -> dict[Key, Shown]:
    """What a run shows, by the step it stands after and its number there. Slow, and it calls what an author's objects
    do when they are drawn."""
    found: dict[Key, Shown] = {}
    after, number = "the beginning", 0
    for item in view.drawing.items:
        if isinstance(item, Step):
            after, number = named(item), 0
        for thing in item.things if isinstance(item, Show) else ():
            number += 1
            found[after, number] = _shown(thing)
    return found


def _shown(thing: Any) -> Shown:
    how = kind(thing)
    try:
        if how in ("table", "frame", "graph"):
            table = thing if how == "table" else thing.table if how == "graph" else Table(thing)
            rows = [tuple(cell(row.get(name)) for name in table.columns) for row in table.sorted(table.sort)]
            return Shown("table", "", [tuple(table.columns), *rows])
        return Shown("text" if how in ("text", "code") else how, _text(how, thing))
    except Exception as error:  # noqa: BLE001 - an author's thing, drawn by a library
        return Shown(how, f"could not be drawn: {type(error).__name__}")


def _text(how: str, thing: Any) -> str:
    if how == "text":
        return unescape(re.sub(r"<[^>]+>", "", prose(str(thing)))).strip()  # its words, as it is Markdown
    if how in ("code", "diagram"):
        return str(thing.text)
    if how == "picture":
        return hashlib.sha256(picture(thing).body).hexdigest()
    if how in ("file", "download"):
        content = thing.content if how == "download" else thing
        data = content.encode() if isinstance(content, str) else content
        digest = data.sha256 if isinstance(data, File) else hashlib.sha256(bytes(data)).hexdigest()
        return f"{thing.name} {digest}"
    if how == "component":
        return str(Component(thing))
    return str(Terminal(thing)) if how == "rich" else str(thing.to_json())


class Differing(NamedTuple):
    """A thing that both or one of two runs show. `how`: "" where it is the same. `left` and `right`: where they are
    texts, or where there is only one; else `how` says it all."""

    after: str
    how: str
    left: str = ""
    right: str = ""


def differing(left: dict[Key, Shown], right: dict[Key, Shown]) -> list[Differing]:
    """What both show, in the order of the left, then what only the right shows."""
    return [_pair(key, left.get(key), right.get(key)) for key in dict.fromkeys([*left, *right])]


def _pair(key: Key, left: Shown | None, right: Shown | None) -> Differing:
    name = f"After {key[0]}" + (f" ({key[1]})" if key[1] > 1 else "")
    if left is None or right is None:
        return Differing(name, f"only on the {'right' if left is None else 'left'}", _brief(left), _brief(right))
    if left == right:
        return Differing(name, "", _brief(left))
    if left.kind == right.kind == "table":
        return Differing(name, _rows(left.rows, right.rows))
    if left.kind == right.kind and left.kind != "text":
        return Differing(name, f"another {left.kind}")
    return Differing(name, "differs", _brief(left), _brief(right))


def _brief(shown: Shown | None) -> str:
    if shown is None:
        return "–"
    if shown.kind == "text":
        return shown.text
    return counted(len(shown.rows) - 1, "row") if shown.kind == "table" else f"A {shown.kind}"


def _rows(left: Sequence[Cells], right: Sequence[Cells]) -> str:
    """How many rows changed, came and went. A row is known by its first cell, or by all of them where that is not its
    own."""
    if left[0] != right[0]:
        return f"other columns, {counted(len(left) - 1, 'row')} and {counted(len(right) - 1, 'row')}"
    sides = [{row[:1]: row for row in rows[1:]} for rows in (left, right)]
    changed = sum(sides[1].get(name, row) != row for name, row in sides[0].items())
    gone, come = len(sides[0].keys() - sides[1].keys()), len(sides[1].keys() - sides[0].keys())
    if len(sides[0]) < len(left) - 1 or len(sides[1]) < len(right) - 1:
        first, second = Counter(left[1:]), Counter(right[1:])
        changed, gone, come = 0, (first - second).total(), (second - first).total()
    parts = [text for number, text in ((changed, f"{counted(changed, 'row')} changed"), (come, f"{come:,} added"),
                                       (gone, f"{gone:,} removed")) if number]
    return ", ".join(parts) or "the same rows in another order"


def ShownRow(each: Differing, names: Sequence[str]) -> str:
    """A line of the comparison."""
    title = f'<th scope="row">{escape(each.after)}<br><span class="hint">{{}}</span></th>'
    if not each.how:
        return (f'<tr class="same">{title.format("shown")}<td colspan="2"><span class="sr">The same in both: </span>'
                f"{_cut(each.left)}</td></tr>")
    if not each.left and not each.right:
        return f'<tr>{title.format("shown, differs")}<td class="diff" colspan="2">{escape(each.how)}</td></tr>'
    return f"<tr>{title.format(f'shown, {each.how}')}" + "".join(
        f'<td class="diff" data-of="{escape(name)}">{_cut(text)}</td>'
        for name, text in zip(names, (each.left, each.right), strict=True)) + "</tr>"


def _cut(text: str) -> str:
    return escape(text if len(text) <= LENGTH else f"{text[:LENGTH - 1]}…")
