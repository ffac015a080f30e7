"""What stands between the steps: Markdown, tables, files, what `figures` draws; and the list of downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import quote

from fasthtml.common import NotStr

from ...files import File, megabytes
from ...replay import Export, Show, Step
from ...shows import Graph, Table, kind
from ...shows.exports import size_hint
from ...shows.table import Page
from ...text import counted, storable
from ..markdown import render
from .figures import CodeBox, Component, Figure, Fold, Needs, NotDrawn, Source, Terminal
from .icons import icon

SEARCH_FROM = 11  # rows; fewer are seen at a glance
SHORT = 2_000  # characters of Markdown that are kept as they were rendered
Url = Callable[[str], str]


def prose(text: str) -> str:
    """An author's Markdown. What is short is drawn again and again, and rendered once."""
    return _short(text) if len(text) <= SHORT else render(text)


@lru_cache(maxsize=512)
def _short(text: str) -> str:
    return str(render(text))


def Things(things: Sequence[Any], number: int, *, base: str, url: Url) -> str:
    """What one show, or one approval, draws. `base`: the address of its run, "/runs/{key}"; `number`: of the first
    thing, so that a table is at `{base}/shows/{n}`.
    """
    return storable("".join(_thing(thing, n, base, url) for n, thing in enumerate(things, number)))


def _thing(thing: Any, n: int, base: str, url: Url) -> str:
    how = kind(thing)
    if how == "text":
        return f'<div class="prose">{prose(str(thing))}</div>'
    if how in ("table", "frame"):
        return TableBox(_table(thing), n, base=base, url=url)
    if how == "file":
        return f'<ul class="rows">{_row(thing.name, f"/files/{thing.id}", megabytes(thing.size), url)}</ul>'
    if how == "download":
        size = thing.content.size if isinstance(thing.content, File) else len(thing.content)
        at = base.replace("/runs/", "/frame/", 1) + f"/{n}"
        return f'<ul class="rows">{_row(thing.name, at, megabytes(size), url)}</ul>'
    try:
        if how == "component":
            return Component(thing)
        if how == "code":
            return CodeBox(thing)
        if how == "rich":
            return Terminal(thing)
        if how == "altair":
            return Needs(thing)
        drawn = Figure(thing, how, n, base=base, url=url)
        if how == "graph":
            drawn += Fold("The same as a table", TableBox(thing.table, n, base=base, url=url))
        return drawn + Source(thing, how) if how in ("diagram", "plotly") else drawn
    except Exception as error:  # noqa: BLE001 - an author's thing, drawn by a library: the rest of the run is drawn
        return NotDrawn(thing, error)


def thing_at(items: Iterable[Any], n: int) -> Any:
    """What stands at number `n` of a drawing, in a show or an approval; None where nothing does."""
    for item in items:
        if isinstance(item, Show):
            number, things = item.number, item.things
        elif isinstance(item, Step) and item.approve is not None:
            number, things = item.approve.number, item.approve.what
        else:
            continue
        if number <= n < number + len(things):
            return things[n - number]
    return None


def table_at(items: Iterable[Any], n: int) -> Table | None:
    """The table that stands at number `n`: a frame's, or that of a graph, too."""
    thing = thing_at(items, n)
    if thing is None or kind(thing) not in ("table", "frame", "graph"):
        return None
    return _table(thing)


def _table(thing: Any) -> Table:
    return thing if isinstance(thing, Table) else thing.table if isinstance(thing, Graph) else Table(thing)


def TableBox(table: Table, n: int, *, base: str, url: Url) -> str:
    """A table as it stands in a run. The id names the rows: while they stay the same, redrawing the run leaves the
    page the reader has turned to alone.
    """
    return (f'<div class="shown" id="{_name(base, n)}-{table.sha256[:8]}">'
            f"{TableForm(table, n, base=base, url=url)}</div>")


def TableForm(table: Table, n: int, *, base: str, url: Url, sort: str = "", page: int = 1, query: str = "",
              where: str = "") -> str:
    """A page of a table and what sorts, searches and turns it: one form, which works without JavaScript too.

    `where`: its place below `base` if that is no show; it is left as it is when what stands around it is redrawn.
    """
    shown = table.page(sort=sort, number=page, query=query)
    name, at = _name(base, n), escape(url(f"{base}/{where or f'shows/{n}'}"))
    searches = len(table) >= SEARCH_FROM
    trigger = "submit, input changed delay:300ms from:&quot;find input&quot;" if searches else "submit"
    view = " data-view" if where or (shown.sort, shown.number, query) != (table.sort, 1, "") else ""
    return storable(
            f'<form class="data" id="{name}" method="get" action="{at}" hx-get="{at}" hx-target="this" '
            f'hx-swap="outerMorph settle:0" hx-sync="this:replace" hx-trigger="{trigger}"{view}>'
            f'{_search(table, name, query) if searches else ""}'
            f"{_grid(shown, name)}{_foot(shown, at)}{_kept(at)}</form>")


