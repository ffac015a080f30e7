"""`/runs`: all runs; what is done to a run as a thing: name, delete, undo, fork, compare, save, open a saved one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from functools import partial
from html import escape
from urllib.parse import quote

from fasthtml.common import NotStr
from fasthtml.core import APIRouter
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from ...archive import Line, Listing
from ...errors import Conflict, InvalidAnswer, NotFound, Refused, TooLarge
from ...replay import Step
from ...run import authored
from ...workflow import Workflow
from ..components.compare import ComparePage
from ..components.compare_shows import differing, shown_in
from ..components.history import HistoryPage
from ..components.more import run_at
from ..components.runlist import Asked, Place, RunList, RunsPage, Segments, Toast
from ..components.steps import Drawn, named
from ..deps import Web, number
from ..forms import Takes, Taking, read_answers
from ..layout import page, prepare
from ..records import records
from ..run_pages import drawn_for
from ..saving import SAVE_S, saved
from .files import download_headers

ar = APIRouter()
uploads = [r"/runs/import"]
FILE_MOST = 200_000_000  # bytes of a saved run


class RunKey(StringConvertor):
    """A key in an address: `/runs/new/...` is no run's."""

    regex = r"(?!new/)[^/]+"


register_url_convertor("run", RunKey())


def _asked(web: Web, fields: dict[str, list[str]] | None = None) -> Asked:
    """What the address, the list that is open, or a form says; the first that says something counts."""
    params = web.request.query_params

    def first(name: str) -> str:
        return next((text[:200] for text in [*params.getlist(name), *(fields or {}).get(name, [])] if text), "")

    return Asked(first("q"), first("state"), first("workflow"), number(first("page"), 1, digits=7),
                 first("rename"), first("pick"))


def _places(web: Web) -> dict[str, Place]:
    found = {}
    for endpoint in web.core.archive.endpoints():
        plugin = web.core.plugins.get(endpoint)
        steps = len(plugin.steps) if isinstance(plugin, Workflow) else 0
        found[endpoint] = Place(plugin.title if plugin is not None else endpoint, steps, plugin is not None)
    return found


def _find(web: Web, asked: Asked) -> Listing:
    return web.core.archive.list(state=asked.state, endpoint=asked.workflow, query=asked.q, page=asked.page)


def _list(web: Web, asked: Asked, toast: str | None = None, *, keys: str = "") -> Response:
    """The list alone, with what else in the page goes with it. `keys`: of the rows that are shown, by commas: they
    stay where they are, and what is newer is told, not drawn."""
    found, new = _find(web, asked), 0
    if shown := [key for key in keys.split(",") if key][:200]:
        new = sum(line.key not in shown for line in found.lines) if asked.page == 1 else 0
        found = found._replace(lines=web.core.archive.lines(shown))
    parts = [RunList(found, asked, _places(web), drawn_for(web), newer=new),
             f'<hx-partial hx-target="#runs-seg" hx-swap="outerMorph settle:0">{Segments(found, asked)}</hx-partial>']
    if toast is not None:
        parts.append(f'<hx-partial hx-target="#toast" hx-swap="innerHTML settle:0">{toast}</hx-partial>')
    return HTMLResponse("".join(parts))


@ar.get("/runs")
async def runs(web: Web, deleted: str = "") -> Response:
    """All runs, or those that are looked for. `deleted`: keys, by commas, of which a toast tells."""
    asked = _asked(web)
    if web.fragment and "runs-list" in web.request.headers.get("hx-target", ""):
        return _list(web, asked)
    return await _page(web, asked, toast=_toast(web, deleted.split(",")) if deleted else "")


async def _page(web: Web, asked: Asked, *, toast: str = "", problem: str = "", status: int = 200) -> Response:
    await prepare(web)
    body = RunsPage(_find(web, asked), asked, _places(web), drawn_for(web), toast=toast, problem=problem,
                    picked=[asked.pick] if asked.pick else [])
    return page(web, title="Runs", body=body, endpoint="runs", status=status)


def _toast(web: Web, keys: list[str]) -> str:
    gone = [line for line in web.core.archive.lines(keys[:200]) if line.deleted]
    if not gone:
        return ""
    text = f"{gone[0].title} was deleted." if len(gone) == 1 else f"{len(gone)} runs were deleted."
    return Toast(text, [line.key for line in gone], drawn_for(web))


@ar.get("/runs/toast")
async def no_toast() -> Response:
    """What a toast that is closed becomes."""
    return HTMLResponse("")


@ar.get("/runs/rows")
async def rows(web: Web, keys: str = "") -> Response:
    """The same rows as they are now, in the order in which they are read; what is newer is told, not drawn.

    A row whose name is being typed stays as it is, as it is not morphed.
    """
    return _list(web, _asked(web), keys=keys)


# changes: plain routes, as the fields of a list are read by the one reader


