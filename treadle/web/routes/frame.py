"""What a run shows and no page of ours may hold: pictures, downloads, and frames in which a script draws.

A frame is a page without an origin: it has no cookies, no storage, no way into the page around it, and its own policy
lets it load nothing but our static files. It is drawn by replay, as all of a run is.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fasthtml.core import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response

from ...errors import NotFound
from ...files import File
from ...run import authored
from ...runs import RunView
from ...shows import Download, kind
from ...shows.pictures import Picture, picture, spec_of
from ...text import storable
from ..assets import url as asset
from ..components.figures import FRAMED, title_of
from ..components.shows import thing_at
from ..deps import Web, number
from .files import download_headers

ar = APIRouter()

POLICY = ("sandbox allow-scripts; default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
          "img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
PASSIVE = ("sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
           "frame-ancestors 'none'")
SCRIPTS = {"diagram": "diagram.js", "graph": "graph.js", "plotly": "plotly.js"}


@ar.get("/frame/new/{endpoint}/{n}")
async def new_frame(web: Web, endpoint: str, n: str) -> Response:
    """One that stands before the first answer."""
    return await _drawn(web, await web.core.runs.draw_new(endpoint), n)


@ar.get("/frame/{key}/{n}")
async def frame(web: Web, key: str, n: str) -> Response:
    """What stands at number `n` of a run, alone."""
    return await _drawn(web, await web.core.runs.draw(key), n)


async def _drawn(web: Web, view: RunView, n: str) -> Response:
    thing = thing_at(view.drawing.items, number(n, 0))
    how = kind(thing) if thing is not None else ""
    headers = download_headers(web, thing.name if isinstance(thing, Download) else "picture")  # nothing for htmx
    if isinstance(thing, Download):
        if isinstance(thing.content, File):
            return FileResponse(thing.content.path, media_type="application/octet-stream", headers=headers)
        body = storable(thing.content).encode() if isinstance(thing.content, str) else thing.content
        return Response(body, media_type="application/octet-stream", headers=headers)
    if how == "picture":
        drawn: Picture = await authored(view, lambda: picture(thing))
        return Response(drawn.body, media_type=drawn.media, headers={
            "content-security-policy": PASSIVE, "cache-control": "private, max-age=86400"})
    if how in FRAMED:
        page = await authored(view, lambda: FramePage(thing, how))
        return HTMLResponse(page, headers={"content-security-policy": POLICY, "x-frame-options": "SAMEORIGIN"})
    raise NotFound("There is no such picture in this run.", hint="It may have been reverted.")


def FramePage(thing: Any, how: str) -> str:
    """The page of a frame: what is drawn as JSON, and the script that draws it."""
    if how == "diagram":
        data = json.dumps({"text": thing.text})
    elif how == "graph":
        data = json.dumps({"nodes": thing.nodes, "edges": thing.edges})
    else:
        data = spec_of(thing)
    data = data.replace("<", "\\u003c")  # nothing in it ends the element it stands in
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>{escape(title_of(thing))}</title><link rel="stylesheet" href="{asset("frame.css")}"></head>'
            '<body><div id="box"></div><noscript><p>This is drawn by a script. Without one, read what stands under it.'
            f'</p></noscript><script type="application/json" id="data">{data}</script>'
            f'<script src="{asset(SCRIPTS[how])}"></script></body></html>')
