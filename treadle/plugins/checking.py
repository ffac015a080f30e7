"""What is wrong with plugins, before anybody opens them."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from ..errors import MissingPackage, NotFound, PluginError
from ..files import File
from ..replay import replay
from ..workflow import Broken, Page, Workflow
from .registry import Plugins


class Problem(NamedTuple):
    """One thing to mend. `text` is one line; `line` counts from 1, 0 is unknown."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{where}{self.text}"


def check(plugins: Plugins) -> list[Problem]:
    """Import every plugin, look at its declarations, and replay each workflow twice from no answers. A page is
    drawn once, as it may show the time.

    Takes at most some seconds for each plugin that hangs, else milliseconds. Not for a running event loop.
    """
    plugins.load()
    return asyncio.run(_problems(plugins.all()))


async def _problems(items: list[Workflow | Broken]) -> list[Problem]:
    found = []
    for item in items:
        if isinstance(item, Broken):
            found.append(problem_of(item.error, item.file))
            continue
        drawing = await replay(item, (), open_file=_no_file, twice=not isinstance(item, Page))
        if drawing.error is not None:
            found.append(problem_of(drawing.error, item.file))
        elif drawing.open is not None and isinstance(item, Page):
            found.append(Problem(item.file, drawing.open.line, "A page asks nothing: declare a workflow."))
    return list(dict.fromkeys(found))


def problem_of(error: PluginError, file: str = "") -> Problem:
    """An author's error in one line. `file`: where the error names none."""
    missing = "; install it with:" if isinstance(error, MissingPackage) else "."
    text = " ".join(f"{error.message.rstrip('.')}{missing} {error.hint}".split())
    return Problem(error.file or file, error.line, text)


def _no_file(id: str) -> File:
    raise NotFound("There are no files in a check.")
