"""The code of plugins, by content: read, kept, and imported under a name of its own.

A version of a plugin is a package `treadle_plugins.v_<hash>` that holds the file and the helpers it imports. So one
version never runs another one's code, old and new live side by side, and nothing a plugin is called can hide another
module. The sources of versions that ran stand in data/code/, where another process finds them too.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

PACKAGE = "treadle_plugins"
FACTS = "version.json"
_CODE = re.compile(r"v_[0-9a-f]{16}")
_IMPORT = re.compile(rb"(?:^|;)[ \t]*from[ \t]+\.[ \t]*(\w*)(?:\.\w+)*[ \t]+import[ \t]*(\([^)]*\)|[^\n;#]*)",
                     re.MULTILINE)
_COMMENT = re.compile(rb"#[^\n]*")


class Version(NamedTuple):
    """One version. `module`: that of the plugin itself. `sources`: by module name, the author's path and the text."""

    code: str
    module: str
    sources: Mapping[str, tuple[str, bytes]]

    @property
    def name(self) -> str:
        """What to import."""
        return f"{PACKAGE}.{self.code}.{self.module}"


class _Finder:
    """Serves the modules of every version there is. One for the process, first in `sys.meta_path`."""

    def __init__(self) -> None:
        self.versions: dict[str, Version] = {}
        self.folders: list[Path] = []  # where versions are looked for that are not in memory

    def version(self, code: str) -> Version | None:
        found = self.versions.get(code)
        for folder in self.folders if found is None else ():
            found = found or restore(folder, code)
        return found

    def _source(self, name: str) -> tuple[str, bytes] | None:
        _, code, module = name.split(".", 2)
        version = self.versions.get(code)
        return version.sources.get(module) if version is not None else None

    def find_spec(self, name: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] != PACKAGE:
            return None
        if name.count(".") < 2:
            known = name == PACKAGE or self.version(name.partition(".")[2]) is not None
            return ModuleSpec(name, self, is_package=True) if known else None  # type: ignore[arg-type]
        if (source := self._source(name)) is None:
            return None
        spec = ModuleSpec(name, self, origin=source[0])  # type: ignore[arg-type]
        spec.has_location = True
        return spec

    def get_source(self, name: str) -> str:
        """The text a module has or had; "" where it is not known any more."""
        source = self._source(name)
        return source[1].decode("utf-8", "replace") if source is not None else ""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__.count(".") == 2 and (source := self._source(module.__name__)) is not None:
            exec(_compiled(*source), module.__dict__)


def _compiled(path: str, text: bytes) -> CodeType:
    """As Python does it: what __pycache__ holds, if it was made of this very text, else made now and put there.

    Compiling the plugins that come along was a tenth of a start.
    """
    cached = Path(cache_from_source(path))
    head = MAGIC_NUMBER + b"\3\0\0\0" + source_hash(text)  # a pyc that is checked by the hash of its source (PEP 552)
    try:
        data = cached.read_bytes() if _trusted(cached) else b""
        if data.startswith(head):
            code = marshal.loads(memoryview(data)[len(head):])
            if isinstance(code, CodeType) and code.co_filename == path:
                return code
    except (OSError, ValueError, EOFError, TypeError):
        pass  # not there, or cut off: it is made anew
    code = compile(text, path, "exec", dont_inherit=True)
    if not sys.dont_write_bytecode:
        with suppress(OSError):  # a folder that cannot be written to is slower, nothing else
            cached.parent.mkdir(exist_ok=True)
            partial = cached.with_name(f"{cached.name}.{os.getpid()}")
            partial.write_bytes(head + marshal.dumps(code))
            partial.replace(cached)
    return code


def _trusted(cached: Path) -> bool:
    """Whether the file is ours, or the system's. A version that is kept names the folder its author had; where that is
    gone, and others may make it anew, what they put there is not to run."""
    return not hasattr(os, "getuid") or cached.stat().st_uid in (0, os.getuid())


_finder = _Finder()


