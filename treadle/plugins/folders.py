"""Where plugins are: folders, and packages that are installed."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from loguru import logger

GROUP = "treadle.plugins"  # the entry points of packages that bring plugins along
UNNUMBERED = 10_000  # a file without a number in front of its name comes last
_NAME = re.compile(r"(?:(\d+)_)?(.+)\.py")


def plugin_files(folders: Sequence[Path]) -> list[tuple[int, Path]]:
    """The plugins with their order, those of packages too. Not those switched off by `xx_`, the helpers and what is
    hidden. A folder that cannot be read is a line in the log."""
    installed = list(_installed())
    paths = [path for path in installed if path.suffix == ".py"]
    for folder in (*folders, *(path for path in installed if path.suffix != ".py")):
        try:
            paths += [path for path in folder.iterdir() if not path.name.startswith(("xx_", "_", "."))]
        except OSError as error:
            logger.warning("the plugins folder {} cannot be read: {}", folder, error.strerror or error)
    named = [(match, path) for path in dict.fromkeys(paths)
             if (match := _NAME.fullmatch(path.name)) and not path.is_dir()]
    files = [(int(match[1][:9]) if match[1] else UNNUMBERED, path) for match, path in named]
    return sorted(files, key=lambda file: (file[0], file[1].name))


def signature(folders: Sequence[Path], packages: Sequence[str]) -> object:
    """The names, times and sizes of everything a plugin may consist of; which of `packages` are installed."""
    found = []
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.endswith((".py", ".md")) and not entry.name.startswith("."):
                        found.append((entry.path, *_state(entry)))
        except OSError:
            continue  # it is gone: another signature
    return sorted(found), [package for package in packages if _there(package)]


def _state(entry: os.DirEntry[str]) -> tuple[int, int, int]:
    try:
        state = entry.stat()
    except OSError:  # a link that leads nowhere, or the file went while we looked
        return 0, 0, 0
    return state.st_mtime_ns, state.st_size, state.st_ino


def _there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _installed() -> Iterator[Path]:
    """The files and folders that installed packages name. Runs no code of theirs; looks into the folders of packages
    itself, as importlib.metadata costs more than the rest of the start and hardly anybody has one."""
    for place in sys.path:
        try:
            with os.scandir(place or ".") as entries:
                named = [entry.path for entry in entries if entry.name.endswith(".dist-info")]
        except OSError:
            continue
        for folder in named:
            try:
                text = Path(folder, "entry_points.txt").read_text(encoding="utf-8")
            except (OSError, ValueError):
                continue
            section = ""
            for line in text.splitlines():
                if line.startswith("["):
                    section = line.strip().strip("[]")
                elif section == GROUP and "=" in line and (path := _of_module(line.partition("=")[2].strip())):
                    yield path


def _of_module(name: str) -> Path | None:
    """The file of a module, the folder of a package; found without importing either."""
    parts = name.partition(":")[0].strip().split(".")
    for place in sys.path:
        base = Path(place or ".", *parts)
        if base.with_suffix(".py").is_file():
            return base.with_suffix(".py")
        if base.is_dir():
            return base
    logger.warning("the installed plugin {} is not there", name)
    return None
