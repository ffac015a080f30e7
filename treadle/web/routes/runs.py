"""What is done to a run: begin, answer, revert, undo, lock; and what is drawn of it in parts."""

import re
from collections.abc import Awaitable, Callable

from fasthtml.core import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ...errors import Conflict, InvalidAnswer, NotFound, PluginError
from ...fields.answers import fields_of, file_step, hold
from ...fields.form import many_refused
from ...files import megabytes
from ...replay import Export, Step
from ...run import authored
from ...runs import Answers, Run, RunView, new_owner
from ...shows.exports import MEDIA, ending, make
from ..components.fields import UploadBar
from ..components.more import DeletedRun
from ..components.shows import TableForm, TablePage, table_at
from ..components.steps import Refusal, run_path
from ..deps import Web, number
from ..forms import Takes, Taking, read_answers
from ..layout import page, prepare
from ..run_pages import came_back, changed, drawn_for, new_page, run_body, upload_id
from .files import download_headers

ar = APIRouter()

uploads = [r"/runs/new/[^/]+", r"/runs/[^/]+/steps/[^/]+"]  # these count for themselves: a file may come with them

CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
FIELD = re.compile(r"f-[a-z0-9-]*")
EXPORT_S = 60.0  # seconds for making a download
TRIES = 20  # times a bar asks for an upload nobody has heard of


async def begin(request: Request) -> Response:
    """Make a run of the first answer, and lead to its page. The same form sent twice is one run."""
    web = Web.of(request)
    endpoint = request.path_params["endpoint"]
    if web.core.plugins.get(endpoint) is None:
        raise NotFound("")
    view = await web.core.runs.draw_new(endpoint)
    step = view.drawing.open
    answers: Answers = {}
    try:
        await _read(web, step, lambda fields: new_owner(_client_id(fields)), answers, watch=_watch(request))
        run = await web.core.runs.begin(endpoint, answers, client_id=_client_id(answers))
    except (InvalidAnswer, PluginError) as error:
        if step is None:
            raise
        hold(step, answers, new_owner(_client_id(answers)), web.core.secrets)
        return await new_page(web, endpoint, _refusal(step, step.slug, answers, error), client_id=_client_id(answers),
                              status=error.status)
    web.core.watch.accept(view.workflow)
    return RedirectResponse(web.url(run_path(run)), status_code=303)


async def answer(request: Request) -> Response:
    """Store an answer. What is refused comes back with everything that was typed and sent."""
    web = Web.of(request)
    key, slug = request.path_params["key"], request.path_params["slug"]
    view = await web.core.runs.draw(key)
    step = next((item for item in view.drawing.items if isinstance(item, Step) and item.slug == slug), None)
    answers: Answers = {}
    try:
        await _read(web, step, lambda _: key, answers, watch=upload_id(key, slug, view.form_rev))
        rev = answers.get("rev", ["0"])[-1]
        run = await web.core.runs.answer(key, slug, answers, rev=number(rev, 0, digits=18),
                                         replace="replace" in answers)
    except (Conflict, InvalidAnswer, PluginError) as error:
        hold(step, answers, key, web.core.secrets)
        return await came_back(web, key, _refusal(step, slug, answers, error), error.status)
    return await changed(web, run)


routes = [Route("/runs/new/{endpoint}", begin, methods=["POST"]),
          Route("/runs/{key}/steps/{slug}", answer, methods=["POST"])]


async def _read(web: Web, step: Step | None, owner: Callable[[Answers], str], answers: Answers, *, watch: str) -> None:
    """Fill `answers`. Raises `InvalidAnswer` for files that were not kept; `TooLarge` for a form that cannot be drawn
    again, which becomes a notice above it."""
    settings, takes = web.core.settings, dict[str, Takes]()
    for place, (name, spec) in enumerate(fields_of(step).items()):
        if step is not None and spec.kind == "upload":
            most = settings.max_upload if spec.max_mb is None else round(spec.max_mb * 1_000_000)
            takes[name] = Takes(file_step(step, name), most, spec.accept, f"{watch}-{place}")
    taking = Taking(owner, takes)
    answers |= await read_answers(web.request, web.core.files, max_body=settings.max_body, taking=taking)
    if taking.problems:
        error = many_refused({name.removeprefix("value."): f"{problem.message} {problem.hint}".strip()
                              for name, problem in taking.problems.items()})
        error.status = max(problem.status for problem in taking.problems.values())
        raise error


