"""Drafts of the model in a field: asked for, followed while they are written, stopped, taken over, had back."""

import asyncio

from fasthtml.core import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ...errors import NotFound
from ...runs import RunView
from ..components.drafts import DraftAct, DraftLine
from ..components.steps import draft_at, open_fields, run_path
from ..deps import Web
from ..run_pages import drawn_for, run_body
from ..viewport import partial

ar = APIRouter()

PLAIN_S = 60.0  # seconds a page without JavaScript waits for a draft


@ar.post("/runs/{key}/drafts/{slug}")
async def draft(web: Web, key: str, slug: str, taken: str = "", stop: str = "", back: str = "") -> Response:
    """Have the open question drafted. `stop`: end that. `taken`: end it, as the person types; `back`: bring it back."""
    drafts = web.core.drafts
    if taken or stop or back:
        view = await _view(web, key, slug)
        drafts.stop(view, taken=bool(taken))
        if back and (known := drafts.of(view)) is not None:
            known.taken = False
    else:
        view = await drafts.begin(key, slug)
    if not web.fragment:
        if (known := drafts.of(view)) is not None and known.task is not None:
            await asyncio.wait({known.task}, timeout=PLAIN_S)
        assert view.run is not None  # drawn by its key
        return RedirectResponse(web.url(run_path(view.run)), status_code=303)
    return await run_body(web, key) if back else _answer(web, view, field=not taken)


@ar.get("/runs/{key}/drafts/{slug}")
async def follow(web: Web, key: str, slug: str, seen: str = "") -> Response:
    """What is written by now; 204 while it is what was `seen`: so many characters."""
    view = await _view(web, key, slug)
    known = web.core.drafts.of(view)
    if known is not None and known.state == "writing" and str(len(known.text)) == seen:
        return Response(status_code=204)
    return _answer(web, view, field=known is not None and not known.taken)


async def _view(web: Web, key: str, slug: str) -> RunView:
    view = await web.core.runs.draw(key)
    if view.drawing.open is None or view.drawing.open.slug != slug or not view.drawing.open.draft:
        raise NotFound("There is no such draft.", hint="The run has moved on.")
    return view


def _answer(web: Web, view: RunView, *, field: bool) -> Response:
    step, known, ready = view.drawing.open, web.core.drafts.of(view), web.core.llm.status.ready
    assert view.run is not None and step is not None  # `_view` and `begin` have seen to that
    at = web.url(draft_at(view.run, step))
    html = DraftLine(step.slug, at, known, ready=ready)
    html += partial(f"#f-{step.slug}-act", "outerMorph settle:0", DraftAct(step.slug, view.run.key, at, known,
                                                                           ready=ready))
    if field:
        html += partial(f"#step-{step.slug} .field", "outerMorph settle:0",
                        open_fields(view, step, drawn_for(web)._replace(draft=known), None))
    return HTMLResponse(html)
