"""Runs as answers: the page of a run, the body that replaces it, a form that comes back."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from html import escape
from urllib.parse import quote

from loguru import logger
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..errors import PluginError
from ..replay import Drawing, Show, Step, replay
from ..run import authored
from ..runs import Run, RunView
from ..workflow import Page
from .components.history import FOLDED, HistoryFold
from .components.home import FirstUse
from .components.runs import RunBody, RunRows, is_held
from .components.shows import SHORT
from .components.steps import Drawn, Refusal, run_path
from .deps import Web
from .job_rows import seen_of
from .layout import page, prepare, title_tag
from .problems import reference

LISTED = 10  # runs in one list
MANY = 200   # steps and shows; fewer are drawn in 5 ms


def drawn_for(web: Web, *, focus: bool = False) -> Drawn:
    """How this request has a run drawn. `focus`: the next field takes the focus."""
    settings = web.core.settings
    return Drawn(web.url, web.core.clock.now(), author=settings.dev or settings.loopback, focus=focus)


async def new_page(web: Web, endpoint: str, refusal: Refusal | None = None, *, client_id: str = "",
                   status: int = 200) -> Response:
    """A workflow before its first answer. `refusal`: the form that comes back, with its `client_id`."""
    runs = web.core.runs
    view = await runs.draw_new(endpoint, client_id=client_id)
    client_id = client_id or secrets.token_urlsafe(12)
    needs = FirstUse(view.workflow, web.core.watch.asks(view.workflow))
    drawn = _explained(view, drawn_for(web))._replace(client_id=client_id, upload=client_id, before=needs)
    body = await _drawing(web, view, drawn, refusal)
    steps = len(view.workflow.steps)
    at = escape(web.url(f"/runs?workflow={quote(endpoint)}"))
    every = f'<a href="{at}" hx-get="{at}" hx-target="#main" hx-push-url="true">All of them</a>'
    rows = [RunRows(runs.list(endpoint, unfinished=unfinished, limit=LISTED), drawn, steps=lambda _: steps, named=named,
                    more=every)
            for unfinished, named in ((True, "Unfinished runs"), (False, "Finished runs"))]
    await prepare(web)
    answer = page(web, title=view.title, body=(body, *rows), endpoint=endpoint, status=status,
                  follow=refusal is None)
    if refusal is not None:
        answer.headers["HX-Push-Url"] = "false"  # the address stays that of the page it was sent from
    return answer


async def author_page(web: Web, item: Page) -> Response:
    """A page of an author's components, drawn anew each time."""
    drawing = await replay(item, (), open_file=web.core.files.get)
    if drawing.open is not None:
        drawing = Drawing(error=PluginError("A page asks nothing", file=item.file, line=drawing.open.line,
                                            hint="What asks is a workflow: declare it with @workflow."))
    view = RunView(None, item, drawing)
    body = await _drawing(web, view, _explained(view, drawn_for(web)), None)
    await prepare(web)
    return page(web, title=item.title, body=body, endpoint=item.endpoint, follow=True)


async def run_page(web: Web, key: str, refusal: Refusal | None = None, *, status: int = 200) -> Response:
    """The page of a run. `refusal`: a form that comes back to a browser without JavaScript."""
    view = await web.core.runs.draw(key)
    assert view.run is not None  # it has a key
    begun = web.fragment and web.request.headers.get("hx-source", "").startswith("form")  # by its first answer
    drawn = _for_run(web, view, drawn_for(web, focus=begun))._replace(check=web.fragment)
    body = await _drawing(web, view, drawn, refusal)
    await prepare(web)
    waits = view.drawing.open is not None and view.drawing.open.state == "running"
    return page(web, title=view.title, body=body, endpoint=view.run.endpoint, run=key, status=status, waits=waits)


async def run_body(web: Web, key: str, refusal: Refusal | None = None, *, status: int = 200,
                   focus: bool = False, check: bool = False) -> Response:
    """`#run-{key}` alone, which replaces the one that is shown."""
    view = await web.core.runs.draw(key)
    drawn = _for_run(web, view, drawn_for(web, focus=focus))._replace(check=check)
    headers = {"HX-Reswap": "outerHTML"} if refusal is not None and is_held(view, refusal) else None
    return HTMLResponse(f"{title_tag(view.title)}{await _drawing(web, view, drawn, refusal)}", status, headers)


async def changed(web: Web, run: Run) -> Response:
    """The answer to a form that was taken: the run as it is now, or without JavaScript the way to its page."""
    if web.fragment:
        return await run_body(web, run.key, focus=True, check=True)
    return RedirectResponse(web.url(run_path(run)), status_code=303)


async def came_back(web: Web, key: str, refusal: Refusal, status: int) -> Response:
    """The answer to a form that was refused: the run with that form in it."""
    if web.fragment:
        return await run_body(web, key, refusal, status=status, check=True)
    return await run_page(web, key, refusal, status=status)


def upload_id(key: str, slug: str, form_rev: int) -> str:
    """By which the progress of an upload is asked for. The same in every drawing of a form."""
    return hashlib.sha256(f"{key}/{slug}/{form_rev}".encode()).hexdigest()[:16]


def _for_run(web: Web, view: RunView, drawn: Drawn) -> Drawn:
    assert view.run is not None  # drawn by its key
    step = view.drawing.open
    upload = upload_id(view.run.key, step.slug, view.form_rev) if step is not None else ""
    told = web.core.archive.history(view.run.key, limit=FOLDED)
    brought = view.run.origin == "import" and view.run.state == "finished"  # nothing of it has run here yet
    needs = FirstUse(view.workflow, web.core.watch.asks(view.workflow) if brought else (), how="Unlocking this run")
    return _explained(view, drawn)._replace(
        upload=upload, history=HistoryFold(view.run.key, told, drawn), draft=web.core.drafts.of(view),
        model_ready=web.core.llm.status.ready, before=needs)


def _explained(view: RunView, drawn: Drawn) -> Drawn:
    """An error of the author's gets a line in the log, and the reference that finds it."""
    error = view.drawing.error
    if error is None:
        return drawn
    name = reference()
    kind = error.message.partition(":")[0]  # what follows may be a text of the person's
    what = view.run.key if view.run is not None else view.workflow.endpoint
    logger.error("{} {} could not be drawn: {}, line {}, {}", name, what, error.file, error.line, kind)
    return drawn._replace(reference=name)


async def _drawing(web: Web, view: RunView, drawn: Drawn, refusal: Refusal | None) -> str:
    """Draw off the loop what may take long, and what is an author's: tables are sorted, Markdown is rendered."""
    jobs = seen_of(web.core, view)
    for item in view.drawing.items:
        things = item.things if isinstance(item, Show) else ()
        if isinstance(item, Step) and item.approve is not None:
            things = item.approve.what
        if isinstance(item, Step) and item.work is not None and item.work.items is not None:
            break
        if any(not isinstance(thing, str) or len(thing) > SHORT for thing in things):
            break
    else:
        if len(view.drawing.items) < MANY:
            return RunBody(view, drawn, refusal, jobs)
    try:
        return await authored(view, lambda: RunBody(view, drawn, refusal, jobs))
    except PluginError as error:
        steps = [step for step in view.drawing.items if isinstance(step, Step) and step.state == "done"]
        failed = replace(view, drawing=Drawing([*steps], error=error))
        return RunBody(failed, _explained(failed, drawn), refusal, jobs)
