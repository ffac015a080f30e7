"""Jobs: what is done to them, what is polled of them while somebody looks, and their list under the bell."""

from collections.abc import Awaitable

from fasthtml.core import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ...drawing import WORKS, Step
from ...errors import NotFound
from ...run import authored
from ..components.bell import Bell, Ended, JobsList, JobsPage
from ..components.jobs import ItemsForm, JobCard, Seen
from ..components.shows import TablePage
from ..components.steps import run_path
from ..deps import Web, number
from ..job_rows import job_counts, lines, look, results, seen
from ..layout import page, prepare
from ..run_pages import changed, drawn_for, run_body
from ..viewport import partial

ar = APIRouter()

LONG_S = 30.0  # a job that took longer is told to who asked for it and does not look


@ar.post("/runs/{key}/jobs/{slug}/stop")
async def stop(web: Web, key: str, slug: str) -> Response:
    """Stop it. What it has done is kept."""
    return await _done(web, key, web.core.jobs.stop(key, slug))


@ar.post("/runs/{key}/jobs/{slug}/go-on")
async def go_on(web: Web, key: str, slug: str, item: str = "") -> Response:
    """Go on with what was stopped, or try again what has failed; of an each one `item`, by its number."""
    return await _done(web, key, web.core.jobs.go_on(key, slug, item=number(item, 0) if item else None))


@ar.post("/runs/{key}/jobs/{slug}/continue")
async def continue_with(web: Web, key: str, slug: str) -> Response:
    """Go on to the next step with the results there are."""
    return await _done(web, key, web.core.jobs.continue_with(key, slug))


@ar.post("/runs/{key}/jobs/{slug}/renew")
async def renew(web: Web, key: str, slug: str) -> Response:
    """Run what is left of it with the newest code."""
    return await _done(web, key, web.core.runs.use_new_version(key, slug))


async def _done(web: Web, key: str, change: Awaitable[object]) -> Response:
    await change
    if "panel" not in web.request.query_params:
        return await changed(web, web.core.runs.get(key))
    if web.fragment:
        return HTMLResponse(_list(web, polled=True))
    return RedirectResponse(web.url("/jobs"), status_code=303)


@ar.get("/runs/{key}/jobs/{slug}")
async def card(web: Web, key: str, slug: str, rev: str = "") -> Response:
    """The card of a job that runs, for who looks at it; 204 while it is as it was. `rev`: that of the run when it was
    drawn. What has ended is answered with the whole run."""
    view = await web.core.runs.draw(key)
    assert view.run is not None  # drawn by its key
    step = _step(view.drawing.items, slug)
    known = seen(web.core, step, view) if step is not None else Seen()
    if step is None or str(view.run.rev) != rev or not (step.state == "running" or known.ending):
        answer = await run_body(web, key)
        answer.headers["HX-Retarget"] = f"#run-{key}"
        return answer
    drawn = drawn_for(web)
    html = await authored(view, lambda: JobCard(view, step, f"/runs/{key}", drawn, known))
    return _unless_known(web, html)


def _unless_known(web: Web, html: str) -> Response:
    known = f"seen={web.request.query_params.get('seen', '-')}"
    return Response(status_code=204) if f"{known}&" in html or f'{known}"' in html else HTMLResponse(html)


@ar.get("/runs/{key}/items/{slug}")
async def items(web: Web, key: str, slug: str) -> Response:
    """All results of an each so far: `?sort=` a column or "-column", `?page=`, `?q=` words that must be in a row."""
    view = await web.core.runs.draw(key)
    assert view.run is not None  # drawn by its key
    step = _step(view.drawing.items, slug)
    if step is None or step.work is None or step.work.items is None:
        raise NotFound("There are no such results in this run.", hint="They may have been reverted.")
    ended = await results(web.core, step)
    asked = web.request.query_params
    turned = asked.get("page", "1")
    form = await authored(view, lambda: ItemsForm(
        step, ended, base=f"/runs/{key}", url=web.url, sort=asked.get("sort", ""), query=asked.get("q", "")[:200],
        page=number(turned, 1)))
    if web.fragment and not web.request.headers.get("hx-target", "").endswith("#main"):
        return HTMLResponse(form)
    await prepare(web)
    return page(web, title=view.title, body=TablePage(f"{step.label}, {view.title}", web.url(run_path(view.run)), form),
                endpoint=view.workflow.endpoint, run=key)


def _step(drawn: list[object], slug: str) -> Step | None:
    return next((each for each in drawn if isinstance(each, Step) and each.slug == slug and each.kind in WORKS), None)


@ar.get("/jobs")
async def jobs(web: Web) -> Response:
    """The list of jobs as a page."""
    await prepare(web)
    found = lines(web.core)
    return page(web, title="Background jobs", body=JobsPage(found, web.core.clock.now(), web.url), endpoint="jobs",
                waits=any(line.job.state == "running" for line in found))


@ar.get("/jobs/list")
async def panel(web: Web) -> Response:
    """What is in the panel under the bell; 204 while that is as it was."""
    return _unless_known(web, _list(web, polled=True))


def _list(web: Web, *, polled: bool) -> str:
    return JobsList(lines(web.core), web.core.clock.now(), web.url, polled=polled)


@ar.post("/jobs/seen")
async def looked(web: Web) -> Response:
    """The panel was opened: what has failed is no news any more."""
    look(web.core)
    return Response(status_code=204)


@ar.get("/jobs/ended")
async def ended(web: Web, since: str = "") -> Response:
    """The long jobs that have ended since rev `since`, for a page that tells of them; 204 when there are none."""
    rev = number(since, web.rev, digits=16)
    found = [line for line in lines(web.core) if line.rev > rev and line.job.state in ("done", "failed")
             and (line.job.ended_at or 0.0) - line.started_at >= LONG_S]
    if not found:
        return Response(status_code=204)
    return HTMLResponse(Ended(web.rev, found, web.url) + partial("#bell", "outerMorph", Bell(*job_counts(web.core))))
