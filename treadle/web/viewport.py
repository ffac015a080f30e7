"""What people see of a conversation: rows drawn once for all who look, and only while somebody looks.

A viewer is a cursor. `page_rows` draws the log for a page; `frame` draws what a cursor lacks, as one SSE message of
`<hx-partial>`s which all viewers at the same position share. Every partial is idempotent, so that a cursor which is
too low does no harm.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from html import escape, unescape
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from ..conversation import Message, joined
from ..core import Core
from .components.bell import Bell
from .components.chat import ComposerAction, Earlier, MessageRow
from .components.icons import icon_at
from .components.model import Condition, ModelPicker
from .components.runlist import runs_changed
from .components.runs import run_changed
from .components.shell import places_changed
from .job_rows import job_counts, jobs_since
from .live import Live, thinking_of
from .markdown import render_reply

if TYPE_CHECKING:
    from .deps import Web

PAGE = 100            # rows of a page; a viewer who lacks more gets the rows of a page instead
ON_LOOP = 4_000       # characters of settled replies that may be rendered on the loop; more goes to a thread
PATIENCE_S = 0.5      # how long a page waits for the rendering of a reply that is being written
CACHE = 8_000_000     # characters of drawn HTML kept
IDLE = 8              # viewports kept after their last viewer has left: a reload goes on where it was
RUNS = 50             # of which a snapshot says that they may have changed
ANNOUNCED = 1_500     # characters of a reply that are read out; the whole of it is in the log
EOL = re.compile("\r\n|\r|\n")
BLOCK_END = re.compile(r"</(?:p|li|t[dh]|h[1-6]|pre|div)>")  # words on both sides of it are two
TAG = re.compile(r"<[^>]*>")
NAME = re.compile(r"[A-Za-z0-9_-]+")
THERE = " "           # what stands for the inside of an element that a morph leaves as it is


class Position(NamedTuple):
    """What a viewer has: the rows up to rev `rows`, and of replies the rendering up to rev `text`."""

    rows: int
    text: int


NOTHING = Position(-1, -1)  # of a viewer whose cursor says nothing to us: it is given a snapshot


class Frame(NamedTuple):
    """One SSE message, b"" where there is nothing to tell, and where its viewer is then."""

    data: bytes
    end: Position


def partial(target: str, swap: str, content: str = "") -> str:
    """One swap of an htmx message."""
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{content}</hx-partial>'


def sse(content: str, *, id: str) -> bytes:
    """One SSE message. LF only, and split only where the format splits lines: not at U+2028 and the like."""
    lines = "\ndata: ".join(EOL.split(content))
    return (f"id: {id}\ndata: {lines}\n\n" if id else f"data: {lines}\n\n").encode()


class Kept:
    """What was drawn of messages that change no more, by their ids: whole rows, and of replies the bodies.

    Holds at least two pages; above `CACHE` characters what has not been used for longest goes.
    """

    def __init__(self) -> None:
        self._drawn: OrderedDict[int, str] = OrderedDict()
        self._size = 0

    def get(self, id: int) -> str | None:
        """What was kept, or None."""
        found = self._drawn.get(id)
        if found is not None:
            self._drawn.move_to_end(id)
        return found

    def keep(self, id: int, drawn: str) -> str:
        """Keep and return it."""
        self._size += len(drawn) - len(self._drawn.pop(id, ""))
        self._drawn[id] = drawn
        while self._size > CACHE and len(self._drawn) > 2 * PAGE:
            self._size -= len(self._drawn.popitem(last=False)[1])
        return drawn


class Viewport:
    """One conversation, as its viewers see it.

    `generation` rises when there is something for them; `watched` counts them. Both are moved by `delivery`.
    """

    def __init__(self, core: Core, conversation: int, kept: Kept) -> None:
        self.conversation = conversation
        self.generation = self.watched = 0
        self._core, self._db, self._feed, self._rows = core, core.db, core.feed, core.conversations
        self._kept = kept
        self._lives: dict[int, Live] = {}
        self._frames: dict[Position, Frame] = {}
        self._tick = -1
        self._log = (-1, "")  # #log-items as drawn at the newest rev of its rows; -1: it may have changed since

    def exists(self) -> bool:
        """Whether the conversation is still there."""
        return self._rows.exists(self.conversation)

    # -- a page

    def page_rows(self, since: int) -> tuple[str, str]:
        """The cursor of a page, and the inside of its #log-items. Nothing may be awaited until the page is drawn.

        `since`: the rev at which drawing the page began; the rest of it may be as old as that.
        """
        self._follow()
        newest = self._newest()
        if self._log[0] != newest:
            log = "".join(self._row(row) for row in self._rows.messages(self.conversation, limit=PAGE))
            self._log = (newest if all(live.finished for live in self._lives.values()) else -1, log)
        return f"{self._db.epoch}-{min(since, self._rendered())}", self._log[1]

    async def prepare(self) -> None:
        """Render off the loop what the page will need and what is costly."""
        if self._log[0] == self._newest():
            return
        await self._prepare(Position(0, 0))
        self._follow()
        for live in [live for live in self._lives.values() if live.behind]:
            with suppress(TimeoutError):
                await self._core.clock.wait_for(live.rendered(), PATIENCE_S)

    # -- a stream

    def position(self, cursor: str) -> Position:
        """Where a viewer with this cursor is. Garbage, another database, the future: nowhere, it gets a snapshot."""
        epoch, _, rev = cursor.rpartition("-")
        if epoch != self._db.epoch or not (rev.isascii() and rev.isdigit() and len(rev) < 17):
            return NOTHING
        return Position(int(rev), int(rev)) if int(rev) <= self._feed.rev else NOTHING

    def now(self) -> Position:
        """Where a viewer is who has everything that is rendered."""
        self._follow()
        return Position(self._feed.rev, self._rendered())

    def id(self, at: Position) -> str:
        """What a viewer at `at` may resume with; "" while its text is behind its rows."""
        return f"{self._db.epoch}-{at.rows}" if at.text >= at.rows >= 0 else ""

    def frame(self, at: Position) -> Frame:
        """What a viewer at `at` lacks, as one message; drawn once for all who are there."""
        if self._tick != self._feed.tick:
            self._follow()
            self._frames.clear()
            self._tick = self._feed.tick
        found = self._frames.get(at)
        if found is None:
            found = self._frames[at] = self._draw(at)
        return found

    async def prepare_after(self, at: Position) -> None:
        """Render off the loop what the next frame will need and what is costly."""
        if self._feed.rev > at.text:
            await self._prepare(at)

    def rest(self) -> None:
        """The last viewer has left: nothing is drawn until somebody comes, and what is finished is forgotten."""
        self._frames.clear()
        self._tick = -1
        self._lives = {id: live for id, live in self._lives.items() if not live.finished}

    # -- drawing

    def _follow(self) -> None:
        """Give the rendering what has been written since, and end it with its reply."""
        active = self._rows.active(self.conversation)
        if active is not None and active.id not in self._lives:
            self._lives = {id: live for id, live in self._lives.items() if not live.finished}
            self._lives[active.id] = Live(active, self._feed.wake)
        for live in [live for live in self._lives.values() if not live.ended]:
            if active is not None and active.id == live.id:
                if pieces := self._rows.pieces(live.id, after=live.fed):
                    live.feed(joined(pieces, "text"), joined(pieces, "thinking"), pieces[-1].rev)
                continue
            message = self._rows.get(live.id)
            if message.deleted:
                del self._lives[live.id]
            else:
                live.end(message)

    def _newest(self) -> int:
        newest = self._db.one("SELECT max(rev) AS rev FROM messages WHERE conversation = ?", (self.conversation,))
        return newest["rev"] or 0

    def _rendered(self) -> int:
        """Up to which rev everything is rendered."""
        return min([self._feed.rev, *(live.rev for live in self._lives.values() if live.behind)])

    def _draw(self, at: Position) -> Frame:
        end = Position(self._feed.rev, max(at.text, self._rendered()))
        if at == end:
            return Frame(b"", at)
        rows = self._rows.messages(self.conversation, after=min(at)) if min(at) >= 0 else []
        if min(at) < 0 or len(rows) > PAGE:
            parts = [*self._snapshot(at.rows)]
        else:
            parts = [part for row in rows for part in self._change(row, at)]
            parts += [live.changes(at.text) for live in self._lives.values() if live.born <= at.rows]
            parts += self._around(at.rows, rows)
        content = "".join(parts)
        return Frame(sse(content, id=self.id(end)) if content else b"", end)

    def _snapshot(self, after: int) -> Iterator[str]:
        """Everything, for a viewer of whom nothing is known, or too little."""
        rows = self._rows.messages(self.conversation, limit=PAGE)
        yield partial("#log-items", "innerHTML", "".join(self._row(row) for row in rows))
        before = self._rows.oldest(self.conversation, shown=PAGE)
        yield partial("#earlier", "outerHTML", str(Earlier(self.conversation, before)))
        yield self._composer()
        yield from self._model()
        yield from self._places(after)
        yield from self._runs(after, RUNS)
        yield self._bell()

    def _change(self, row: Message, at: Position) -> Iterator[str]:
        """A row as it is now, for a viewer who does not have it or has it as it was."""
        live = self._lives.get(row.id)
        if row.deleted:
            yield partial(f"#m{row.id}", "delete")
        elif row.born > at.rows:
            if row.role == "user" and row.client_id and NAME.fullmatch(row.client_id):
                yield partial(f"#u-{row.client_id}", "delete")  # what app.js drew before the server had answered
            yield partial(f"#m{row.id}", "delete")
            yield partial("#log-items", "beforeend", self._row(row))
        elif row.role == "assistant":
            # The morph leaves the inside of both texts alone: what is new in them comes by itself, or whole where it
            # is not known any more. The thinking is sent with its element as well: htmx looks for all targets of a
            # message before it swaps, and does not find what the message brings.
            thinking = live.thinking if live is not None else thinking_of(row) if row.thinking else ""
            if row.rev > at.rows:
                sent = THERE if live is not None and live.thought_since(at.text) else thinking
                yield partial(f"#m{row.id}", "outerMorph settle:0", str(MessageRow(row, THERE, sent)))
            if live is None and not row.active:
                yield partial(f"#m{row.id}-body", "innerMorph settle:0", self._body(row))
                if thinking:
                    yield partial(f"#m{row.id}-thinking", "innerMorph settle:0", thinking)

    def _around(self, after: int, rows: list[Message]) -> Iterator[str]:
        """What stands around the log: the composer's button, the model, the runs, and what a screen reader says."""
        replies = [row for row in rows if row.role == "assistant"]
        if any(row.rev > after for row in replies):
            yield self._composer()
        if replies and (said := self._said(replies[-1], after)):
            yield partial("#announce", "innerHTML", escape(said))
        if self._db.first("SELECT 1 FROM settings WHERE key = 'model.status' AND rev > ?", (after,)):
            yield from self._model()
        yield from self._places(after)
        yield from self._runs(after, -1)
        if (ended := jobs_since(self._core, after)) is not None:
            yield self._bell()
            yield partial("#job-said", "innerHTML", escape(" ".join(ended)))

    def _bell(self) -> str:
        return partial("#bell", "outerMorph settle:0", Bell(*job_counts(self._core)))

    def _places(self, after: int) -> Iterator[str]:
        """What was loaded anew: the places, and the runs of them that may be open. Those have not changed as rows."""
        if changed := self._core.watch.changed_since(after):
            yield places_changed(changed)
            among = ",".join("?" * len(changed))
            for run in self._db.rows(f"SELECT key FROM runs WHERE endpoint IN ({among}) ORDER BY rev DESC LIMIT ?",
                                     (*changed, RUNS)):
                yield run_changed(run["key"])

    def _runs(self, after: int, most: int) -> Iterator[str]:
        keys = [row["key"] for row in self._db.rows("SELECT key FROM runs WHERE rev > ? ORDER BY rev DESC LIMIT ?",
                                                    (after, most))]
        yield from map(run_changed, keys)
        if keys:
            yield runs_changed()

    def _said(self, reply: Message, after: int) -> str:
        """What is announced of a reply that has changed: that it is coming, and the whole once it is drawn."""
        live = self._lives.get(reply.id)
        if reply.deleted or reply.state == "waiting" or (live is not None and live.ended and live.behind):
            return ""
        if reply.active:
            return "Replying" if reply.rev > after else ""
        plain = reply.text if live is None else unescape(TAG.sub("", BLOCK_END.sub(" ", live.body[:20 * ANNOUNCED])))
        plain = " ".join(f"{reply.error} {plain}".split())
        return plain if len(plain) <= ANNOUNCED else f"{plain[:ANNOUNCED].rpartition(' ')[0]} …"

    def _composer(self) -> str:
        button = ComposerAction(self._rows.active(self.conversation))
        return partial("#composer-action", "outerMorph settle:0", str(button))

    def _model(self) -> Iterator[str]:
        status = self._core.llm.status
        yield partial("#model", "outerMorph settle:0", str(ModelPicker(status)))
        yield partial("#condition", "outerMorph settle:0", str(Condition(status)))

    def _row(self, row: Message) -> str:
        if row.role == "assistant":
            live = self._lives.get(row.id)
            if live is not None:
                return str(MessageRow(row, live.body, live.thinking))
            return str(MessageRow(row, self._body(row), thinking_of(row) if row.thinking else ""))
        return self._kept.get(row.id) or self._kept.keep(row.id, str(MessageRow(
            row, sign=icon_at(self._core.plugins, row.endpoint))))

    def _body(self, row: Message) -> str:
        return self._kept.get(row.id) or self._kept.keep(row.id, render_reply(f"m{row.id}", row.text))

    async def _prepare(self, at: Position) -> None:
        # a page has the newest rows, a stream those that changed last: each is found by an index of its own
        rev = "rev" if min(at) > 0 else "+rev"
        replies = self._db.rows(
            f"SELECT id FROM (SELECT id, role FROM messages WHERE conversation = ? AND {rev} > ? AND deleted = 0 "
            "ORDER BY id DESC LIMIT ?) WHERE role = 'assistant'", (self.conversation, min(at), PAGE))
        missing = [row["id"] for row in replies if row["id"] not in self._lives and self._kept.get(row["id"]) is None]
        texts = [(id, self._rows.get(id).text) for id in missing]
        if sum(len(text) for _, text in texts) > ON_LOOP:
            for id, text in texts:
                if not text:  # it is being written, or said nothing
                    continue
                self._kept.keep(id, await asyncio.to_thread(render_reply, f"m{id}", text))


class Viewports:
    """The viewports of a server: those that are watched, and a few that were."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._kept = Kept()
        self._open: OrderedDict[int, Viewport] = OrderedDict()

    def of(self, conversation: int) -> Viewport:
        """The viewport of this conversation; all who ask share it while it is watched."""
        found = self._open.get(conversation)
        if found is None:
            found = self._open[conversation] = Viewport(self._core, conversation, self._kept)
            idle = [number for number, viewport in self._open.items() if not viewport.watched]
            for number in idle[:-IDLE]:
                del self._open[number]
        self._open.move_to_end(conversation)
        return found


_OF: WeakKeyDictionary[Core, Viewports] = WeakKeyDictionary()


def viewports(core: Core) -> Viewports:
    """The viewports of this core's server."""
    found = _OF.get(core)
    if found is None:
        found = _OF[core] = Viewports(core)
    return found


def viewport_of(web: Web) -> Viewport:
    """The viewport of the conversation a page shows."""
    return viewports(web.core).of(web.conversation)