def _client_id(answers: Answers) -> str:
    given = answers.get("client_id", [""])[-1]
    return given if CLIENT_ID.fullmatch(given) else ""


def _watch(request: Request) -> str:
    given = request.query_params.get("upload", "")
    return given if CLIENT_ID.fullmatch(given) else ""


def _refusal(step: Step | None, slug: str, answers: Answers,
             error: Conflict | InvalidAnswer | PluginError) -> Refusal:
    """The form as it came. What was typed as a secret is not sent back."""
    specs = fields_of(step)
    sent = {name: answers[file][-1] for name in specs if (file := name.replace("value", "file", 1)) in answers}
    typed = {name: [str(text) for text in answers.get(name, [])] for name in specs or ("value",)
             if name not in sent and (name not in specs or specs[name].kind not in ("secret", "upload"))}
    if isinstance(error, PluginError):
        return Refusal(slug, typed, "The workflow has an error and could not take this answer.", sent=sent, fault=error)
    said, errors = f"{error.message} {error.hint}".strip(), dict[str, str]()
    if isinstance(error, InvalidAnswer):
        known = error.fields if "value" not in specs else {}
        errors = {f"value.{name}" if name else "": text for name, text in known.items()} or {"value": said}
    button = str(answers.get(f"said.{answers.get('value', [''])[-1]}", [""])[-1])
    return Refusal(slug, typed, said, 409 if isinstance(error, Conflict) else 422, sent, errors, said=button[:200])


@ar.post("/runs/{key}/revert/{slug}")
async def revert(web: Web, key: str, slug: str, keep: str = "") -> Response:
    """Ask this step and all after it again."""
    return await _change(web, web.core.runs.revert(key, slug, keep=bool(keep)))


@ar.post("/runs/{key}/undo")
async def undo(web: Web, key: str) -> Response:
    """Take back what was reverted."""
    return await _change(web, web.core.runs.undo(key))


@ar.post("/runs/{key}/finalise")
async def finalise(web: Web, key: str) -> Response:
    """Finish and lock."""
    return await _change(web, web.core.runs.finalise(key))


@ar.post("/runs/{key}/unlock")
async def unlock(web: Web, key: str) -> Response:
    """Open a locked run again. Of one that came from a file it has said what its workflow needs."""
    if web.core.runs.get(key).origin == "import":
        web.core.watch.accept((await web.core.runs.draw(key)).workflow)
    return await _change(web, web.core.runs.unlock(key))


@ar.post("/runs/{key}/go-on-here")
async def go_on_here(web: Web, key: str) -> Response:
    """Go on with the changed code."""
    return await _change(web, web.core.runs.go_on_here(key))


@ar.post("/runs/{key}/start-anew")
async def start_anew(web: Web, key: str) -> Response:
    """A new run from the answers of this one, which is locked; the new one's page."""
    return RedirectResponse(web.url(run_path(await web.core.runs.start_anew(key))), status_code=303)


async def _change(web: Web, change: Awaitable[Run]) -> Response:
    return await changed(web, await change)


@ar.get("/runs/{key}/body")
async def body(web: Web, key: str, rev: str = "", focus: str = "") -> Response:
    """The run as it is now, for a page that shows it. `rev`: what that page shows already; then nothing comes.
    `focus`: a person asked for it, and goes on in it.
    """
    if web.core.archive.is_deleted(key):
        return HTMLResponse(DeletedRun(web.core.archive.line(key), drawn_for(web)))
    if rev and rev == str(web.core.runs.get(key).rev):
        return Response(status_code=204)
    return await run_body(web, key, focus=bool(focus))


