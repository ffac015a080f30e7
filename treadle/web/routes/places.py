"""The pages of the menu: home, each workflow before its first answer, and each run."""

import asyncio
from urllib.parse import urlsplit

from fasthtml.common import NotStr
from fasthtml.core import APIRouter
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ...errors import NotFound
from ...plugins.registry import RESERVED
from ...workflow import HOME, Broken, Page
from ..components import shell
from ..components.faults import BrokenPage
from ..components.history import FOLDED, HistoryFold
from ..components.home import HomePage
from ..components.more import DeletedRun
from ..components.record import RecordPage
from ..components.runs import RunRows
from ..deps import Web
from ..layout import page, prepare
from ..records import records
from ..run_pages import LISTED, author_page, drawn_for, new_page, run_page

ar = APIRouter()


class PlaceName(StringConvertor):
    """The first segment of a place's address: none that is taken, so that places are looked for before all else."""

    regex = rf"(?!(?:{'|'.join(sorted(RESERVED - {HOME.endpoint}))})(?:/|$))[^/]+"


register_url_convertor("place", PlaceName())


@ar.get("/")
async def home(web: Web) -> Response:
    """What waits, and where one can go."""
    await prepare(web)
    runs = web.core.runs
    unfinished = runs.list(unfinished=True, limit=1000)  # all are counted, and the newest listed
    body = HomePage(web.core.plugins.all(), unfinished, drawn_for(web), listed=LISTED,
                    total=web.core.archive.count(), chat=web.url(""))
    return page(web, title="Home", body=body, endpoint=HOME.endpoint, follow=True)


@ar.get("/home/menu")
async def menu(web: Web) -> Response:
    """The inside of the menu, for an open page after a plugin was loaded anew."""
    at = urlsplit(web.request.headers.get("hx-current-url", "")).path.strip("/").partition("/")[0]
    places = shell.places_of(web.core.plugins.all())
    return HTMLResponse(shell.menu(places, at or HOME.endpoint, web.url("")))


@ar.get("/{endpoint:place}")
async def place(web: Web, endpoint: str) -> Response:
    """A workflow: its first step, drawn without rows, and its unfinished runs. A broken one: its error card."""
    found = web.core.plugins.get(endpoint)
    if found is None:
        raise NotFound("")
    if found is HOME:
        return RedirectResponse(web.url("/"), status_code=303)
    if isinstance(found, Broken):
        unfinished = web.core.runs.list(endpoint, unfinished=True, limit=1000)
        drawn = drawn_for(web)
        rows = RunRows(unfinished[:LISTED], drawn, steps=lambda _: 0, named="Unfinished runs")
        await prepare(web)
        body = (BrokenPage(found, drawn, waiting=len(unfinished)), rows)
        return page(web, title=found.title, body=body, endpoint=endpoint, follow=True)
    if isinstance(found, Page):
        return await author_page(web, found)
    return await new_page(web, endpoint)


@ar.get("/{endpoint:place}/{key}")
async def run(web: Web, endpoint: str, key: str) -> Response:
    """A run, at the address of its workflow."""
    if not (found := web.core.archive.lines([key])) and web.core.plugins.get(endpoint) is None:
        raise NotFound("")
    line = found[0] if found else web.core.archive.line(key)
    if line.endpoint != endpoint:
        raise NotFound(f"There is no run {key[:80]} of {endpoint}.", hint="Its key says of which workflow it is.")
    if line.deleted:
        await prepare(web)
        return page(web, title=line.title, body=NotStr(DeletedRun(line, drawn_for(web))), endpoint="runs")
    if web.core.plugins.get(endpoint) is None:
        drawn = drawn_for(web)
        drawn = drawn._replace(history=HistoryFold(key, web.core.archive.history(key, limit=FOLDED), drawn))
        body = await asyncio.to_thread(RecordPage, line, (await records(web.core, key))[0], drawn)
        await prepare(web)
        return page(web, title=line.title, body=body, endpoint="runs")
    return await run_page(web, key)
