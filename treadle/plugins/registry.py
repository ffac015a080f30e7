"""The files in plugins/: found, loaded each on its own, and the broken ones reported. What is saved is loaded anew."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import importlib
import io
import os
import re
import stat
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from loguru import logger

from ..config import Settings
from ..errors import MissingPackage, NotFound, PluginError, StorageError
from ..worker import Call, Overdue, blame, shown
from ..workflow import HOME, Author, Broken, Tool, Workflow
from . import code as plugins_code
from . import declared
from .folders import plugin_files, signature

IMPORT_DEADLINE_S = 10.0  # seconds one file may take to be imported
VERSIONS_KEPT = 50  # in memory, of those that no run has begun with
_IMPORTS = threading.Lock()  # one at a time: each keeps what all of us have
RESERVED = frozenset({"home", "redirect", "events", "chat", "runs", "jobs", "files", "frame", "api", "login", "docs",
                      "static", "model"})

_DECLARED = re.compile(r"^@(?P<kind>workflow|tool|page)\b(?:\(\s*(?P<q>[\"'])(?P<title>.*?)(?P=q))?"
                       r".*?^(?:async +)?def +(?P<name>\w+)", re.DOTALL | re.MULTILINE)


class Plugins:
    """What the menu holds, and every version of it. Nothing in a plugin's file can keep the server from starting."""

    def __init__(self, settings: Settings) -> None:
        self.folders = tuple(dict.fromkeys(path.absolute() for path in (settings.plugins, *settings.more_plugins)))
        self.code_folder, self._file = settings.data / "code", settings.data / "plugins.json"
        self._all: list[Workflow | Broken] = []
        self._by_endpoint: dict[str, Workflow | Broken] = {}
        self._newest: dict[str, Workflow] = {}  # the last good one of each address
        self._versions: dict[tuple[str, str], Workflow] = {}
        self._items: dict[str, list[Workflow]] = {}  # by version: what its file declares
        self._records: dict[str, list[declared.Record]] = {}  # the same as of the last start
        self._failed: dict[tuple[str, int], PluginError] = {}  # by version and time: not tried again
        self._watched: tuple[Path, ...] = self.folders
        self.loaded: object = None  # the `state` in which they were loaded
        self._kept: set[str] = set()

    # finding and loading

    def load(self, *, deadline_s: float = IMPORT_DEADLINE_S) -> None:
        """Find and import the plugins. A broken one becomes an error card and a line in the log.

        `deadline_s`: seconds one file may take; it is ended then.
        """
        self._records = declared.read(self._file)
        self._take(self._read(deadline_s))

    async def reload(self) -> list[str]:
        """Load what was saved since, off the loop: the addresses where something has changed. A file that did not
        change is not imported again; of one that is broken now the last good version goes on serving runs."""
        return self._take(await asyncio.to_thread(self._read, IMPORT_DEADLINE_S))

    def state(self) -> object:
        """How the files are on the disk: another one after any of them was saved, made, renamed or removed, or a
        package that one of them misses was installed. May take as long as the disk; not for the event loop."""
        missing = [item.error.package for item in self._all
                   if isinstance(item, Broken) and isinstance(item.error, MissingPackage)]
        return signature(self._watched, missing)

    def all(self) -> list[Workflow | Broken]:
        """Every place and every broken one, in the order of the menu. Home is not among them."""
        return list(self._all)

    def get(self, endpoint: str) -> Workflow | Broken | None:
        """What stands at `/{endpoint}`; `HOME` for home."""
        return HOME if endpoint == HOME.endpoint else self._by_endpoint.get(endpoint)

    def stamps(self) -> dict[str, str]:
        """By address, what tells what stands there from what stood there before."""
        return {endpoint: _stamp(item) for endpoint, item in self._by_endpoint.items()}

    # versions

    def version(self, endpoint: str, code: str = "") -> Workflow:
        """That version of a place, from memory or from data/code; the newest good one for "".

        Raises `NotFound` where there is none, and `PluginError` where it cannot be imported (any more).
        """
        current = self.get(endpoint)
        if isinstance(current, Workflow) and code in ("", current.code):
            return current
        if code:
            found = self._versions.get((endpoint, code)) or self._restored(endpoint, code)
        elif (found := self._newest.get(endpoint)) is None and isinstance(current, Broken):
            kept = (each for each in plugins_code.kept(self.code_folder)
                    if endpoint in plugins_code.facts(self.code_folder, each).get("places", ()))
            found = self._restored(endpoint, next(kept, ""))
            if found is None:
                raise current.error.with_traceback(None)  # it is kept: each raise would add to its traceback
            self._newest[endpoint] = found
        if found is None:
            what = "The code this began with" if code else f"The workflow {endpoint[:80]}"
            raise NotFound(f"{what} is not there any more.", hint="Its file may have been renamed or removed.")
        return found

    def keep(self, workflow: Workflow) -> None:
        """Store the sources of this version under data/code/, before a run's first row names it. Idempotent.

        Raises `StorageError`.
        """
        code = workflow.code
        if code in self._kept or code not in plugins_code.versions():
            return
        places = {endpoint: declared.record(each) for (endpoint, of), each in self._versions.items() if of == code}
        try:
            plugins_code.keep(self.code_folder, code, {"order": workflow.order, "places": places})
        except OSError as error:
            raise StorageError(f"The code of {workflow.title} could not be stored: {error.strerror or error}.",
                               hint="Nothing was begun. Make room, and try again.") from error
        self._kept.add(code)

    def _restored(self, endpoint: str, code: str) -> Workflow | None:
        """A version that was kept; None where it is not."""
        version = plugins_code.restore(self.code_folder, code)
        if version is None:
            return None
        path, told = Path(version.sources[version.module][0]), plugins_code.facts(self.code_folder, code)
        places = told["places"] if isinstance(told.get("places"), dict) else {}
        known = declared.restored([*places.values()], lambda place: _function(self._declared(version, path), place))
        for item in known or self._declared(version, path):
            training = places.get(item.endpoint, {}).get("training", item.training)
            self._versions[item.endpoint, code] = replace(
                item, file=shown(str(path), f"{path.parent}{os.sep}"), order=int(told.get("order", 0)), code=code,
                training=str(training))
        self._kept.add(code)
        return self._versions.get((endpoint, code))

    # within

    def _read(self, deadline_s: float) -> list[Workflow | Broken]:
        files = plugin_files(self.folders)
        self._watched = tuple(dict.fromkeys((*self.folders, *(path.parent for _, path in files))))
        self.loaded = self.state()
        before, self._items = self._items, {}
        found = [item for order, path in files for item in self._load(path, order, deadline_s, before)]
        records = {code: [declared.record(item) for item in items] for code, items in self._items.items()}
        if records != self._records:
            self._records = records
            declared.write(self._file, records)
        return found

    def _load(self, path: Path, order: int, deadline_s: float,
              before: Mapping[str, Sequence[Workflow]]) -> list[Workflow | Broken]:
        folder, text = f"{path.parent}{os.sep}", b""
        try:
            saved, text = _saved(path), path.read_bytes()
            version = plugins_code.read(path, text)
        except OSError as error:
            card = PluginError(f"The file cannot be read: {error.strerror}", file=shown(str(path), folder))
            return _broken(path, text, order, card, folder, self._newest)
        try:
            if (failed := self._failed.get((version.code, saved))) is not None:
                raise failed.with_traceback(None)
            items: Sequence[Workflow] = before.get(version.code) or declared.restored(
                self._records.get(version.code), lambda endpoint: self._import(version, path, endpoint))
            self._items[version.code] = items = [*items] or self._declared(version, path, deadline_s)
            return [_placed(item, path, order, version.code, folder) for item in items]
        except PluginError as error:
            if not isinstance(error, MissingPackage):
                self._failed[version.code, saved] = error
            return _broken(path, text, order, error, folder, self._newest)

    def _import(self, version: plugins_code.Version, path: Path, endpoint: str) -> Author:
        """The function of a place that is known by its record. Where its file says something else than that by now, or
        cannot be imported any more, it is loaded anew at the next look."""
        found: list[Workflow] = []
        try:
            found = self._declared(version, path)
            return _function(found, endpoint)
        finally:
            if [declared.record(item) for item in found] != self._records.get(version.code):
                self._items.pop(version.code, None)
                self._records.pop(version.code, None)
                self.loaded = ()

    def _declared(self, version: plugins_code.Version, path: Path,
                  deadline_s: float = IMPORT_DEADLINE_S) -> list[Workflow]:
        folder = f"{path.parent}{os.sep}"
        try:
            with _IMPORTS, _unharmed():
                return Call(lambda: _imported(version.name, path, folder), folder).wait(deadline_s)
        except Overdue as late:
            raise PluginError(f"{path.name} was still being imported after {deadline_s:g} s", line=late.line,
                              file=shown(late.file or str(path), folder),
                              hint="Keep slow work out of its top level.") from None

    def _take(self, found: list[Workflow | Broken]) -> list[str]:
        """Show these from now on. Returns the addresses where something has changed."""
        before, self._by_endpoint = self._by_endpoint, {}
        self._all = [self._enter(item) for item in found]
        changed = [endpoint for endpoint in {**before, **self._by_endpoint}
                   if _stamp(before.get(endpoint)) != _stamp(self._by_endpoint.get(endpoint))]
        for item in self._all:
            if isinstance(item, Workflow):
                self._versions.pop((item.endpoint, item.code), None)  # so that it is the newest in there
                self._versions[item.endpoint, item.code] = self._newest[item.endpoint] = item
            elif item.endpoint in changed:
                logger.warning("plugin {} is broken: {} (line {})", item.file, item.error.message, item.error.line)
        self._newest = {endpoint: item for endpoint, item in self._newest.items() if endpoint in self._by_endpoint}
        self._forget()
        return changed

    def _forget(self) -> None:
        used = {item.code for item in self._newest.values()} | self._kept
        spare = [place for place in self._versions if place[1] not in used]
        for place in spare[:-VERSIONS_KEPT]:
            del self._versions[place]
            plugins_code.forget(place[1])

    def _enter(self, item: Workflow | Broken) -> Workflow | Broken:
        """Give an item its address, or an error card at another one where the address is reserved or taken."""
        problem = ""
        if item.endpoint in RESERVED:
            problem = f"The address /{item.endpoint} is reserved"
        elif (other := self._by_endpoint.get(item.endpoint)) is not None:
            problem = f"The address /{item.endpoint} is taken by {other.file}"
        if problem:
            line = _line(item) if isinstance(item, Workflow) else item.error.line
            error = PluginError(problem, file=item.file, line=line, hint="Give the function another name.")
            free = re.sub(r"[^\w-]+", "-", f"{Path(item.file).stem}-{item.endpoint}")
            item = Broken(free, item.title, item.file, item.order, item.error if isinstance(item, Broken) else error,
                          item.kind)
        self._by_endpoint.setdefault(item.endpoint, item)
        return item