def TablePage(title: str, back: str, form: str) -> NotStr:
    """A table as a page of its own, for a browser without JavaScript."""
    link = f'<a href="{escape(back)}">Back to where it stands</a>'
    return NotStr(f'<div class="head"><div class="row"><div><h1>{escape(title)}</h1><p>{link}</p></div></div></div>'
                  f"{form}")


def _name(base: str, n: int) -> str:
    return f"show-{base.removeprefix('/runs/').replace('/', '-')}-{n}"


def _kept(at: str) -> str:
    """The conversation, which a form sent with GET would drop from its address."""
    chat = at.partition("chat=")[2]
    return f'<input type="hidden" name="chat" value="{chat}">' if chat else ""


def _search(table: Table, name: str, query: str) -> str:
    # Enter presses the first button of a form: that must be this one, and no heading
    go = '<button class="sr" type="submit" tabindex="-1">Search</button>'
    return (f'<header><b>{counted(len(table), "row")}</b>{go}<label class="sr" for="{name}-q">Search the rows</label>'
            f'<input class="input" id="{name}-q" type="search" name="q" value="{escape(query)}" placeholder="Search">'
            "</header>")


def _grid(shown: Page, name: str) -> str:
    hidden = f'<input type="hidden" name="sort" value="{escape(shown.sort)}">' if shown.sort else ""
    if not shown.rows:
        text = f"No row holds “{escape(shown.query)}”." if shown.query else "No rows."
        return (f'<div class="tbl">{hidden}<table><tbody><tr><td><span class="hint">{text}</span></td></tr></tbody>'
                "</table></div>")
    head = "".join(_heading(column.name, column.number, shown.sort) for column in shown.columns)
    cells = ['<td class="num">' if column.number else "<td>" for column in shown.columns]
    drawn = ("".join(f"{cell}{escape(text)}</td>" for cell, text in zip(cells, row, strict=True)) for row in shown.rows)
    rows = "".join(f"<tr>{row}</tr>" for row in drawn)
    label = f"Table {name.rpartition('-')[2]}, rows {shown.first:,} to {shown.last:,}"
    return (f'<div class="tbl" id="{name}-rows" tabindex="0" role="region" aria-label="{label}">{hidden}<table>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>")


def _heading(name: str, number: bool, sort: str) -> str:
    """A heading sorts by its column: numbers from the largest, text from A; pressed again, the other way round."""
    up, down = name, f"-{name}"
    state = {up: ' aria-sort="ascending"', down: ' aria-sort="descending"'}.get(sort, "")
    following = (up if sort == down else down) if number else (down if sort == up else up)
    arrow = icon("arrow-up" if sort == up else "arrow-down", small=True) if state else ""
    right = ' class="num"' if number else ""
    return (f'<th scope="col"{state}{right}><button type="submit" name="sort" '
            f'value="{escape(following)}">{escape(name)}{arrow}</button></th>')


def _foot(shown: Page, at: str) -> str:
    count = f"{shown.first:,} to {shown.last:,} of {shown.matched:,}" if shown.rows else f"0 of {shown.total:,}"
    clear = (f'<a class="btn ghost sm" href="{at}" hx-get="{at}" hx-target="closest form" hx-swap="outerHTML">'
             "Clear the search</a>") if shown.query else ""
    pages = ""
    if shown.pages > 1:
        pages = "".join(
            f'<button class="btn icon sm" type="submit" name="page" value="{target}" aria-label="{label} page"'
            f'{"" if 1 <= target <= shown.pages else " disabled"}>{icon(sign, small=True)}</button>'
            for label, target, sign in (("Previous", shown.number - 1, "chevron-left"),
                                        ("Next", shown.number + 1, "chevron-right")))
    return f"<footer><span>{count}</span>{clear}{pages}</footer>"


def Results(exports: Sequence[Export], *, base: str, url: Url) -> str:
    """The downloads of a run, made when asked for."""
    if not exports:
        return ""
    rows = "".join(_row(export.name, f"{base}/exports/{quote(export.slug)}", size_hint(export.name, export.data), url)
                   for export in exports)
    return ('<section class="sec" aria-labelledby="results"><header><h2 id="results">Results</h2></header>'
            f'<ul class="rows">{rows}</ul></section>')


def _row(name: str, at: str, hint: str, url: Url) -> str:
    return (f'<li>{icon("file-text")}<div><a class="nm" href="{escape(url(at))}" download>{escape(name)}</a>'
            f'<p class="sub">{escape(hint)}</p></div><div class="end">{icon("download")}</div></li>')
