"""The assets of every page: joined once at the start, named by content, compressed when first asked for.

`url("app.css")` gives the address to write into a page. A name nobody knows is a KeyError at once, not a 404 later.
Only addresses made here are served: nothing in a request ever becomes a path, so there is nothing to traverse or list.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..config import ROOT

STATIC = ROOT / "static"

JOINED = {  # what a page loads -> the files it is made of, in order
    "app.css": ("css/tokens.css", "css/base.css", "css/layout.css", "css/components.css"),
    "app.js": ("js/boot.js", "vendor/htmx-4.0.1.min.js", "vendor/hx-sse-4.0.1.min.js", "js/app.js"),
    "icons.svg": ("icons.svg",),
    "signs.svg": ("signs.svg",),  # further ones for icon=, which a page without them does not load
    "favicon.svg": ("favicon.svg",),
}
LATE = {  # what only a page that shows it loads, or a frame: read when its address is first asked for
    "shows.js": ("js/shows.js",),
    "frame.css": ("frames/frame.css",),
    "diagram.js": ("frames/frame.js", "vendor/mermaid-tiny-12.0.0.js", "frames/diagram.js"),
    "graph.js": ("frames/frame.js", "vendor/d3-dispatch-3.0.2.min.js", "vendor/d3-quadtree-3.0.2.min.js",
                 "vendor/d3-timer-3.0.2.min.js", "vendor/d3-force-3.0.1.min.js", "frames/graph.js"),
    "plotly.js": ("frames/frame.js", "plotly:package_data/plotly.min.js", "frames/plotly.js"),
}
FONTS = ("geist-latin-wght-normal.woff2", "geist-latin-ext-wght-normal.woff2", "geist-mono-latin-wght-normal.woff2")
MEDIA = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml",
         "woff2": "font/woff2"}
SPARE = {"css": re.compile(rb"/\*.*?\*/\n?|^ +", re.DOTALL | re.MULTILINE),  # a seventh of what they weigh
         "js": re.compile(rb"^ *//.*\n|^ +", re.MULTILINE)}
FOREVER = "public, max-age=31536000, immutable"  # the name changes with the content


@dataclass(frozen=True)
class Asset:
    """One file as it is sent. `url` carries ten digits of the hash of its content."""

    name: str
    body: bytes

    @cached_property
    def url(self) -> str:
        stem, _, ending = self.name.rpartition(".")
        return f"/static/{stem}-{hashlib.sha256(self.body).hexdigest()[:10]}.{ending}"

    @cached_property
    def media(self) -> str:
        return MEDIA[self.name.rpartition(".")[2]]

    @cached_property
    def zipped(self) -> bytes | None:
        """The body in gzip, or None for what is compressed already."""
        if self.name.endswith(".woff2"):
            return None
        return gzip.compress(self.body, 6 if self.name in LATE else 9, mtime=0)

    def response(self, request: Request) -> Response:
        headers = {"cache-control": FOREVER, "vary": "accept-encoding"}
        if self.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.zipped, media_type=self.media, headers=headers | {"content-encoding": "gzip"})
        return Response(self.body, media_type=self.media, headers=headers)


def _load() -> dict[str, Asset]:
    assets = {name: Asset(name, (STATIC / "fonts" / name).read_bytes()) for name in FONTS}

    def font(match: re.Match[bytes]) -> bytes:
        return b'url("' + assets[match[1].decode()].url.encode() + b'")'

    for name, parts in JOINED.items():
        body = _joined(parts)
        if name.endswith(".css"):
            body = re.sub(rb'url\("\.\./fonts/([^"]+)"\)', font, body)
        assets[name] = Asset(name, body)
    return assets


def _joined(parts: tuple[str, ...]) -> bytes:
    """The files one after the other; ours without comments on lines of their own and without indentation."""
    return b"\n".join(SPARE[folder].sub(b"", _path(part).read_bytes()) if (folder := part.partition("/")[0]) in SPARE
                      else _path(part).read_bytes() for part in parts)


def _path(part: str) -> Path:
    """A file of ours, or "package:path", one that an installed package brings. Raises `FileNotFoundError`."""
    package, colon, path = part.partition(":")
    if not colon:
        return STATIC / part
    if (spec := find_spec(package)) is None or not spec.submodule_search_locations:
        raise FileNotFoundError(package)
    return Path(spec.submodule_search_locations[0]) / path


_ASSETS = _load()
_BY_URL = {asset.url: asset for asset in _ASSETS.values()}


def url(name: str) -> str:
    """The address of an asset, which changes when its content does. One of `LATE` is read now, up to 20 ms: not on the
    loop. Raises `FileNotFoundError` when a package does not bring it."""
    if name not in _ASSETS:
        asset = Asset(name, _joined(LATE[name]))
        _ASSETS[name] = _BY_URL[asset.url] = asset
    return _ASSETS[name].url


def _late(path: str) -> Asset | None:
    """A late asset that a page of an earlier start names; compressed here, as that takes up to 0.5 s."""
    stem, _, ending = path.removeprefix("/static/").rpartition(".")
    name = f"{stem.rpartition('-')[0]}.{ending}"
    try:
        if name not in LATE or url(name) != path:
            return None
    except FileNotFoundError:
        return None
    _ = _ASSETS[name].zipped
    return _ASSETS[name]


@cache
def icon_names() -> dict[str, str]:
    """The icons there are, each with the sprite that holds it."""
    return {name.decode(): sprite for sprite in ("icons.svg", "signs.svg")
            for name in re.findall(rb'<symbol id="([^"]+)"', _ASSETS[sprite].body)}


async def serve(request: Request) -> Response:
    """Answer `/static/...`: an asset under its present name, or 404 in one line."""
    path = request.scope["path"]
    asset = _BY_URL.get(path)
    if asset is None or asset.name in LATE:
        asset = await asyncio.to_thread(_late, path)
    return asset.response(request) if asset else Response("No such asset.", 404, media_type="text/plain")


routes = [Route("/static/{name:path}", serve)]  # no token: the page that asks for one is drawn with them
