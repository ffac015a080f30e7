"""The app: every file of routes/, the answers to problems, and the guard around all of it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from types import ModuleType

from fasthtml.core import FastHTML, fh_cfg
from starlette.middleware import Middleware

from ..core import Core
from . import assets, routes
from .guard import Guard
from .problems import Unexpected, handlers
from .routes.login import Door

fh_cfg.indent = False  # else white space between elements, and twice the bytes
fh_cfg.auto_name = False  # else every link, button and form with an id gets a name

FIRST = "places"  # the pages of the menu; each route looked at before them would cost them 2 us


def create_app(core: Core) -> Guard:
    """The ASGI app of `core`. Opens nothing and starts nothing; the core must outlive it.

    A file of routes/ gives `ar` (an APIRouter), `routes` (plain Starlette routes), or both. `uploads` lists regular
    expressions of paths whose bodies may be larger than a form; their handlers count for themselves.
    """
    app = FastHTML(default_hdrs=False, surreal=False, htmx=False, canonical=False, sess_cls=None,
                   secret_key=core.folder.secret("key"), hdrs=[], htmlkw={"lang": "en"},
                   exception_handlers=handlers(), middleware=[Middleware(Unexpected)])
    app.state.core = core
    app.router.redirect_slashes = False  # /files is no page, and /files/ is none either
    modules = [assets, *_modules()]
    for module in modules:
        app.router.routes.extend(getattr(module, "routes", ()))
        if (ar := getattr(module, "ar", None)) is not None:
            ar.to_app(app)
    uploads = [re.compile(path) for module in modules for path in getattr(module, "uploads", ())]
    guard = Guard(app, core, uploads)
    app.state.guard, app.state.door = guard, Door()
    guard.closing = [module.close_streams for module in modules if hasattr(module, "close_streams")]
    return guard


def _modules() -> list[ModuleType]:
    found = [info.name for info in pkgutil.iter_modules(routes.__path__)]
    names = sorted(found, key=lambda name: (name != FIRST, name))
    return [importlib.import_module(f"{routes.__name__}.{name}") for name in names]


