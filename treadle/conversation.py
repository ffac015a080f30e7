"""Messages and replies as rows: asked, written piece by piece, settled once.

Everything here is synchronous: one call, one transaction. The tasks that read a model are in `replies`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from .clock import Clock
from .db import Database, Params
from .errors import Conflict, InvalidAnswer, NotFound, TooLarge
from .feed import Feed
from .text import storable

Ending = Literal["done", "stopped", "failed", "interrupted"]

FIRST = 1             # the conversation that always exists; it has no `?chat=` in its addresses
MAX_TEXT = 100_000    # bytes of a question
ACTIVE = "role = 'assistant' AND state IN ('waiting', 'streaming') AND deleted = 0"  # as the index one_active_reply


class Place(NamedTuple):
    """Where a person is when they ask: an endpoint, and the run that is open there, if any."""

    endpoint: str = "home"
    run: str = ""


class Message(NamedTuple):
    """One row of a conversation; the columns are explained in `schema`. A settled reply holds its whole text,
    an active one holds none: its text is in its pieces."""

    id: int
    conversation: int
    role: str
    state: str
    text: str
    thinking: str
    thinking_s: float | None
    client_id: str | None
    endpoint: str
    run: str
    title: str
    model: str
    tokens_per_s: float | None
    error: str
    note: str
    question: int | None
    continues: int | None
    followed: int
    created_at: float
    started_at: float | None
    answered_at: float | None
    deleted: int
    born: int
    rev: int
    tools: str

    @property
    def active(self) -> bool:
        """Whether this is a reply that has not ended."""
        return self.role == "assistant" and self.state in ("waiting", "streaming") and not self.deleted

    @property
    def retryable(self) -> bool:
        """Whether Retry is offered: a reply that did not come to its end, with no newer question after it."""
        return self.state in ("stopped", "failed", "interrupted") and not self.followed and not self.deleted

    @property
    def continuable(self) -> bool:
        """Whether Continue is offered: interrupted, with text to go on from."""
        return self.retryable and self.state == "interrupted" and bool(self.text)

    @property
    def place(self) -> Place:
        """Where the question was asked."""
        return Place(self.endpoint, self.run)


class Piece(NamedTuple):
    """What one flush added to an active reply. `kind` is text or thinking."""

    rev: int
    kind: str
    text: str


COLUMNS = ", ".join(Message._fields)
SILENT = "state = 'streaming' AND answered_at IS NULL"
SWEEP = 500  # pieces removed at once
# the pieces of one kind in their order; SQLite joins them five times faster than Python
_JOINED = "(SELECT coalesce(group_concat(text, ''), '') FROM " \
          "(SELECT text FROM pieces WHERE message = :id AND kind = '{}' ORDER BY rev))"
SETTLE = f"""UPDATE messages SET state = :state, error = :error, note = :note, tokens_per_s = :tokens_per_s,
    thinking_s = coalesce(thinking_s, :thinking_s), text = {_JOINED.format("text")} || :rest,
    thinking = {_JOINED.format("thinking")} || :rest_thinking, rev = :rev WHERE id = :id AND {ACTIVE}"""


class _Over(Exception):
    """Rolls a write back: its reply is no longer the conversation's current one."""


