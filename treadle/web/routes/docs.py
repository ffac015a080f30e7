"""`/docs/...`: the documentation, from the Markdown files in docs/, inside the shell."""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache
from pathlib import Path

from fasthtml.common import H1, H2, A, Div, Header, Li, NotStr, P, Section, Ul
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
KINDS = {"tutorial": "Learn it", "how-to": "How to", "reference": "Look it up", "explanation": "Why it is so"}


@ar.get("/docs")
async def contents(web: Web) -> Response:
    """What there is to read, by kind."""
    await prepare(web)
    sections = []
    for folder, heading in KINDS.items():
        links = [(name, _title(path)) for name, path in _pages().items() if name.startswith(f"{folder}/")]
        if links:
            sections.append(Section(
                Header(H2(heading)),
                Ul(*(Li(Div(A(title, href=web.url(f"/docs/{name}"), cls="nm")),
                        Div(icon("chevron-right"), cls="end")) for name, title in links), cls="rows"), cls="sec"))
    head = Div(H1("Documentation"), P("It is read from the folder docs/ beside the program."), cls="head")
    return page(web, title="Documentation", body=(head, *sections), endpoint="docs")


@ar.get("/docs/{name:path}")
async def document(web: Web, name: str) -> Response:
    """One page. What is asked for is looked up among the files there are, and never becomes a path."""
    path = _pages().get(name.removesuffix(".md"))
    if path is None:
        raise NotFound(f"There is no page called {name[:80]} in the documentation.",
                       hint="All pages are under Documentation.")
    await prepare(web)
    title = _title(path)
    html = await asyncio.to_thread(_render, path, path.stat().st_mtime_ns)
    body = (Div(A("Documentation", href=web.url("/docs")), H1(title), cls="head"),
            NotStr(f'<div class="prose">{html}</div>'))
    return page(web, title=title, body=body, endpoint="docs")


def _pages() -> dict[str, Path]:
    """Every page by its name: the path below docs/, without its ending."""
    return {path.relative_to(DOCS).with_suffix("").as_posix(): path for path in sorted(DOCS.rglob("*.md"))}


def _title(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        return next((line[2:].strip() for line in lines if line.startswith("# ")), path.stem)


@lru_cache(maxsize=64)
def _render(path: Path, changed: int) -> str:
    """The page without its title, which stands in the head. `changed`: so that a saved file is read again."""
    text = path.read_text(encoding="utf-8")
    _, _, rest = text.partition("\n") if text.startswith("# ") else ("", "", text)
    return re.sub(r"<h3>(.*?)</h3>", r"<h2>\1</h2>", render(rest))  # in a chat they stand one level lower
