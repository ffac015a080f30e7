"""A run as one HTML page that needs nothing: no app, no script, no other file. It follows the reader's light or dark
and can be printed. What it holds for programs comes after it, from `archive.lines_of`."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Sequence
from html import escape
from typing import Any

from ...archive import Line, Told
from ...files import File, megabytes
from ...importers.run_file import BEGIN
from ...replay import Export, Show, Step
from ...runs import RunView
from ...shows import Table, kind
from ...shows.exports import make
from ...shows.pictures import picture
from ...shows.pictures import title_of as picture_title
from ...shows.table import cell
from ...text import cover, for_others, storable
from ..records import Record
from .history import WHO
from .runlist import state_of
from .shows import prose

EACH_MOST, ALL_MOST = 1_000_000, 20_000_000  # bytes of one download and of all that stand in the page
TABLE_MOST = 100_000  # rows of one table
OURS = re.compile(r"<button\b.*?</button>|<svg class=\"i\b.*?</svg>", re.DOTALL)  # what only works in the app
POLICY = ("default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'")
STYLE = """:root{color-scheme:light dark;--ink:light-dark(#25221e,#efece8);--soft:light-dark(#6a655f,#a9a49d);
--line:light-dark(#ddd9d4,#3a3733);--paper:light-dark(#fbfaf9,#171614);--card:light-dark(#fff,#1e1d1b);
--accent:light-dark(#0d6f63,#6fd0c1)}
*{box-sizing:border-box}body{margin:0 auto;max-width:60rem;padding:2rem 1.25rem 4rem;
font:15px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper);overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2.25rem 0 .75rem}h3{font-size:.95rem;margin:0}
p{margin:.35rem 0}a{color:var(--accent)}.soft,th,dt,figcaption{color:var(--soft);font-weight:400}
ol.steps{list-style:none;margin:1.5rem 0;padding:0;display:grid;gap:.75rem}
ol.steps>li.step{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem}
.answer{white-space:pre-wrap;margin:.25rem 0 0}.box{overflow-x:auto;border:1px solid var(--line);border-radius:10px;
background:var(--card);margin:.5rem 0}table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{text-align:start;padding:.35rem .75rem;vertical-align:top}tbody tr{border-top:1px solid var(--line)}
td.num{text-align:end;font-variant-numeric:tabular-nums}pre{white-space:pre-wrap;padding:.75rem 1rem;margin:0;
font:.85rem/1.6 ui-monospace,monospace}img{max-width:100%;height:auto;background:#fff;border-radius:6px}
figure{margin:.5rem 0}.prose .bar{display:none}
code{font-family:ui-monospace,monospace;font-size:.92em}ul.files{padding-left:1.2rem}
@media(max-width:36rem){td,th{padding-inline:.5rem}}
@media print{:root{color-scheme:light}body{max-width:none;padding:0;background:none}.box{overflow:visible}
ol.steps>li.step{break-inside:avoid}a{color:inherit}}"""


class _Room:
    """What may still be put into the page."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self.left, self.secrets = ALL_MOST, secrets

    def link(self, name: str, size: int, data: Any) -> str:
        """A download that works without the app, or its name and why it is not there. `data`: gives the bytes."""
        said = f'{escape(name)} <span class="soft">{megabytes(size)}'
        if size > min(EACH_MOST, self.left):
            return f"{said}, too large to be part of this page</span>"
        self.left -= size
        body = base64.b64encode(data()).decode()
        return (f'<a download="{escape(name)}" href="data:application/octet-stream;base64,{body}">{escape(name)}</a> '
                f'<span class="soft">{megabytes(size)}</span>')


def RunFile(line: Line, workflow: str, records: Sequence[Record], view: RunView | None, told: Sequence[Told],
            files: Sequence[File], missing: Sequence[str], now: float, secrets: Sequence[str] = ()) -> str:
    """The page up to its data. `missing`: files that are not in the data. `secrets`: those of the run, which no text
    shows. Slow: not for the event loop, and it calls what an author's objects do when they are drawn."""
    room = _Room(secrets)
    known = {(record.label, record.key): record for record in records}
    items = view.drawing.items if view is not None else []
    drawn = []
    for item in items:
        if isinstance(item, Step) and (item.label, item.key) in known:
            drawn.append(_step(known.pop((item.label, item.key)), room))
        elif isinstance(item, Step):
            drawn.append(f'<li class="step"><h3>{escape(item.label)}</h3><p class="soft">Not answered.</p></li>')
        elif isinstance(item, Show):
            drawn.append(f'<li class="shown">{"".join(_thing(thing, room) for thing in item.things)}</li>')
    drawn += [_step(record, room) for record in known.values()]
    exports = [item for item in items if isinstance(item, Export)]
    downloads = [f"<li>{_export(item, room)}</li>" for item in exports]
    downloads += [f"<li>{room.link(file.name, file.size, file.path.read_bytes)}</li>" for file in files]
    lost = (f'<p class="soft">Too large to be part of this file, and not brought back by opening it in Treadle: '
            f'{escape(", ".join(missing))}.</p>') if missing else ""
    state, _ = state_of(line)
    return for_others(storable(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(line.title)}</title><style>{STYLE}</style></head><body><main><h1>{escape(line.title)}</h1>"
        f'<p class="soft">{escape(workflow)}. {state}. <code>{escape(line.key)}</code>, saved {_time(now)}.</p>'
        f'<h2>Steps</h2><ol class="steps">{"".join(drawn)}</ol>'
        + (f'<h2>Files</h2><ul class="files">{"".join(downloads)}</ul>' if downloads else "") + lost
        + f"<h2>History</h2>{_history(told)}"
        '<p class="soft">This page needs nothing else. Treadle opens it again: Runs, Open a saved run.</p></main>\n'
        f"{BEGIN.decode()}\n"))


END = "</script>\n</body></html>\n"


def _time(at: float) -> str:
    then = time.localtime(at)
    return f"{then.tm_mday} {time.strftime('%B %Y, %H:%M', then)}"


def _step(record: Record, room: _Room) -> str:
    key = f' <span class="soft">{escape(record.key)}</span>' if record.key else ""
    text = escape(record.text)
    if record.file is not None and record.file.path.exists():
        text = room.link(record.file.name, record.file.size, record.file.path.read_bytes)
    return f'<li class="step"><h3>{escape(record.label)}{key}</h3><div class="answer">{text}</div></li>'


def _export(item: Export, room: _Room) -> str:
    name = cover(item.name, room.secrets)
    try:
        data = make(item.name, item.data, room.secrets)
    except Exception:  # noqa: BLE001 - an author's data may fail in any way; the rest of the page is made
        return f'{escape(name)} <span class="soft">could not be made</span>'
    return room.link(name, len(data), lambda: data)


def _thing(thing: Any, room: _Room) -> str:
    try:
        return _drawn(thing, room)
    except Exception as error:  # noqa: BLE001 - an author's thing, drawn by a library; the rest of the page is made
        return (f'<p class="soft">{escape(type(thing).__name__)} could not be drawn: '
               f'{escape(cover(str(error)[:200], room.secrets))}</p>')


def _drawn(thing: Any, room: _Room) -> str:
    from .figures import Component, Terminal

    how = kind(thing)
    if how in ("table", "frame", "graph"):
        return _table(thing if how == "table" else thing.table if how == "graph" else Table(thing), room)
    if how == "text":
        return f'<div class="prose">{OURS.sub("", prose(cover(str(thing), room.secrets)))}</div>'
    if how == "picture":
        made, title = picture(thing), escape(cover(picture_title(thing), room.secrets))
        alt = escape(cover(getattr(thing, "alt", "") or picture_title(thing), room.secrets))
        if len(made.body) > room.left:
            return f'<p class="soft">{title}: {megabytes(len(made.body))}, too large to be part of this page</p>'
        room.left -= len(made.body)
        return (f'<figure><img alt="{alt}" src="data:{made.media};base64,{base64.b64encode(made.body).decode()}">'
                f"<figcaption>{title}</figcaption></figure>")
    if how in ("file", "download"):
        content = thing.content if how == "download" else thing
        name = cover(thing.name, room.secrets)
        if isinstance(content, File):
            return f"<p>{room.link(name, content.size, content.path.read_bytes)}</p>"
        text = content if isinstance(content, str) else bytes(content).decode("utf-8", "surrogateescape")
        data = cover(text, room.secrets).encode("utf-8", "surrogateescape")
        return f"<p>{room.link(name, len(data), lambda: data)}</p>"
    if how == "component":
        return str(cover(Component(thing), room.secrets))
    if how == "rich":
        return f'<div class="box">{cover(OURS.sub("", Terminal(thing)), room.secrets)}</div>'
    text = thing.text if how in ("code", "diagram") else thing.to_json()
    note = "" if how == "code" else f'<p class="soft">A {how} drawn in Treadle. This is what it is made of:</p>'
    return f'{note}<div class="box"><pre>{escape(cover(text[:1_000_000], room.secrets))}</pre></div>'


def _table(table: Table, room: _Room) -> str:
    numbers = [column.number for column in table.drawn_columns]
    heads = "".join(f'<th scope="col">{escape(cover(name, room.secrets))}</th>' for name in table.columns)
    rows = table.sorted(table.sort)
    cells = [(name, '<td class="num">' if number else "<td>") for name, number in
             zip(table.columns, numbers, strict=True)]
    body = "".join("<tr>" + "".join(f"{tag}{escape(cover(cell(row.get(name)), room.secrets))}</td>"
                                    for name, tag in cells) + "</tr>" for row in rows[:TABLE_MOST])
    note = f'<p class="soft">The first {TABLE_MOST:,} of {len(rows):,} rows.</p>' if len(rows) > TABLE_MOST else ""
    return f'<div class="box"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>{note}'


def _history(told: Sequence[Told]) -> str:
    rows = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in (
        _time(line.at), WHO.get(line.by, line.by), line.what, line.label, line.text)) + "</tr>" for line in told)
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("When", "By", "What", "Step", "Details"))
    return f'<div class="box"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
