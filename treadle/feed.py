"""One counter for the whole database: every live row carries the number of its last change.

A viewer keeps a cursor. It asks for what is newer, draws it, and waits until something has happened since it
looked. There are no queues per viewer: nothing overflows, no wake-up is lost, a slow reader holds nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from .db import Database

RESERVE = 1_000  # numbers taken at once; what is left of them at the end of the process is skipped


class Feed:
    """The counter and the waking. Lives on the event loop; not for threads.

    `rev` is the number of the last change. The table holds how far numbers are reserved, so that a change need not
    write it: after a restart the numbers go on above everything that was ever given out.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self.rev: int = db.one("SELECT rev FROM counter")["rev"]
        self._reserved = self.rev
        self.tick = 0
        self._changed: asyncio.Future[None] | None = None

    @contextmanager
    def change(self) -> Iterator[int]:
        """Open the one transaction of a change and yield its rev; viewers wake after the commit.

        The counter moves with the rows or not at all: an exception rolls both back.
        """
        rev, reserved = self.rev + 1, self._reserved
        with self._db.transaction():
            if rev > reserved:
                reserved += RESERVE
                self._db.execute("UPDATE counter SET rev = ?", (reserved,))
            yield rev
        self.rev, self._reserved = rev, reserved
        self.wake()

    def wake(self) -> None:
        """Wake every viewer: after a commit, or when a rendering is finished."""
        self.tick += 1
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None

    async def wait_after(self, tick: int) -> int:
        """Wait until `tick` is no longer the latest, and return the latest. Cancelling harms nobody.

        Read `tick` before the state, draw the state, then wait: a change in between returns at once.
        """
        while self.tick <= tick:
            if self._changed is None:
                self._changed = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._changed)
        return self.tick