def install_finder(folder: str | Path | None = None) -> None:
    """Let this process import plugins by the names of their versions. `folder`: data/code, where it finds those it
    does not have; a worker process is given it, and nothing else, before it unpickles its first function."""
    if folder is not None and Path(folder) not in _finder.folders:
        _finder.folders.append(Path(folder))
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def read(path: Path, text: bytes) -> Version:
    """The version that a file with this text is now, together with its helpers; it can be imported."""
    own = path.stem.replace(".", "_")  # a dot would make it a module of a package that is not there
    sources = {own: (str(path), text)}
    waiting = [text]
    while waiting:
        for name in _helpers(waiting.pop()):
            helper = path.parent / f"{name}.py"
            if name not in sources and helper.is_file():
                sources[name] = (str(helper), helper.read_bytes())
                waiting.append(sources[name][1])
    return _enter(Version(_hash(sources), own, sources))


def _enter(version: Version) -> Version:
    install_finder()
    return _finder.versions.setdefault(version.code, version)


def _hash(sources: Mapping[str, tuple[str, bytes]]) -> str:
    mixed = hashlib.sha256()
    for _, (file, held) in sorted(sources.items()):
        mixed.update(b"%s\0%d\0%s" % (file.encode("utf-8", "surrogateescape"), len(held), held))
    return f"v_{mixed.hexdigest()[:16]}"


def _helpers(text: bytes) -> Iterator[str]:
    """The names of the modules a source imports from beside it: `from ._crawl import x`, `from . import _crawl`. Read
    by their looks, as parsing every plugin twice is a tenth of a start; a name too many does no harm."""
    for found in _IMPORT.finditer(text):
        names = [found[1]] if found[1] else _COMMENT.sub(b"", found[2]).strip(b"()").split(b",")
        yield from (name.split()[0].decode("utf-8", "replace") for name in names if name.strip())


# kept in a folder

def keep(folder: Path, code: str, facts: Mapping[str, Any]) -> None:
    """Write the sources of a version to `folder`/<code>/, whole or not at all; nothing where they are there.

    `facts`: what the plugin's file knew beside its code. Raises `OSError`.
    """
    version = _finder.versions[code]
    if (folder / code / FACTS).is_file():
        return
    partial = folder / f".{code}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    for name, (_, text) in version.sources.items():
        (partial / f"{name}.py").write_bytes(text)
    paths = {name: path for name, (path, _) in version.sources.items()}
    (partial / FACTS).write_text(json.dumps({**facts, "module": version.module, "sources": paths}))
    shutil.rmtree(folder / code, ignore_errors=True)  # what a full disk may have left of it
    partial.rename(folder / code)


def facts(folder: Path, code: str) -> dict[str, Any]:
    """What was kept of a version beside its code; empty where it is not there or cannot be read."""
    try:
        found = json.loads((folder / code / FACTS).read_text()) if _CODE.fullmatch(code) else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def restore(folder: Path, code: str) -> Version | None:
    """A version that was kept; None where it is not there, or is not what its name says."""
    found = facts(folder, code)
    try:
        sources = {str(name): (str(path), (folder / code / f"{name}.py").read_bytes())
                   for name, path in found["sources"].items()}
        module = str(found["module"])
    except (OSError, LookupError, AttributeError):
        return None
    return _enter(Version(code, module, sources)) if _hash(sources) == code and module in sources else None


def versions() -> Mapping[str, Version]:
    """Those in memory, by their codes."""
    return _finder.versions


def kept(folder: Path) -> list[str]:
    """The versions in `folder`, the one kept last first."""
    try:
        found = [entry for entry in os.scandir(folder) if _CODE.fullmatch(entry.name)]
        return [entry.name for entry in sorted(found, key=lambda entry: entry.stat().st_mtime, reverse=True)]
    except OSError:
        return []


def forget(code: str) -> None:
    """Let go of a version nobody runs, and of its modules."""
    _finder.versions.pop(code, None)
    package = f"{PACKAGE}.{code}"
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


def sweep(folder: Path, used: set[str]) -> int:
    """Remove the kept versions that nothing refers to, and what a kill left half written. How many went."""
    unused = [code for code in kept(folder) if code not in used]
    for name in [*unused, *(path.name for path in folder.glob(".v_*.partial"))]:
        shutil.rmtree(folder / name, ignore_errors=True)
    return len(unused)
