"""The endpoint-message queue: what the chat says when somebody arrives at a place.

A click commits a row before it is answered; the queue carries its id; one task writes the messages in the order of
the clicks. So a kill at any instant loses nothing and says nothing twice.
"""

from __future__ import annotations

import asyncio
from math import inf

from loguru import logger

from .clock import Clock
from .conversation import Conversations
from .db import Database
from .errors import NotFound, StorageError
from .feed import Feed
from .plugins.registry import Plugins
from .tasks import Tasks
from .workflow import Broken

SAME_ARRIVAL_S = 5.0  # coming back to a place sooner than this is not announced again
RETRY_S = 1.0  # until the next attempt after the disk refused


class Narrator:
    """Arrivals and their delivery. Lives on the event loop.

    An arrival at a place that is still pending, or was written less than `SAME_ARRIVAL_S` ago by this process, is the
    same arrival: judged once, when the click is committed.
    """

    def __init__(self, db: Database, feed: Feed, clock: Clock, tasks: Tasks, plugins: Plugins,
                 conversations: Conversations, *, settle_s: float) -> None:
        """`settle_s`: how long after its own click an arrival is due."""
        self._db, self._feed, self._clock, self._tasks = db, feed, clock, tasks
        self._plugins, self._conversations = plugins, conversations
        self._settle_s = settle_s
        self.queue: asyncio.Queue[int] = asyncio.Queue()
        self._due: dict[int, float] = {}  # of what was clicked in this process; what a kill left is due at once
        self._pending: set[tuple[int, str]] = set()
        self._written: dict[tuple[int, str], float] = {}  # monotonic; stamped when written, never when scheduled
        self._greeted: set[tuple[int, str]] = set()  # places announced since the server started

    def recover(self) -> None:
        """Queue what a kill left undelivered, in the order of the clicks, due at once."""
        for row in self._db.rows("SELECT id, conversation, endpoint FROM arrivals WHERE message IS NULL ORDER BY id"):
            self._pending.add((row["conversation"], row["endpoint"]))
            self.queue.put_nowait(row["id"])

    def start(self) -> None:
        """Begin to deliver."""
        self._tasks.start(self._deliver_all(), name="narrator")

    def arrive(self, conversation: int, endpoint: str) -> None:
        """Somebody came to a place: committed when this returns, said one settle delay later.

        Raises `NotFound` for an unknown place or conversation, and nothing is written.
        """
        if self._plugins.get(endpoint) is None:
            raise NotFound(f"There is no place called “{endpoint[:80]}”.", hint="Choose one from the menu.")
        if not self._conversations.exists(conversation):
            raise NotFound("There is no such conversation.", hint="Open Treadle again from its first page.")
        place, now = (conversation, endpoint), self._clock.monotonic()
        if place in self._pending or now - self._written.get(place, -inf) < SAME_ARRIVAL_S:
            return  # the same arrival
        with self._db.transaction():
            arrival: int = self._db.one(
                "INSERT INTO arrivals (conversation, endpoint, created_at) VALUES (?, ?, ?) RETURNING id",
                (conversation, endpoint, self._clock.now()))["id"]
        self._pending.add(place)
        self._due[arrival] = now + self._settle_s
        self.queue.put_nowait(arrival)

    def arrive_now(self, conversation: int, endpoint: str) -> None:
        """`arrive` for a page without JavaScript: the message is there before the page is drawn.

        What was clicked before and is still pending is said first, so that the order stays that of the clicks.
        """
        self.arrive(conversation, endpoint)
        for row in self._db.rows("SELECT id FROM arrivals WHERE message IS NULL ORDER BY id"):
            self._deliver(row["id"])

    def first_stream(self, conversation: int, endpoint: str) -> None:
        """The stream of a page somebody looks at connects for the first time: a typed URL, a bookmark, a restart.

        An arrival once per conversation, place and server start; a place announced in another way counts as that.
        An unknown place is nobody's arrival. Raises `NotFound` for an unknown conversation.
        """
        place = (conversation, endpoint)
        if place in self._greeted or self._plugins.get(endpoint) is None:
            return
        self.arrive(conversation, endpoint)
        self._greeted.add(place)

    def pending(self, conversation: int) -> bool:
        """Whether something is still to be said in `conversation`."""
        return any(place[0] == conversation for place in self._pending)

    async def _deliver_all(self) -> None:
        while True:
            arrival = await self.queue.get()
            wait = self._due.pop(arrival, 0.0) - self._clock.monotonic()
            if wait > 0:
                await self._clock.sleep(wait)
            while True:
                try:
                    self._deliver(arrival)
                    break
                except StorageError as error:  # the row is there; the place is announced when the disk has room
                    logger.error("an endpoint message could not be written: {}", error)
                    await self._clock.sleep(RETRY_S)

    def _deliver(self, arrival: int) -> None:
        """Write the message and mark the arrival delivered in one transaction; once, whoever calls."""
        row = self._db.first("SELECT conversation, endpoint FROM arrivals WHERE id = ? AND message IS NULL", (arrival,))
        if row is None:
            return
        place = (row["conversation"], row["endpoint"])
        with self._feed.change() as rev:
            title, text = self._words(row["endpoint"])
            message = self._conversations.say(row["conversation"], endpoint=row["endpoint"], title=title, text=text,
                                              arrival=arrival, rev=rev)
            self._db.execute("UPDATE arrivals SET message = ? WHERE id = ?", (message, arrival))
        now = self._clock.monotonic()
        self._written = {other: at for other, at in self._written.items() if now - at < SAME_ARRIVAL_S}
        self._written[place] = now
        self._pending.discard(place)
        self._greeted.add(place)

    def _words(self, endpoint: str) -> tuple[str, str]:
        """Title and message of a place. One that is broken, or gone since the click, is said to be."""
        place = self._plugins.get(endpoint)
        if place is None:
            return endpoint, "This place is gone: its file is no longer in the plugins folder."
        if isinstance(place, Broken):
            return place.title, f"This place could not be loaded. {place.error.message.rstrip('.')}."
        return place.title, place.message