def _function(items: Sequence[Workflow], endpoint: str) -> Author:
    found = next((item for item in items if item.endpoint == endpoint), None)
    if found is None:
        raise PluginError(f"Its file declares no {endpoint} any more", hint="It is loaded anew: open it again.")
    return found.fn


def _saved(path: Path) -> int:
    """When a file was saved, in ns. Raises `OSError` for a pipe or a device, which would be read for ever."""
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "It is no file")
    return state.st_mtime_ns


def _line(item: Workflow) -> int:
    return item.fn.__code__.co_firstlineno


def _stamp(item: Workflow | Broken | None) -> str:
    """What tells a place from how it was before."""
    if item is None:
        return ""
    what = (item.error.message, item.error.line) if isinstance(item, Broken) else (item.code, item.training)
    return hashlib.sha256(repr((item.title, item.file, item.order, *what)).encode()).hexdigest()[:12]


def _imported(name: str, path: Path, folder: str) -> list[Workflow]:
    """Import one plugin: what it declares, in the order of their lines. Raises nothing but `PluginError`."""
    try:
        own = {id(value): value for value in vars(importlib.import_module(name)).values()
               if isinstance(value, Workflow) and value.fn.__module__ == name}
    except BaseException as error:
        raise blame(error, folder, file=str(path)) from error
    if not own:
        raise PluginError("The file declares no workflow", file=shown(str(path), folder),
                          hint="Put @workflow above an async def, or begin the file's name with an underscore.")
    for item in own.values():
        try:
            if isinstance(item, Tool):
                _ = item.input  # a type that cannot be read is found here and not by the person
        except TypeError as error:
            raise PluginError(str(error), file=shown(str(path), folder), line=_line(item)) from error
    return sorted(own.values(), key=_line)


