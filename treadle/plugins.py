"""The files in plugins/: found, loaded each on its own, and the broken ones reported."""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from loguru import logger

from .config import Settings
from .errors import PluginError
from .plugins_code import PACKAGE, read
from .worker import Call, Overdue, blame, shown
from .workflow import HOME, Broken, Workflow

IMPORT_DEADLINE_S = 10.0  # seconds one file may take to be imported
UNNUMBERED = 10_000  # a file without a number in front of its name comes last
RESERVED = frozenset({"home", "redirect", "events", "chat", "runs", "jobs", "files", "frame", "api", "login", "docs",
                      "static", "model"})

_NAME = re.compile(r"(?:(\d+)_)?(.+)\.py")
_DECLARED = re.compile(r"^@workflow\(\s*(?P<q>[\"'])(?P<title>.*?)(?P=q).*?^(?:async +)?def +(?P<name>\w+)",
                       re.DOTALL | re.MULTILINE)


class Plugins:
    """What the menu holds. `load` reads the folder; nothing in it can keep the server from starting."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.plugins.absolute()
        self._all: list[Workflow | Broken] = []
        self._by_endpoint: dict[str, Workflow | Broken] = {}

    def load(self, *, deadline_s: float = IMPORT_DEADLINE_S) -> None:
        """Find and import the plugins. A broken one becomes an error card and a line in the log.

        `deadline_s`: seconds one file may take; it is ended then.
        """
        found: list[Workflow | Broken] = []
        for order, path in self._files():
            found += self._load(path, order, deadline_s)
        self._by_endpoint = {}
        self._all = [self._enter(item) for item in found]
        for item in self._all:
            if isinstance(item, Broken):
                logger.warning("plugin {} is broken: {} (line {})", item.file, item.error.message, item.error.line)

    def all(self) -> list[Workflow | Broken]:
        """Every workflow and every broken one, in the order of the menu. Home is not among them."""
        return list(self._all)

    def get(self, endpoint: str) -> Workflow | Broken | None:
        """What stands at `/{endpoint}`; `HOME` for home."""
        return HOME if endpoint == HOME.endpoint else self._by_endpoint.get(endpoint)

    def _files(self) -> list[tuple[int, Path]]:
        """The plugins with their order. Not those switched off by `xx_`, the helpers and what is hidden."""
        try:
            paths = [path for path in self._folder.iterdir() if not path.name.startswith(("xx_", "_", "."))]
        except OSError as error:
            logger.warning("the plugins folder cannot be read: {}", error.strerror or error)
            return []
        named = [(match, path) for path in paths if (match := _NAME.fullmatch(path.name)) and not path.is_dir()]
        files = [(int(match[1][:9]) if match[1] else UNNUMBERED, path) for match, path in named]
        return sorted(files, key=lambda file: (file[0], file[1].name))

    def _load(self, path: Path, order: int, deadline_s: float) -> list[Workflow | Broken]:
        folder = f"{self._folder}{os.sep}"
        text = b""
        try:
            text = path.read_bytes()
            version = read(path, text)
            with _kept():
                declared = Call(lambda: _declared(version.name, path, folder), folder).wait(deadline_s)
            return [_placed(workflow, path, order, version.code, folder) for workflow in declared]
        except PluginError as error:
            card = error
        except Overdue as late:
            card = PluginError(f"{path.name} was still being imported after {deadline_s:g} s", line=late.line,
                               file=shown(late.file or str(path), folder), hint="Keep slow work out of its top level.")
        except OSError as error:
            card = PluginError(f"The file cannot be read: {error.strerror}", file=shown(str(path), folder))
        return _broken(path, text, order, card, folder)

    def _enter(self, item: Workflow | Broken) -> Workflow | Broken:
        """Give an item its address, or an error card at another one where the address is reserved or taken."""
        problem = ""
        if item.endpoint in RESERVED:
            problem = f"The address /{item.endpoint} is reserved"
        elif (other := self._by_endpoint.get(item.endpoint)) is not None:
            problem = f"The address /{item.endpoint} is taken by {other.file}"
        if problem:
            line = item.fn.__code__.co_firstlineno if isinstance(item, Workflow) else item.error.line
            error = PluginError(problem, file=item.file, line=line, hint="Give the function another name.")
            free = re.sub(r"[^\w-]+", "-", f"{Path(item.file).stem}-{item.endpoint}")
            item = Broken(free, item.title, item.file, item.order, item.error if isinstance(item, Broken) else error)
        self._by_endpoint.setdefault(item.endpoint, item)
        return item


def _declared(name: str, path: Path, folder: str) -> list[Workflow]:
    """Import one plugin: the workflows it declares, in the order of their lines. Raises nothing but `PluginError`."""
    try:
        own = {id(value): value for value in vars(importlib.import_module(name)).values()
               if isinstance(value, Workflow) and value.fn.__module__ == name}
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing == PACKAGE:
            raise blame(error, folder, file=str(path)) from error
        raise blame(error, folder, file=str(path), message=f"It needs {missing}, which is not installed",
                    hint=f"python -m pip install {missing}") from error
    except BaseException as error:
        raise blame(error, folder, file=str(path)) from error
    if not own:
        raise PluginError("The file declares no workflow", file=shown(str(path), folder),
                          hint="Put @workflow above an async def, or begin the file's name with an underscore.")
    return sorted(own.values(), key=lambda workflow: workflow.fn.__code__.co_firstlineno)


def _placed(workflow: Workflow, path: Path, order: int, code: str, folder: str) -> Workflow | Broken:
    """A declared workflow with what only its file knows; an error card where its training cannot be read."""
    file, training = shown(str(path), folder), workflow.training
    try:
        if training.endswith(".md") and "\n" not in training and len(training) < 200:
            training = (path.parent / training).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError) as error:  # ValueError: no file can have that name
        problem = f"training={training!r} cannot be read: {getattr(error, 'strerror', None) or error}"
        line = workflow.fn.__code__.co_firstlineno
        return Broken(workflow.endpoint, workflow.title, file, order, PluginError(problem, file=file, line=line))
    return replace(workflow, file=file, order=order, code=code, training=training)


@contextmanager
def _kept() -> Iterator[None]:
    """Keep our output whatever an import does with it: what it prints is passed on afterwards. And what all of us
    import with: a plugin may add to it, and what it takes away comes back."""
    path, modules, depth = list(sys.path), dict(sys.modules), sys.getrecursionlimit()
    kept, spare = (sys.stdout, sys.stderr), (_Lasting(), _Lasting())
    descriptors = [os.dup(number) for number in (1, 2)]
    sys.stdout, sys.stderr = spare
    try:
        yield
    finally:
        sys.setrecursionlimit(max(depth, sys.getrecursionlimit()))
        sys.path += [folder for folder in path if folder not in sys.path]
        for name in [name for name, module in sys.modules.items() if module is None]:
            del sys.modules[name]  # it would forbid the import to all
        sys.modules.update(modules)
        sys.stdout, sys.stderr = kept
        for number, copy in zip((1, 2), descriptors, strict=True):
            try:
                os.fstat(number)
            except OSError:
                os.dup2(copy, number)
            os.close(copy)
        for stream, text in zip(kept, spare, strict=True):
            stream.write(text.getvalue())


class _Lasting(io.StringIO):
    """A stream that cannot be closed."""

    def close(self) -> None:
        """Leave it open: the next print would fail."""


def _broken(path: Path, text: bytes, order: int, error: PluginError, folder: str) -> list[Workflow | Broken]:
    """The error cards of a file that does not load: one for each workflow it seems to declare, else for the file."""
    stem = re.sub(r"^\d+_|\.py$", "", shown(path.name, folder))
    named = [(found["name"], found["title"]) for found in _DECLARED.finditer(text.decode("utf-8", "replace"))]
    if not named:
        named = [(re.sub(r"\W+", "_", stem), stem.replace("_", " ").capitalize())]
    return [Broken(endpoint, title, shown(str(path), folder), order, error) for endpoint, title in dict(named).items()]
