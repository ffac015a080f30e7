"""`/api/...`: workflows and runs as JSON, for programs. docs/reference/api.md shows a call of each.

Who may ask is the guard's to say, what is accepted the core's; here a request becomes a command, and back.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...commands import CHANGES
from ...core import Core
from ...errors import NotFound, Refused
from ...runs import new_owner
from ...shows.exports import MEDIA, ending
from ...text import storable
from ..deps import Web
from ..problems import Json
from .files import download_headers
from .run_list import FILE_MOST
from .run_list import save as saved_file
from .runs import CLIENT_ID

uploads = [r"/api/(?:runs|workflows)/[^/]+/files", r"/api/runs/import"]  # these count for themselves

Handler = Callable[[Request, Core], Awaitable[Any]]


def _json(handler: Handler, status: int = 200) -> Callable[[Request], Awaitable[Response]]:
    """A handler whose result is the answer. Errors become JSON where those of pages become pages."""
    async def answer(request: Request) -> Response:
        return Json(await handler(request, request.app.state.core), status)

    return answer


async def _body(request: Request) -> dict[str, Any]:
    """The object that was sent; an empty one where nothing was."""
    data = await request.body()
    try:
        found = json.loads(data) if data else {}
    except (ValueError, RecursionError) as error:
        raise Refused("The body is no JSON.", hint="Send an object as application/json.") from error
    if not isinstance(found, dict):
        raise Refused("The body is no JSON object.", hint='Send one such as {"value": "Ada"}.')
    return found


def _step(sent: dict[str, Any]) -> str:
    return storable(str(sent.get("step") or ""))


def _by(request: Request) -> str:
    return "command line" if "authorization" in request.headers else "person"


async def workflows(request: Request, core: Core) -> Any:
    """Every workflow, in the order of the menu."""
    return core.commands.workflows()


async def workflow(request: Request, core: Core) -> Any:
    """One workflow and its first question."""
    return await core.commands.workflow(request.path_params["endpoint"])


async def runs(request: Request, core: Core) -> Any:
    """The newest runs: `?workflow=`, `?unfinished=1` or `0`."""
    asked = request.query_params
    unfinished = {"1": True, "0": False}.get(asked.get("unfinished", ""))
    return core.commands.runs(asked.get("workflow", ""), unfinished=unfinished)


async def begin(request: Request, core: Core) -> Any:
    """Make a run of the first answer."""
    sent = await _body(request)
    return await core.commands.begin(request.path_params["endpoint"], sent.get("value"), by=_by(request),
                                     client_id=_client_id(str(sent.get("client_id") or "")))


async def read(request: Request, core: Core) -> Any:
    """A run as it is now."""
    return await core.commands.read(request.path_params["key"])


async def answer(request: Request, core: Core) -> Any:
    """Answer the open question."""
    sent, rev = await _body(request), None
    if "rev" in sent:
        if not isinstance(sent["rev"], int):
            raise Refused("rev is the number that came with the question.")
        rev = sent["rev"]
    if "value" not in sent:
        raise Refused("There is no value in the body.", hint='Send {"value": ...}; null for no answer.')
    return await core.commands.answer(request.path_params["key"], _step(sent), sent["value"], rev=rev, by=_by(request))


async def change(request: Request, core: Core) -> Any:
    """Revert, undo, finalise, unlock, stop, go on, fork, rename, delete, restore."""
    what, sent = request.path_params["what"], await _body(request)
    if what not in CHANGES:
        raise NotFound(f"A run cannot be asked to {what[:40]}.", hint=f"It can: {', '.join(CHANGES)}.")
    name = storable(str(sent.get("title") or "")) if what == "rename" else _step(sent)
    return await core.commands.change(request.path_params["key"], what, name, by=_by(request))


async def compare(request: Request, core: Core) -> Any:
    """Two runs side by side: `?run=` twice."""
    keys = list(dict.fromkeys(request.query_params.getlist("run")))
    if len(keys) != 2:
        raise Refused(f"Two runs are compared, and {len(keys)} named.", hint="Name them: ?run=...&run=...")
    return await core.commands.compare(*keys)


async def bring_in(request: Request, core: Core) -> Any:
    """Open a saved run: the body is the file."""
    owner = f"import/{secrets.token_hex(8)}"
    try:
        async with core.files.receive("run.html", run=owner, step="value", max_bytes=FILE_MOST) as sink:
            async for chunk in request.stream():
                await sink.write(chunk)
        return await core.commands.bring_in(sink.file.path, by=_by(request))
    finally:
        core.files.remove(owner)


async def save(request: Request) -> Response:
    """A run as one HTML file."""
    return await saved_file(Web.of(request), request.path_params["key"])


async def file(request: Request, core: Core) -> Any:
    """Take a file for a question: the body is the file, `?name=` its name, `?field=` that of a form. Its id is the
    answer's value."""
    asked, commands = request.query_params, core.commands
    key, endpoint = request.path_params.get("key", ""), request.path_params.get("endpoint", "")
    owner = key or new_owner(_client_id(asked.get("client_id", ""), needed=True))
    async with commands.receive(key, endpoint, asked.get("name") or "file", owner=owner,
                                field=asked.get("field", "")) as sink:
        async for chunk in request.stream():
            await sink.write(chunk)
    return {"file": sink.file.id, "name": sink.file.name, "size": sink.file.size}


async def export(request: Request) -> Response:
    """A download of a run, by the name it was exported under."""
    web = Web.of(request)
    name, data = await web.core.commands.export(request.path_params["key"], request.path_params["name"])
    return Response(data, media_type=MEDIA[ending(name)], headers=download_headers(web, name))


def _client_id(given: str, *, needed: bool = False) -> str:
    if (given or needed) and not CLIENT_ID.fullmatch(given):
        raise Refused("client_id is 8 to 64 letters, digits, - and _.",
                      hint="Make one up for each run: sent twice, it is one run.")
    return given


async def nothing(request: Request) -> Response:
    """What is not there."""
    raise NotFound("There is no such address.", hint="GET /api/workflows lists the workflows; docs/reference/api.md "
                   "all addresses.")


routes = [
    Route("/api/workflows", _json(workflows)),
    Route("/api/workflows/{endpoint}", _json(workflow)),
    Route("/api/workflows/{endpoint}/runs", _json(begin, 201), methods=["POST"]),
    Route("/api/workflows/{endpoint}/files", _json(file, 201), methods=["POST"]),
    Route("/api/runs", _json(runs)),
    Route("/api/runs/compare", _json(compare)),
    Route("/api/runs/import", _json(bring_in, 201), methods=["POST"]),
    Route("/api/runs/{key}/file", save),
    Route("/api/runs/{key}", _json(read)),
    Route("/api/runs/{key}/answer", _json(answer), methods=["POST"]),
    Route("/api/runs/{key}/files", _json(file, 201), methods=["POST"]),
    Route("/api/runs/{key}/exports/{name}", export),
    Route("/api/runs/{key}/{what}", _json(change), methods=["POST"]),
    Route("/api/{rest:path}", nothing),
]