def _placed(item: Workflow, path: Path, order: int, code: str, folder: str) -> Workflow | Broken:
    """What was declared with what only its file knows; an error card where its training cannot be read."""
    file, training = shown(str(path), folder), item.training
    try:
        if training.endswith(".md") and "\n" not in training and len(training) < 200:
            _saved(path.parent / training)
            training = (path.parent / training).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError) as error:  # ValueError: no file can have that name
        problem = f"training={training!r} cannot be read: {getattr(error, 'strerror', None) or error}"
        return Broken(item.endpoint, item.title, file, order, PluginError(problem, file=file, line=_line(item)),
                      item.kind)
    return replace(item, file=file, order=order, code=code, training=training)


@contextmanager
def _unharmed() -> Iterator[None]:
    """Keep our output whatever an import does with it: what it prints is passed on afterwards. And what all of us
    import with: a plugin may add to it, and what it takes away comes back."""
    path, depth = list(sys.path), sys.getrecursionlimit()
    # not what is being imported just now, by a job: if that fails it has to stay away
    modules = {name: module for name, module in sys.modules.items()
               if not getattr(getattr(module, "__spec__", None), "_initializing", False)}
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


def _broken(path: Path, text: bytes, order: int, error: PluginError, folder: str,
            before: Mapping[str, Workflow]) -> list[Workflow | Broken]:
    """The error cards of a file that does not load: one for each place it seems to declare, or did before, else for
    the file."""
    stem, file = re.sub(r"^\d+_|\.py$", "", shown(path.name, folder)), shown(str(path), folder)
    found = {match["name"]: (match["title"] or _words(match["name"]), match["kind"])
             for match in _DECLARED.finditer(text.decode("utf-8", "replace"))}
    found = found or {item.endpoint: (item.title, item.kind) for item in before.values() if item.file == file}
    return [Broken(endpoint, title, file, order, error, kind) for endpoint, (title, kind) in
            (found or {re.sub(r"\W+", "_", stem): (_words(stem), "workflow")}).items()]


def _words(name: str) -> str:
    return name.replace("_", " ").strip().capitalize()