async def _fields(web: Web) -> dict[str, list[str]]:
    answers = await read_answers(web.request, web.core.files, max_body=web.core.settings.max_body)
    return {name: [str(value) for value in values] for name, values in answers.items()}


async def rename(request: Request) -> Response:
    """Give a run a name; an empty one gives the naming back to its workflow."""
    web, key = Web.of(request), request.path_params["key"]
    fields = await _fields(web)
    try:
        await web.core.archive.rename(key, fields.get("title", [""])[-1])
    except InvalidAnswer as error:
        return await _name_page(web, key, fields.get("title", [""])[-1], error.message)
    if web.fragment and "runs-list" in request.headers.get("hx-target", ""):
        return _list(web, _asked(web, fields))
    to = run_at(web.core.archive.line(key)) if "to" in fields else _asked(web, fields).query()
    return RedirectResponse(web.url(to), status_code=303)


async def delete(request: Request) -> Response:
    """Delete one run, by its key, or those that are selected."""
    web = Web.of(request)
    fields = await _fields(web)
    keys = [request.path_params["key"]] if "key" in request.path_params else list(dict.fromkeys(fields.get("run", [])))
    if not keys:
        raise Refused("No run is selected.", hint="Select those to delete.")
    gone = await web.core.archive.delete(keys[:200])
    if web.fragment and "runs-list" in request.headers.get("hx-target", ""):
        return _list(web, _asked(web, fields), _toast(web, [*gone]), keys=fields.get("keys", [""])[-1])
    return RedirectResponse(web.url(f"/runs?deleted={quote(','.join(gone))}"), status_code=303)


async def restore(request: Request) -> Response:
    """Undo deleting."""
    web = Web.of(request)
    fields = await _fields(web)
    keys = [request.path_params["key"]] if "key" in request.path_params else fields.get("run", [])
    back = await web.core.archive.restore(keys[:200])
    if not back:
        raise Conflict("There is nothing to bring back.", hint="A run that was deleted is kept for a day.")
    if web.fragment and "runs-list" in request.headers.get("hx-target", ""):
        shown = fields.get("keys", [""])[-1]  # those that came back are seen, though they were not among these
        return _list(web, _asked(web, fields), "", keys=shown if {*back} <= {*shown.split(",")} else "")
    to = run_at(web.core.archive.line(back[0])) if "to" in fields else "/runs"
    return RedirectResponse(web.url(to), status_code=303)


async def fork(request: Request) -> Response:
    """A new run with the answers before a step, and the way to it."""
    web = Web.of(request)
    run = await web.core.archive.fork(request.path_params["key"], request.path_params.get("slug", ""))
    return RedirectResponse(web.url(run_at(web.core.archive.line(run.key))), status_code=303)


async def bring_in(request: Request) -> Response:
    """Open a saved run: it becomes a locked run of its workflow, or a record where that is not here."""
    web = Web.of(request)
    owner = f"import/{secrets.token_hex(8)}"
    taking = Taking(lambda _: owner, {"value": Takes("run", FILE_MOST)})
    try:
        answers = await read_answers(request, web.core.files, max_body=web.core.settings.max_body, taking=taking)
        for problem in taking.problems.values():
            raise problem
        sent = answers.get("value", [""])[-1]
        if not web.core.files.belongs(sent, owner):
            raise InvalidAnswer("No file is chosen: choose one.", field="value")
        key = await web.core.archive.bring_in(web.core.files.get(sent).path)
    except (InvalidAnswer, TooLarge) as error:
        return await _page(web, _asked(web), problem=f"{error.message} {error.hint}".strip(), status=error.status)
    finally:
        web.core.files.remove(owner)
    return RedirectResponse(web.url(run_at(web.core.archive.line(key))), status_code=303)


routes = [Route("/runs/delete", delete, methods=["POST"]), Route("/runs/restore", restore, methods=["POST"]),
          Route("/runs/import", bring_in, methods=["POST"]),
          Route("/runs/{key:run}/rename", rename, methods=["POST"]),
          Route("/runs/{key:run}/delete", delete, methods=["POST"]),
          Route("/runs/{key:run}/restore", restore, methods=["POST"]),
          Route("/runs/{key:run}/fork", fork, methods=["POST"]),
          Route("/runs/{key:run}/fork/{slug}", fork, methods=["POST"])]


@ar.get("/runs/import")
async def no_import(web: Web) -> Response:
    """A reload of the page of a file that was refused."""
    return RedirectResponse(web.url("/runs"), status_code=303)


