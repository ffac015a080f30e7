"""What else can be done with a run: the menu behind three dots; where it came from; that it was deleted."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from ...archive import Line
from .icons import icon
from .steps import Drawn

SWAP = 'hx-target="#runs-list" hx-swap="outerMorph settle:0"'
ASKED = 'hx-include="#runs-asked"'  # what is looked for, and the rows that are shown
INCLUDE = 'hx-include="#runs-asked :not([name=keys])"'
WHOLE = 'hx-target="#runs-list" hx-swap="outerHTML settle:0"'  # also the row whose name is being typed
INTO_MAIN = 'hx-target="#main" hx-push-url="true" hx-swap="innerHTML"'


def run_at(line: Line) -> str:
    """The address of a run's page."""
    return f"/{quote(line.endpoint)}/{quote(line.key)}"


def More(key: str, title: str, drawn: Drawn, *, listed: bool = False, forks: bool = True) -> str:
    """What else can be done with a run: a menu that works without JavaScript. `listed`: it stands in the list, where
    naming and deleting happen in place. `forks`: not where its workflow is not here."""
    name, base = escape(key), f"/runs/{quote(key)}"
    rename = drawn.url(f"/runs?rename={quote(key)}" if listed else f"{base}/rename")
    how = f'hx-get="{escape(drawn.url(f"/runs?rename={quote(key)}"))}" {WHOLE} {INCLUDE}' if listed else (
        f'hx-get="{escape(rename)}" {INTO_MAIN}')
    items = [f'<a class="opt" href="{escape(rename)}" {how}>{icon("pencil", small=True)}Rename</a>']
    for label, at, sign in (("Fork at a step", f"{base}/fork", "layers"),
                            ("Compare with another run", f"/runs?pick={quote(key)}", "columns-2"),
                            ("History", f"{base}/history", "history"))[not forks:]:
        at = escape(drawn.url(at))
        items.append(f'<a class="opt" href="{at}" hx-get="{at}" {INTO_MAIN}>'
                     f'{icon(sign, small=True)}{label}</a>')
    items.append(f'<a class="opt" href="{escape(drawn.url(f"{base}/file"))}" download>'
                 f'{icon("download", small=True)}Save as one HTML file</a>')
    delete = escape(drawn.url(f"{base}/delete"))
    into = f"{SWAP} {ASKED}" if listed else INTO_MAIN
    items.append(f'<hr><form method="post" action="{delete}" hx-post="{delete}" {into}>'
                 f'<button class="opt" type="submit">{icon("trash-2", small=True)}Delete</button></form>')
    return (f'<button class="btn icon sm" type="button" popovertarget="more-{name}" id="more-{name}-b" '
            f'aria-label="More actions for {escape(title)}">{icon("ellipsis")}</button>'
            f'<div class="pop at" popover id="more-{name}">{"".join(items)}</div>')


def DeletedRun(line: Line, drawn: Drawn) -> str:
    """In place of a run that was deleted within a day: its page says so, and brings it back."""
    at, name = escape(drawn.url(f"/runs/{quote(line.key)}/restore")), escape(line.key)
    return (f'<div id="run-{name}"><div class="head"><h1>{escape(line.title)}</h1></div>'
            f'<div class="notice" role="status">{icon("trash-2")}<p>This run was deleted. It can be brought back for a '
            f'day.</p><div class="acts"><form method="post" action="{at}" hx-post="{at}" hx-target="#main" '
            'hx-swap="innerHTML"><input type="hidden" name="to" value="run">'
            '<button class="btn line sm" type="submit">Undo</button></form></div></div>'
            f'<p class="hint more"><a href="{escape(drawn.url("/runs"))}">All runs</a></p>'
            f'<div class="live" id="run-{name}-live" hidden></div></div>')


def Origin(key: str, origin: str, locked: bool, drawn: Drawn) -> str:
    """In the head of a run that was forked or imported: from where, and what follows from that."""
    if origin == "import":
        text = "This run came from a file. Nothing of it runs until it is unlocked." if locked else (
            "This run came from a file.")
        return f'<div class="notice" id="origin">{icon("info")}<p>{text}</p></div>'
    if not origin:
        return ""
    at = escape(drawn.url(f"/runs/compare?run={quote(origin)}&run={quote(key)}"))
    return (f'<div class="notice" id="origin">{icon("layers")}<p>A fork of <code>{escape(origin)}</code>.</p>'
            f'<div class="acts"><a class="btn line sm" href="{at}" hx-get="{at}" {INTO_MAIN}>Compare</a>'
            "</div></div>")
