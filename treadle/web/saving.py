"""A run as one HTML file, for a browser and for the command line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ..core import Core
from ..errors import NotFound
from ..run import authored
from .components.runfile import END, RunFile
from .records import records

SAVE_S = 60.0  # seconds for drawing a run that is saved


async def saved(core: Core, key: str) -> AsyncIterator[str]:
    """The whole run, drawn now, and its data after it, piece by piece. Raises `NotFound` before the first piece."""
    line = core.archive.line(key)
    if line.deleted:
        raise NotFound(f"The run {key[:80]} was deleted.", hint="It can be brought back in the list of runs.")
    found, view = await records(core, key)
    archive, plugin = core.archive, core.plugins.get(line.endpoint)
    files = [*archive.files_of(key)]
    kept = [core.files.get(file["id"]) for file, left_out in files if not left_out]
    missing = [file["name"] for file, left_out in files if left_out]
    told, now, secrets = archive.history(key), core.clock.now(), core.runs.secrets_of(key)

    def draw() -> str:
        return RunFile(line, plugin.title if plugin is not None else line.endpoint, found, view, told, kept, missing,
                       now, secrets)

    yield await (authored(view, draw, within=SAVE_S) if view is not None else asyncio.to_thread(draw))
    async for part in archive.lines_of(key):
        yield part
    yield END