@ar.get("/runs/compare")
async def compare(web: Web) -> Response:
    """Two runs side by side: `?run=` twice."""
    keys = list(dict.fromkeys(web.request.query_params.getlist("run")))
    if len(keys) != 2:
        raise InvalidAnswer(f"Two runs are compared, and {len(keys)} {'is' if len(keys) == 1 else 'are'} selected.",
                            hint="Select two in the list of runs.")
    lines = (_kept(web, keys[0]), _kept(web, keys[1]))
    sides = [await records(web.core, key) for key in keys]
    shown = [await authored(view, partial(shown_in, view), within=SAVE_S) if view is not None else {}
             for _, view in sides]
    await prepare(web)
    body = await asyncio.to_thread(ComparePage, lines, sides[0][0], sides[1][0], differing(*shown), drawn_for(web))
    return page(web, title="Two runs compared", body=body, endpoint="runs")


def _kept(web: Web, key: str) -> Line:
    line = web.core.archive.line(key)
    if line.deleted:
        raise NotFound(f"The run {key[:80]} was deleted.", hint="It can be brought back in the list of runs.")
    return line


@ar.get("/runs/{key:run}/rename")
async def name_form(web: Web, key: str) -> Response:
    """The name of a run, on a page of its own."""
    return await _name_page(web, key, web.core.runs.get(key).title, "")


async def _name_page(web: Web, key: str, typed: str, problem: str) -> Response:
    line = _kept(web, key)
    await prepare(web)
    return page(web, title="Rename", endpoint="runs", status=422 if problem else 200,
                body=_naming(line, typed, problem, drawn_for(web)))


def _naming(line: Line, typed: str, problem: str, drawn: Drawn) -> NotStr:
    at, back = escape(drawn.url(f"/runs/{quote(line.key)}/rename")), escape(drawn.url(run_at(line)))
    bad = ' aria-invalid="true" aria-describedby="title-err"' if problem else ""
    error = f'<p class="err" id="title-err">{escape(problem)}</p>' if problem else ""
    return NotStr(
        f'<div class="head"><h1>Rename</h1><p>{escape(line.title)}</p></div><form class="stack" method="post" '
        f'action="{at}" hx-post="{at}" hx-target="#main" hx-push-url="true" hx-swap="innerHTML">'
        '<input type="hidden" name="to" value="run"><div class="field"><label class="label" for="title">Name</label>'
        f'<input class="input" id="title" name="title" value="{escape(typed)}" autocomplete="off" autofocus{bad}>'
        f'{error}<p class="hint">Left empty, its workflow names it again.</p></div><div class="acts">'
        f'<button class="btn solid" type="submit">Save</button> <a class="btn ghost" href="{back}">Cancel</a></div>'
        "</form>")


@ar.get("/runs/{key:run}/history")
async def history(web: Web, key: str) -> Response:
    """Who did what in a run, and when."""
    line = _kept(web, key)
    await prepare(web)
    return page(web, title=f"History of {line.title}", endpoint="runs",
                body=HistoryPage(line, web.core.archive.history(key), drawn_for(web)))


@ar.get("/runs/{key:run}/fork")
async def fork_page(web: Web, key: str) -> Response:
    """At which step a run is to be forked."""
    line, view = _kept(web, key), await web.core.runs.draw(key)
    drawn = drawn_for(web)
    steps = [item for item in view.drawing.items if isinstance(item, Step)]
    rows = [_fork_row(f"Step {step.number}, {named(step)}", f"/runs/{quote(key)}/fork/{quote(step.slug)}",
                      named(step), drawn)
            for step in steps if step.state != "running" and step is not view.drawing.open]
    last = f"Step {view.drawing.open.number}, {named(view.drawing.open)}" if view.drawing.open else "The end"
    rows.append(_fork_row(f"{last}, with all answers", f"/runs/{quote(key)}/fork", "the end", drawn))
    back = escape(drawn.url(run_at(line)))
    await prepare(web)
    return page(web, title="Fork", endpoint="runs", body=NotStr(
        f'<div class="head"><h1>Fork {escape(line.title)}</h1><p>The new run has the answers before the step, and '
        f'opens there; later answers are kept as defaults. This one stays as it is. <a href="{back}">Back</a></p></div>'
        f'<ul class="rows">{"".join(rows)}</ul>'))


def _fork_row(text: str, at: str, said: str, drawn: Drawn) -> str:
    at = escape(drawn.url(at))
    return (f'<li><div><span class="nm">{escape(text)}</span></div><div class="end"><form method="post" action="{at}" '
            f'hx-post="{at}" hx-target="#main" hx-push-url="true" hx-swap="innerHTML"><button class="btn line sm" '
            f'type="submit" aria-label="Fork here, at {escape(said)}">Fork here</button></form></div></li>')


@ar.get("/runs/{key:run}/file")
async def save(web: Web, key: str) -> Response:
    """The whole run as one HTML file, drawn now, with its data after it."""
    pieces = saved(web.core, key)
    first = await anext(pieces)  # what cannot be saved is said as a page

    async def body() -> AsyncIterator[str]:
        yield first
        async for piece in pieces:
            yield piece

    return StreamingResponse(body(), media_type="text/html; charset=utf-8",
                             headers=download_headers(web, f"{key}.html"))
