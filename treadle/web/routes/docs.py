"""`/docs/...`: the documentation, from the Markdown files in docs/, inside the shell.

Its links lead from file to file, as they do where the repository is read; here they become addresses of the app.
"""

from __future__ import annotations

import asyncio
import posixpath
import re
from functools import lru_cache
from html import escape, unescape
from pathlib import Path

from fasthtml.common import H1, A, Div, NotStr
from fasthtml.core import APIRouter
from starlette.responses import Response

from ...config import ROOT
from ...errors import NotFound
from ..components.icons import icon
from ..deps import Web
from ..layout import page, prepare
from ..markdown import render

ar = APIRouter()
DOCS = ROOT / "docs"
INDEX = "README"  # the page that lists the others
PLACE = "http://docs.invalid/"  # stands for the app while a text is drawn: relative links are none to Markdown here
CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.M | re.S)
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(#[^)\s]*)?\)")
DRAWN = re.compile(rf'<a href="{re.escape(PLACE)}([^"#]*)(#[^"]*)?"[^>]*>')
LISTED = re.compile(r"- \[(.+?)\]\((.+?)\.md\): (.+)")
HEADING = re.compile(r'<h3( class="sub")?>(.*?)</h3>')


@ar.get("/docs")
async def contents(web: Web) -> Response:
    """What there is to read, by kind, as docs/README.md lists it."""
    await prepare(web)
    head, *kinds = (DOCS / f"{INDEX}.md").read_text(encoding="utf-8").split("\n## ")
    sections = []
    for number, kind in enumerate(kinds):
        rows = "".join(
            f'<li><div>{_link(web, name, cls="nm")}{escape(title)}</a>'
            f'<p class="sub">{_words(about[0].upper() + about[1:])}</p></div>'
            f'<div class="end">{icon("chevron-right")}</div></li>' for title, name, about in LISTED.findall(kind))
        sections.append(f'<section class="sec" aria-labelledby="kind-{number}"><header><h2 id="kind-{number}">'
                        f'{escape(kind.partition(chr(10))[0])}</h2></header><ul class="rows">{rows}</ul></section>')
    body = f'<div class="head"><h1>{escape(_title(head))}</h1><p>{len(_pages())} pages, from the folder ' \
           f"<code>docs/</code> beside the program.</p></div>{''.join(sections)}"
    return page(web, title="Documentation", body=NotStr(body), endpoint="docs")


@ar.get("/docs/{name:path}")
async def document(web: Web, name: str) -> Response:
    """One page. What is asked for is looked up among the files there are, and never becomes a path."""
    name = name.removesuffix(".md")
    path = _pages().get(name)
    if path is None:
        raise NotFound(f"There is no page called {name[:80]} in the documentation.",
                       hint="All pages are under Documentation.")
    await prepare(web)
    title, html = await asyncio.to_thread(_render, name, path, path.stat().st_mtime_ns)
    html = DRAWN.sub(lambda found: _link(web, found[1], found[2] or ""), html)
    body = (Div(A("Documentation", href=web.url("/docs")), H1(title), cls="head"),
            NotStr(f'<div class="prose">{html}</div>'))
    return page(web, title=title, body=body, endpoint="docs")


def _pages() -> dict[str, Path]:
    """Every page by its name: the path below docs/, without its ending."""
    found = {path.relative_to(DOCS).with_suffix("").as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
    found.pop(INDEX, None)
    return found


def _link(web: Web, name: str, anchor: str = "", *, cls: str = "") -> str:
    """The start of a link to a page. One that goes to a heading is followed by the browser itself."""
    path = escape(web.url("/docs" if name == INDEX else f"/docs/{name}"))
    look = f' class="{cls}"' if cls else ""
    if anchor:
        return f'<a{look} href="{path}#{_id(anchor[1:])}">'
    return f'<a{look} href="{path}" hx-get="{path}" hx-target="#main" hx-push-url="true" hx-sync="#menu:replace">'


def _title(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ").strip()


def _words(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


@lru_cache(maxsize=64)
def _render(name: str, path: Path, changed: int) -> tuple[str, str]:
    """The title, which stands in the head, and the rest drawn. `changed`: so that a saved file is read again."""
    title, _, rest = path.read_text(encoding="utf-8").partition("\n")
    parts = CODE.split(rest)
    parts[::2] = [LINK.sub(lambda found: f"]({_target(name, *found.groups())})", part) for part in parts[::2]]
    html = render("".join(parts)).replace('<div class="tbl"', '<div class="tbl wrap-cells"')  # cells hold sentences
    return _title(title), HEADING.sub(_heading, html)


def _target(name: str, path: str, anchor: str | None) -> str:
    """Where a link of a page leads, from the root of docs/."""
    to = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
    return f"{PLACE}{to.removesuffix('.md')}{anchor or ''}"


def _heading(found: re.Match[str]) -> str:
    """A heading by which links find it. In a chat they stand one level lower."""
    level = 3 if found[1] else 2
    return f'<h{level} id="{_id(slug(unescape(re.sub(r"<[^>]+>", "", found[2]))))}">{found[2]}</h{level}>'


def slug(text: str) -> str:
    """A heading as it stands in a link to it, made as GitHub does."""
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def _id(anchor: str) -> str:
    """The shell has ids too, such as #chat."""
    return f"doc-{escape(anchor)}"
