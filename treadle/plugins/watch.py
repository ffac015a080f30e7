"""What is saved in the folders of plugins comes into the running server, and the open pages are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence

from loguru import logger

from ..clock import Clock
from ..db import Database
from ..feed import Feed
from ..tasks import Tasks
from ..workflow import Workflow
from .code import sweep
from .registry import Plugins

POLL_S = 0.2  # between two looks at the files; loaded is what two of them found alike
ROW = "plugins"  # of the settings: by address, what stood there and the rev since when
ACCEPTED = "needs "  # begins the rows of what a person has accepted that a plugin reaches


class Watch:
    """Loads plugins anew, and keeps what viewers and people know of them. Lives on the event loop.

    A file that an editor saves in two steps is looked at once it stays as it is. `on_reload` is given the addresses
    where something has changed, after the new versions are in place.
    """

    def __init__(self, db: Database, feed: Feed, clock: Clock, tasks: Tasks, plugins: Plugins) -> None:
        self._db, self._feed, self._clock, self._tasks, self._plugins = db, feed, clock, tasks, plugins
        self._seen: object = None
        self.on_reload: Callable[[Sequence[str]], Awaitable[None]] | None = None

    def recover(self) -> None:
        """At the start: tell pages that are still open what changed meanwhile, and remove code nothing refers to."""
        told, stamps = self._told(), self._plugins.stamps()
        self._tell({endpoint for endpoint in {*told, *stamps}
                    if told.get(endpoint, ["", 0])[0] != stamps.get(endpoint, "")})
        used = {row["version"] for row in self._db.rows("SELECT version FROM runs UNION SELECT version FROM steps")}
        if gone := sweep(self._plugins.code_folder, used):
            logger.info("{} versions of plugins that no run refers to were removed", gone)

    def start(self) -> None:
        """Begin to watch."""
        self._tasks.start(self._watch(), name="watch of the plugins")

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(POLL_S)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - whatever failed, the next save is to be seen
                logger.opt(exception=error).error("plugins could not be loaded anew")

    async def look(self) -> list[str]:
        """Look at the files once; load them if they changed and stayed so since the last look. What has changed."""
        state = await asyncio.to_thread(self._plugins.state)
        stable, self._seen = state == self._seen, state
        if not stable or self._plugins.loaded in (None, state):
            return []
        changed = await self._plugins.reload()
        if changed:
            self._tell(changed)
            logger.info("plugins were loaded anew: {}", ", ".join(changed))
            if self.on_reload is not None:
                await self.on_reload(changed)
        return changed

    # what viewers are told

    def _told(self) -> dict[str, list[str | int]]:
        row = self._db.first("SELECT value FROM settings WHERE key = ?", (ROW,))
        return json.loads(row["value"]) if row is not None else {}

    def _tell(self, changed: Iterable[str]) -> None:
        stamps = self._plugins.stamps()
        if entries := sorted(changed):
            with self._feed.change() as rev:
                told = {**self._told(), **{endpoint: [stamps.get(endpoint, ""), rev] for endpoint in entries}}
                self._set(ROW, json.dumps(told), rev)

    def changed_since(self, rev: int) -> list[str]:
        """The addresses whose plugin has changed after `rev`."""
        if self._db.first("SELECT 1 FROM settings WHERE key = ? AND rev > ?", (ROW, rev)) is None:
            return []
        return [endpoint for endpoint, (_, at) in self._told().items() if int(at) > rev]

    # what a plugin reaches

    def asks(self, item: Workflow) -> tuple[str, ...]:
        """What it needs, where that is more than was accepted before; else nothing."""
        row = self._db.first("SELECT value FROM settings WHERE key = ?", (ACCEPTED + item.endpoint,))
        accepted = json.loads(row["value"]) if row is not None else []
        return item.needs if set(item.needs) - set(accepted) else ()

    def accept(self, item: Workflow) -> None:
        """A person has begun it after having seen what it needs."""
        if self.asks(item):
            with self._feed.change() as rev:
                self._set(ACCEPTED + item.endpoint, json.dumps(item.needs), rev)

    def _set(self, key: str, value: str, rev: int) -> None:
        self._db.execute("INSERT INTO settings (key, value, rev) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                         "value = excluded.value, rev = excluded.rev", (key, value, rev))
