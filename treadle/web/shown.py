"""What viewers have been shown of a text that grows, and the swaps that bring any of them up to date.

The last block ends in a mark: `<span id="m11-57">`, which holds what is shown but not decided. Each publication puts a
new mark, with another number, in the place of the old one. So a swap that targets `#m11-57` does its work in a viewer
that is exactly there, and is skipped, as htmx skips what it does not find, in one that is further: applied once,
whatever the cursor. A new block is deleted by its id and appended. A block that must be drawn again is morphed.
htmx looks up all targets of a message before it swaps any, so no swap may need what another one brings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .leaves import REST, SPOT
from .markdown import with_id

KEPT = 64       # publications whose marks are remembered; a viewer that is further behind gets its last block whole
TOGETHER = 6    # marks answered one by one in a message; a viewer that may be at more of them gets its block whole
LARGE = 8_000   # characters of growth; more is prepared in the thread that draws it, or answered by the block whole
TAGS = re.compile(r"""<(/?)([a-z][a-z0-9]*)(?:[^>"]|"[^"]*")*>""")
CLOSERS = re.compile(r"(?:</[a-z0-9]+>)+$")
VOID = frozenset(["br", "hr", "input"])


class Mark(NamedTuple):
    """Where one publication ended: in which block, after how much of its HTML, inside which elements."""

    rev: int
    block: int
    offset: int
    path: tuple[str, ...]
    id: str  # "" where the text ended in nothing that can grow


class Snapshot(NamedTuple):
    """One publication; it never changes, so that it can be read while the next is being drawn."""

    rev: int
    done: list[str]  # grows; only the first `count` count
    count: int
    tail: tuple[str, ...]
    marks: tuple[Mark, ...]
    first: bool      # whether the oldest of these marks is the first of all
    ready: dict[str, str]  # the swaps of a large growth, by the mark they start from

    def html(self) -> str:
        return "".join(self.done[:self.count]) + "".join(self.tail)

    def block(self, number: int) -> str:
        return self.done[number] if number < self.count else self.tail[number - self.count]

    @property
    def blocks(self) -> int:
        return self.count + len(self.tail)


def partial(target: str, swap: str, content: str = "") -> str:
    """One swap of an htmx message."""
    return f'<hx-partial hx-target="{target}" hx-swap="{swap}">{content}</hx-partial>'


class Shown:
    """Publishes the blocks of one text. `root`: the id of the element they stand in; `prefix`: of their own ids.

    `publish` may run in a thread, one call at a time; `html` and `changes` only read the last publication.
    """

    def __init__(self, prefix: str, root: str) -> None:
        self._prefix, self._root = prefix, root
        self._now = Snapshot(0, [], 0, (), (), True, {})
        self._open: list[tuple[str, bool]] = []  # of each block in the tail: its HTML up to the mark, whether it grows
        self._tail: list[str] = []    # as it was given last
        self._number = 0
        self._most = 0
        self._begun: list[int] = []   # by block: the rev of its first drawing
        self._redrawn: list[int] = []  # and of the last that was no growth
        self._last_redrawn = 0

    @property
    def rev(self) -> int:
        return self._now.rev

    def html(self) -> str:
        """All of it; a viewer that followed every change has the same."""
        return self._now.html()

    def publish(self, rev: int, closed: list[str], tail: list[str], *, last: bool = False) -> None:
        """Show `closed`, the blocks that are finished now, and `tail`, of which the last may hold the spots.

        `last`: nothing follows, no mark is needed.
        """
        now = self._now
        if tail == self._tail and now.marks and not closed and not last:
            self._now = now._replace(rev=rev)
            return
        self._tail = tail
        done, count = now.done, now.count
        fresh: list[tuple[str, bool]] = []
        for number, html in enumerate(closed, count):
            done.append(with_id(html, self._prefix, number + 1))
            fresh.append((done[-1], False))
        shown: list[str] = []
        mark = Mark(rev, count + len(closed) + len(tail) - 1, 0, (), "")
        for at, html in enumerate(tail):
            whole = with_id(html, self._prefix, count + len(closed) + at + 1)
            if at < len(tail) - 1 or last:
                fresh.append((whole.replace(SPOT, "").replace(REST, ""), False))
                shown.append(fresh[-1][0])
                continue
            settled, held, close = _split(whole)
            fresh.append((settled, bool(close)))
            if close:
                path = tuple(close[2:-1].split("></"))[::-1]
                mark = Mark(rev, mark.block, len(settled), path, self._next(now, settled, held, close))
                settled += f'<span id="{mark.id}">{held}</span>{close}'
            shown.append(settled)
        self._note(rev, count, fresh)
        self._open = fresh[len(closed):]
        same = not closed and tuple(shown) == now.tail
        if same and now.marks:
            self._now = now._replace(rev=rev)
        else:
            self._turn(now, rev, done, count + len(closed), tuple(shown), mark)

    def _next(self, now: Snapshot, settled: str, held: str, close: str) -> str:
        """The name of the mark: the old one, if nothing has changed where it stands."""
        if now.marks and now.marks[-1].id and now.tail:
            old = now.marks[-1].id
            if now.tail[-1] == f'{settled}<span id="{old}">{held}</span>{close}':
                return old
        self._number += 1
        return f"{self._prefix}-{self._number}"

    def _note(self, rev: int, count: int, fresh: list[tuple[str, bool]]) -> None:
        """Remember which blocks began, and which were drawn differently than they had been."""
        for at, (html, _) in enumerate(fresh):
            number = count + at
            if number >= len(self._begun):
                self._begun.append(rev)
                self._redrawn.append(0)
            elif at >= len(self._open):  # one that was there once and went away
                self._redrawn[number] = self._last_redrawn = rev
            else:
                old, grew = self._open[at]
                if not (html.startswith(old) if grew else html == old):
                    self._redrawn[number] = self._last_redrawn = rev
        for at in range(len(fresh), len(self._open)):
            self._redrawn[count + at] = self._last_redrawn = rev

    def settle(self, rev: int, blocks: list[str]) -> bool:
        """The final drawing: all blocks, with their ids. True if anything but the end differs from what was shown."""
        now, before = self._now, self._last_redrawn
        for number, html in enumerate(blocks[:now.count]):
            if now.done[number] != html:
                self._redrawn[number] = self._last_redrawn = rev
        self._note(rev, now.count, [(html, False) for html in blocks[now.count:]])
        self._open = []
        self._turn(now, rev, list(blocks), len(blocks), (), Mark(rev, len(blocks) - 1, 0, (), ""))
        return self._last_redrawn > before

    def _turn(self, now: Snapshot, rev: int, done: list[str], count: int, tail: tuple[str, ...], mark: Mark) -> None:
        """Make a publication the one that is read."""
        ready: dict[str, str] = {}
        new = Snapshot(rev, done, count, tail, (*now.marks, mark)[-KEPT:], now.first and len(now.marks) < KEPT, ready)
        if now.marks and now.marks[-1].id and now.marks[-1].block < new.blocks:
            last = now.marks[-1]
            rest = new.block(last.block)[last.offset:]
            if len(rest) > LARGE and self._redrawn[last.block] < rev:
                ready[last.id] = "".join(_grow(last, rest))
        self._now = new

    # -- what a viewer lacks

    def changes(self, after: int) -> str:
        """The swaps for a viewer at rev `after` or, if that is too low, further on."""
        now = self._now
        if after >= now.rev or not now.marks:
            return ""
        at = len(now.marks) - 1
        while at >= 0 and now.marks[at].rev > after:
            at -= 1
        if at == len(now.marks) - 1:
            return ""
        if now.first and at <= 0:  # what it has may have been drawn by another rendering of the same reply
            return partial(f"#{self._root}", "innerMorph", now.html())
        if at >= 0:
            return "".join(self._from(now, at, after))
        number = sum(begun <= after for begun in self._begun) - 1
        return "".join([*self._again(now, number, after, {number}), *self._append(now, number + 1)])

    def _from(self, now: Snapshot, at: int, after: int) -> Iterator[str]:
        base = now.marks[at]
        growing = {mark.id: mark for mark in now.marks[at:] if mark.block == base.block and mark.id}
        growing.pop(now.marks[-1].id, None)
        block = now.block(base.block) if 0 <= base.block < now.blocks else ""
        whole = len(growing) > TOGETHER or any(len(block) - mark.offset > LARGE and mark.id not in now.ready
                                               for mark in growing.values())
        yield from self._again(now, base.block, after, {base.block} if whole else set())
        if block and not whole and self._redrawn[base.block] <= after:
            for mark in growing.values():
                yield now.ready.get(mark.id) or "".join(_grow(mark, block[mark.offset:]))
        yield from self._append(now, base.block + 1)

    def _again(self, now: Snapshot, number: int, after: int, also: set[int]) -> Iterator[str]:
        """Whole blocks, up to this one, that were drawn differently since, and `also` these."""
        redrawn = range(number + 1) if self._last_redrawn > after else ()
        for each in sorted({each for each in redrawn if self._redrawn[each] > after} | also):
            if 0 <= each < now.blocks:
                yield partial(f"#{self._prefix}-b{each + 1}", "outerMorph", now.block(each))

    def _append(self, now: Snapshot, first: int) -> Iterator[str]:
        """Blocks from this one on: deleted where they are, appended."""
        first = min(first, now.blocks)
        for number in range(first, max(now.blocks, len(self._begun) if self._last_redrawn else 0)):
            yield partial(f"#{self._prefix}-b{number + 1}", "delete")
        if first < now.blocks:
            yield partial(f"#{self._root}", "beforeend", "".join(now.block(n) for n in range(first, now.blocks)))


def _split(block: str) -> tuple[str, str, str]:
    """A block in three: settled, shown but not decided, and the tags that close it."""
    settled, spot, rest = block.partition(SPOT)
    if spot:
        held, _, close = rest.partition(REST)
        return settled, held, close
    found = CLOSERS.search(block, max(0, len(block) - 400))  # else every tag of a long table is tried
    return (block[:found.start()], "", found.group()) if found else (block, "", "")


def _grow(mark: Mark, rest: str) -> Iterator[str]:
    """Put `rest`, the HTML of a block after a mark, in its place: at the mark, and after elements that it closes."""
    parts: list[str] = []
    depth = start = 0
    for tag in TAGS.finditer(rest):
        if tag[2] in VOID or tag[0].endswith("/>"):
            continue
        depth += -1 if tag[1] else 1
        if depth < 0:
            parts.append(rest[start:tag.start()])
            depth, start = 0, tag.end()
    for level in range(len(parts) - 1, 0, -1):
        if parts[level]:
            closed = mark.path[-level:]
            yield partial(f"{closed[0]}:has({''.join('>' + tag for tag in closed[1:])}>#{mark.id})", "afterend",
                          parts[level])
    yield partial(f"#{mark.id}", "outerHTML" if parts[0] else "delete", parts[0])
