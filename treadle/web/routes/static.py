"""`/static/...`: the assets. They need no token, since the page that asks for it draws with them."""

from __future__ import annotations

from starlette.routing import Route

from ..assets import serve

routes = [Route("/static/{name:path}", serve)]