class Conversations:
    """Conversations, their messages, and how a reply begins, grows and ends."""

    def __init__(self, db: Database, feed: Feed, clock: Clock) -> None:
        self._db = db
        self._feed = feed
        self._clock = clock

    # -- reading

    def exists(self, conversation: int) -> bool:
        """Whether there is such a conversation."""
        return self._db.first("SELECT 1 FROM conversations WHERE id = ? AND deleted = 0", (conversation,)) is not None

    def messages(self, conversation: int, *, after: int = 0, before: int = 0,
                 limit: int | None = None) -> list[Message]:
        """Rows in the order of their ids. With `after`: those whose rev is above it, tombstones too; without: the
        live ones. `before`: only ids below it. `limit`: only the newest so many."""
        which = "rev > :after" if after else "deleted = 0"
        older = "AND id < :before" if before else ""
        order = "ORDER BY id" if limit is None else "ORDER BY id DESC LIMIT :limit"
        rows = self._select(
            f"SELECT {COLUMNS} FROM messages WHERE conversation = :conversation AND {which} {older} {order}",
            {"conversation": conversation, "after": after, "before": before, "limit": limit})
        return rows if limit is None else rows[::-1]

    def oldest(self, conversation: int, *, shown: int, before: int = 0) -> int:
        """The id of the oldest of the newest `shown` live rows (with `before`: of those below that id), where there
        are older ones; otherwise 0."""
        rows = self._db.rows("SELECT id FROM messages WHERE conversation = ? AND deleted = 0 AND (? = 0 OR id < ?) "
                             "ORDER BY id DESC LIMIT 2 OFFSET ?", (conversation, before, before, shown - 1))
        return int(rows[0]["id"]) if len(rows) == 2 else 0

    def get(self, message: int) -> Message:
        """One row, also a tombstone. Raises `NotFound`."""
        if (found := self._first("id = ?", (message,))) is None:
            raise NotFound(f"There is no message {message}.")
        return found

    def active(self, conversation: int) -> Message | None:
        """The reply that waits or is being written, if any; there is at most one."""
        return self._first(f"conversation = ? AND {ACTIVE}", (conversation,))

    def waiting(self) -> list[Message]:
        """The replies of all conversations that wait for a model, oldest first."""
        return self._select(f"SELECT {COLUMNS} FROM messages WHERE {ACTIVE} AND state = 'waiting' ORDER BY id")

    def pieces(self, message: int, *, after: int = 0) -> list[Piece]:
        """What has been added to an active reply above rev `after`, in order."""
        return [Piece._make(row) for row in self._db.rows(
            "SELECT rev, kind, text FROM pieces WHERE message = ? AND rev > ? ORDER BY rev", (message, after))]

    def so_far(self, message: Message) -> tuple[str, str]:
        """The text and the thinking of a reply, active or settled."""
        if not message.active:
            return message.text, message.thinking
        pieces = self.pieces(message.id)
        return joined(pieces, "text"), joined(pieces, "thinking")

    # -- asking

    def ask(self, conversation: int, text: str, *, client_id: str, place: Place, waiting: bool,
            model: str = "") -> tuple[Message, Message]:
        """Write the question and its reply, which is `waiting` or `streaming`, in one transaction.

        The same `client_id` again returns the rows it made. Raises `Conflict` while a reply is active,
        `InvalidAnswer` for no text, `TooLarge` above 100 KB, `NotFound`; then no row is left behind.
        """
        if not self.exists(conversation):
            raise NotFound(f"There is no conversation {conversation}.")
        text, client_id = storable(text), storable(client_id)
        place = Place(storable(place.endpoint), storable(place.run))
        if not text.strip():
            raise InvalidAnswer("The message is empty.", field="text", hint="Write something, then send it.")
        if (size := len(text.encode())) > MAX_TEXT:
            raise TooLarge(f"The message is {-(-size // 1000):,} KB; the limit is {MAX_TEXT // 1000} KB.",
                           hint="Shorten it, then send it.")
        if (question := self._sent(conversation, "user", client_id)) is not None:
            newest = self._first("id > ? AND question = ? ORDER BY id DESC LIMIT 1", (question.id, question.id))
            return question, newest or question
        with self._feed.change() as rev:
            self._follow(conversation, rev)
            # what was taken back stays readable until here, so that a lost answer loses no text
            self._db.execute("UPDATE messages SET text = '' WHERE conversation = ? AND role = 'user' AND deleted = 1 "
                             "AND text != ''", (conversation,))
            asked = self._insert(rev, conversation=conversation, role="user", state="done", text=text,
                                 client_id=client_id, endpoint=place.endpoint, run=place.run)
            reply = self._insert_reply(rev, conversation=conversation, waiting=waiting, model=model, question=asked,
                                       endpoint=place.endpoint, run=place.run)
        return self.get(asked), self.get(reply)

    def again(self, old: Message, *, waiting: bool, model: str = "") -> Message:
        """Retry: a new reply to the same question; `old` becomes a tombstone. Asked twice, the same reply.

        Raises `Conflict` when `old` offers no Retry any more or a reply is active.
        """
        return self._renew(old, f"retry-{old.id}", old.retryable, waiting=waiting, model=model, continues=old.continues)

    def go_on(self, old: Message, *, waiting: bool, model: str = "") -> Message:
        """Continue: a new reply that goes on from the text of `old`, which stays and stands before it."""
        return self._renew(old, f"continue-{old.id}", old.continuable, waiting=waiting, model=model, continues=old.id)

    def _renew(self, old: Message, client_id: str, offered: bool, *, waiting: bool, model: str,
               continues: int | None) -> Message:
        # the id is made of the old row's: a double click, or two tabs, are one reply
        if (sent := self._sent(old.conversation, "assistant", client_id)) is not None:
            return sent
        if self.active(old.conversation) is not None:
            raise Conflict("A reply is running in another tab.", hint="Sending works again when it ends.")
        if not offered:
            raise Conflict("This reply has been followed by another.", hint="Ask again below.")
        with self._feed.change() as rev:
            if continues == old.id:
                self._db.execute("UPDATE messages SET followed = 1, rev = ? WHERE id = ?", (rev, old.id))
            else:
                self._bury(old.id, rev)
            reply = self._insert_reply(rev, conversation=old.conversation, waiting=waiting, model=model,
                                       client_id=client_id, question=old.question, continues=continues,
                                       endpoint=old.endpoint, run=old.run)
        return self.get(reply)

    def take_back(self, reply: Message) -> str:
        """Cancel: take back a question that has no answer yet, and return its text. "" if there is nothing to return.

        Question and reply become tombstones. Asked again, it returns the text until the next question is written.
        A reply that was to go on from another leaves question and other reply as they were.
        """
        question = None if reply.question is None else self.get(reply.question)
        if question is None or (reply.deleted and not question.deleted):
            return ""
        if not reply.deleted:
            with self._feed.change() as rev:
                self._bury(reply.id, rev)
                if reply.continues is not None:
                    self._db.execute("UPDATE messages SET followed = 0, rev = ? WHERE id = ?", (rev, reply.continues))
                    return ""
                self._db.execute("UPDATE messages SET deleted = 1, client_id = NULL, rev = ? WHERE id = ?",
                                 (rev, question.id))
        return question.text

    def say(self, conversation: int, *, endpoint: str, title: str, text: str, arrival: int, rev: int) -> int:
        """Write what a place says on arrival, inside the caller's `feed.change()`, and return the row's id.

        `arrival` makes it unique: a second row for the same one is an IntegrityError, never a double.
        """
        return self._insert(rev, conversation=conversation, role="arrival", state="done", text=storable(text),
                            client_id=f"arrival-{arrival}", endpoint=endpoint, title=storable(title))

    # -- an active reply

    def begin(self, reply: int, *, model: str) -> bool:
        """A reply that waited is sent to `model` now. False if it is no longer waiting."""
        return self._alter(reply, "state = 'waiting'", state="streaming", model=model, started_at=self._clock.now())

    def hold(self, reply: int) -> bool:
        """Nobody answered the connection: a reply without text waits again. False if it has text or is over."""
        return self._alter(reply, SILENT, state="waiting", model="", note="", tools="", started_at=None)

    def remark(self, reply: int, note: str) -> bool:
        """Say what a reply without text waits for; its first piece takes that away. False if it has text or is over."""
        return self._alter(reply, SILENT, note=note)

    def looked_up(self, reply: int, said: str, seconds: float) -> bool:
        """Note what a reply has looked up, for the person. False if it is over."""
        known = json.loads(self.get(reply).tools or "[]")
        return self._alter(reply, "state = 'streaming'", tools=json.dumps([*known, [said, round(seconds, 1)]]))

    def write(self, reply: int, *, text: str = "", thinking: str = "", thinking_s: float | None = None,
              first: bool = False) -> bool:
        """Add a piece to the conversation's current reply. False, and nothing written, if it is that no longer.

        `first` and `thinking_s` (the thinking has ended after so many seconds) change the row too, once each.
        """
        with suppress(_Over), self._feed.change() as rev:
            for kind, part in (("thinking", thinking), ("text", text)):
                if part and not self._db.execute(
                        "INSERT INTO pieces (message, kind, text, rev) SELECT :id, :kind, :part, :rev WHERE EXISTS "
                        f"(SELECT 1 FROM messages WHERE id = :id AND {ACTIVE} AND state = 'streaming')",
                        {"id": reply, "kind": kind, "part": part, "rev": rev}).rowcount:
                    raise _Over
            if first or thinking_s is not None:
                self._db.execute("UPDATE messages SET note = '', answered_at = coalesce(answered_at, ?), "
                                 "thinking_s = coalesce(thinking_s, ?), rev = ? WHERE id = ?",
                                 (self._clock.now(), thinking_s, rev, reply))
            return True
        return False

    def settle(self, reply: int, state: Ending, *, rest: str = "", rest_thinking: str = "", error: str = "",
               note: str = "", tokens_per_s: float | None = None, thinking_s: float | None = None) -> bool:
        """End a reply: join its pieces and the `rest` into the final text and set its state, once.

        True if this call did it. A reply that has ended, or is no longer its conversation's current one, is left
        alone. Viewers wake after the commit. `error` is a failure, `note` a remark, both sentences for a person.
        """
        return self._change(SETTLE, {
            "id": reply, "state": state, "rest": rest, "rest_thinking": rest_thinking, "error": storable(error),
            "note": note, "tokens_per_s": tokens_per_s, "thinking_s": thinking_s})

    def sweep(self, reply: int) -> bool:
        """Remove some of the pieces of a reply that is settled. Whether there may be more: many take long at once."""
        with self._db.transaction():
            return self._db.execute("DELETE FROM pieces WHERE message = :id AND rev <= (SELECT max(rev) FROM "
                                    "(SELECT rev FROM pieces WHERE message = :id ORDER BY rev LIMIT :some))",
                                    {"id": reply, "some": SWEEP}).rowcount >= SWEEP

    def recover(self) -> None:
        """What a kill left `streaming` is `interrupted`; what waits goes on waiting. Before serving begins."""
        for row in self._db.rows(f"SELECT id FROM messages WHERE {ACTIVE} AND state = 'streaming'"):
            self.settle(row["id"], "interrupted")
        self._db.execute("DELETE FROM pieces")  # all that are left belong to replies that have ended

    # -- rows

    def _select(self, sql: str, params: Params = ()) -> list[Message]:
        return [Message._make(row) for row in self._db.execute(sql, params)]

    def _first(self, where: str, params: Params) -> Message | None:
        row = self._db.first(f"SELECT {COLUMNS} FROM messages WHERE {where}", params)
        return None if row is None else Message._make(row)

    def _sent(self, conversation: int, role: str, client_id: str) -> Message | None:
        return self._first("conversation = ? AND role = ? AND client_id = ?", (conversation, role, client_id))

    def _follow(self, conversation: int, rev: int) -> None:
        """The last reply stands no longer at the end: it offers no Retry and no Continue any more."""
        self._db.execute("UPDATE messages SET followed = 1, rev = :rev WHERE id = (SELECT max(id) FROM messages WHERE "
                         "conversation = :conversation AND role = 'assistant' AND deleted = 0) AND followed = 0 "
                         "AND state IN ('stopped', 'failed', 'interrupted')",
                         {"rev": rev, "conversation": conversation})

    def _bury(self, message: int, rev: int) -> None:
        self._db.execute("UPDATE messages SET deleted = 1, text = '', thinking = '', client_id = NULL, rev = ? "
                         "WHERE id = ?", (rev, message))
        self._db.execute("DELETE FROM pieces WHERE message = ?", (message,))

    def _insert_reply(self, rev: int, *, conversation: int, waiting: bool, model: str,
                      **values: str | int | None) -> int:
        try:
            return self._insert(rev, conversation=conversation, role="assistant", **values,
                                state="waiting" if waiting else "streaming", model="" if waiting else model,
                                started_at=None if waiting else self._clock.now())
        except sqlite3.IntegrityError as error:  # the index one_active_reply; the caller's transaction is rolled back
            raise Conflict("A reply is running in another tab.", hint="Sending works again when it ends.") from error

    def _insert(self, rev: int, **values: str | int | float | None) -> int:
        values |= {"created_at": self._clock.now(), "born": rev, "rev": rev}
        columns, names = ", ".join(values), ", ".join(f":{column}" for column in values)
        return int(self._db.one(f"INSERT INTO messages ({columns}) VALUES ({names}) RETURNING id", values)["id"])

    def _alter(self, reply: int, where: str, **values: str | float | None) -> bool:
        """Change an active reply. False if it is active no longer, or `where` does not hold."""
        change = ", ".join(f"{column} = :{column}" for column in values)
        return self._change(f"UPDATE messages SET {change}, rev = :rev WHERE id = :id AND {ACTIVE} AND {where}",
                            values | {"id": reply})

    def _change(self, update: str, params: dict[str, Any]) -> bool:
        """One UPDATE as a change of its own. False, and no change, where there is no row for it."""
        with suppress(_Over), self._feed.change() as rev:
            if not self._db.execute(update, params | {"rev": rev}).rowcount:
                raise _Over
            return True
        return False


def joined(pieces: Iterable[Piece], kind: str) -> str:
    """The text of one kind of the pieces."""
    return "".join(piece.text for piece in pieces if piece.kind == kind)