@ar.get("/runs/uploads/{upload}")
async def progress(web: Web, upload: str, field: str = "", tries: str = "0", stopped: str = "") -> Response:
    """The bar of an upload. It asks again while there is something to see, or for a while until there is. `stopped`:
    the person has stopped it."""
    if not CLIENT_ID.fullmatch(upload) or not FIELD.fullmatch(field):
        raise NotFound("There is no such upload.")
    if stopped:
        return HTMLResponse(UploadBar(field, upload, stopped=True))
    asked = number(tries, TRIES, digits=3)
    found = web.core.files.arriving(upload)
    if found is None:
        if web.core.files.receiving(upload.rpartition("-")[0] + "-"):
            asked = 0  # another file of the form is still coming in
        return HTMLResponse(UploadBar(field, upload, tries=asked if asked < TRIES else None))
    text = f"{megabytes(found.received)} of {megabytes(found.total)}"
    if found.seconds >= 2:  # sooner nothing can be foretold
        text += f", {(found.total - found.received) * found.seconds / max(1, found.received):.0f} s left"
    return HTMLResponse(UploadBar(field, upload, text=text, file=found.name, received=found.received,
                                  total=found.total, tries=0))


@ar.get("/runs/new/{endpoint}/shows/{n}")
async def new_show(web: Web, endpoint: str, n: str) -> Response:
    """A page of a table that stands before the first answer."""
    return await _table(web, await web.core.runs.draw_new(endpoint), f"/runs/new/{endpoint}", f"/{endpoint}", n)


@ar.get("/runs/{key}/shows/{n}")
async def show(web: Web, key: str, n: str) -> Response:
    """A page of a table of a run: `?sort=` a column or "-column", `?page=`, `?q=` words that must be in a row."""
    view = await web.core.runs.draw(key)
    assert view.run is not None  # drawn by its key
    return await _table(web, view, f"/runs/{key}", run_path(view.run), n)


async def _table(web: Web, view: RunView, base: str, back: str, n: str) -> Response:
    at = number(n, 0)
    table = table_at(view.drawing.items, at)
    if table is None:
        raise NotFound("There is no such table in this run.", hint="It may have been reverted.")
    asked = web.request.query_params
    turned = asked.get("page", "1")
    form = await authored(view, lambda: TableForm(
        table, at, base=base, url=web.url, sort=asked.get("sort", ""), query=asked.get("q", "")[:200],
        page=number(turned, 1)))
    if web.fragment:
        return HTMLResponse(form)
    await prepare(web)
    return page(web, title=view.title, body=TablePage(view.title, web.url(back), form),
                endpoint=view.workflow.endpoint, run=view.run.key if view.run is not None else "")


@ar.get("/runs/new/{endpoint}/exports/{slug}")
async def new_export(web: Web, endpoint: str, slug: str) -> Response:
    """A download that stands before the first answer."""
    return await _export(web, await web.core.runs.draw_new(endpoint), slug)


@ar.get("/runs/{key}/exports/{slug}")
async def export(web: Web, key: str, slug: str) -> Response:
    """A download of a run, made now."""
    return await _export(web, await web.core.runs.draw(key), slug)


async def _export(web: Web, view: RunView, slug: str) -> Response:
    found = next((item for item in view.drawing.items if isinstance(item, Export) and item.slug == slug), None)
    if found is None:
        raise NotFound("There is no such download in this run.", hint="It may have been reverted.")
    headers = download_headers(web, found.name)
    secrets = web.core.runs.secrets_of(view.run.key) if view.run is not None else ()
    data = await authored(view, lambda: make(found.name, found.data, secrets), within=EXPORT_S)
    return Response(data, media_type=MEDIA[ending(found.name)], headers=headers)
