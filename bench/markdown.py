"""Figures 7, 8, 10 and the server's part of 9: a streamed reply beside its raw text, at one flush per 4 tokens."""

from __future__ import annotations

import asyncio
import json
import random
import re
import statistics
import tempfile
import time
from html import escape
from pathlib import Path

from bench.measure import ROUNDS, Row
from bench.readers import Readers
from bench.stream import Raw, listening
from treadle.config import Settings
from treadle.conversation import Place
from treadle.core import Core
from treadle.web import markdown
from treadle.web.viewport import Viewports, sse

NOBODY = "http://127.0.0.1:9"  # where no model answers
TOKENS, FLUSH = 4_000, 4
DELIVERED, FRAME_S = 400, 0.005  # flushes of one run over a socket, and how far apart frames are then
DOCUMENTS = 300  # of figure 10; `make soak` checks 5,000
PART = """## Part {n}

The **first** point is that hosts are counted once, and the order `urlsplit(url).hostname` of the first sight is kept while
it counts everything. See [the docs](https://docs.example.org/a/{n}) for more, or ask again; it is *not* a mistake.

- One item with `code`
- Another item that says a little more than the first
- Third

```python
def hosts(urls, n={n}):
    # one pass over the list
    for url in urls:
        seen[url] = seen.get(url, 0) + 1
    return sorted(seen)
```

| Host | Pages |
|------|------:|
| www.example.org | {n} |
| docs.example.org | 12 |

Then a paragraph of plain words follows, without anything special in it, as most of a reply is just that: sentences which
say what there is to say, in the order in which it matters to the person who asked, and which end with a full stop.

"""
TEXTS = {
    "mixed": "".join(PART.format(n=n) for n in range(25)),
    "list": "".join(f"- item {n} says **something** about `thing{n}` and a few words more\n" for n in range(400)),
    "fence": "```python\n" + "".join(f"    value_{n} = compute({n}, 'text')  # note {n}\n" for n in range(600)),
    "table": "| a | b | c |\n|---|---|--:|\n" + "".join(f"| name {n} | some words here | {n * 7} |\n" for n in range(600)),
}


def flushes(text: str) -> list[str]:
    """The text of each flush. A token is a run of at most five letters with the space before it."""
    tokens = re.findall(r"\s*\S{1,5}|\s+", text)[:TOKENS]
    return ["".join(tokens[at:at + FLUSH]) for at in range(0, len(tokens), FLUSH)]


class Run:
    """One reply, streamed: bytes and CPU of its halves, and how long its end took."""

    def __init__(self) -> None:
        self.bytes = [0, 0]
        self.cpu_s = [0.0, 0.0]
        self.end_s = 0.0

    @property
    def all_bytes(self) -> int:
        return sum(self.bytes)

    @property
    def all_cpu_s(self) -> float:
        return sum(self.cpu_s)


async def ours(core: Core, pieces: list[str]) -> Run:
    """As the product does it for its viewers: the piece is written, the frame is drawn."""
    run, view = Run(), Viewports(core).of(1)
    _, reply = core.conversations.ask(1, "?", client_id=str(core.feed.rev), place=Place(), waiting=False)
    at = view.frame(view.now()).end
    for number, piece in enumerate(pieces):
        half, before = number * 2 // len(pieces), time.process_time()
        core.conversations.write(reply.id, text=piece, first=number == 0)
        frame = view.frame(at)
        at = frame.end
        while at.text < core.feed.rev:  # it is drawn in the thread
            await asyncio.sleep(0.001)
            frame = view.frame(at)
            at = frame.end
        run.cpu_s[half] += time.process_time() - before
        run.bytes[half] += len(frame.data)
    began = time.perf_counter()
    core.conversations.settle(reply.id, "done")
    while at.text < core.feed.rev:
        await asyncio.sleep(0.001)
        at = view.frame(at).end
    run.end_s = time.perf_counter() - began
    return run


async def raw(core: Core, pieces: list[str]) -> Run:
    """The baseline: the piece is written, and sent as it is."""
    run = Run()
    _, reply = core.conversations.ask(1, "?", client_id=str(core.feed.rev), place=Place(), waiting=False)
    after = core.feed.rev
    for number, piece in enumerate(pieces):
        half, before = number * 2 // len(pieces), time.process_time()
        core.conversations.write(reply.id, text=piece, first=number == 0)
        new = core.conversations.pieces(reply.id, after=after)
        after = new[-1].rev
        frame = sse(escape("".join(row.text for row in new)), id=f"{core.db.epoch}-{after}")
        run.cpu_s[half] += time.process_time() - before
        run.bytes[half] += len(frame)
    core.conversations.settle(reply.id, "done")
    return run


async def delivered_row(core: Core) -> Row:
    """Figure 8, from the model's lines to the socket of a viewer: the product, and a stream of the raw deltas."""
    from treadle.web.app import create_app

    pieces, sender = flushes(TEXTS["mixed"])[:DELIVERED], Raw()
    async with listening(create_app(core)) as ours_port, listening(sender) as raw_port:

        async def run(side: str) -> float:
            _, reply = core.conversations.ask(1, "?", client_id=str(core.feed.rev), place=Place(), waiting=False)
            headers = ["Host: 127.0.0.1:5001", f"Authorization: Bearer {core.folder.secret('token')}"]
            path = f"/events/1?since={core.db.epoch}-{core.feed.rev}"
            async with Readers(ours_port if side == "ours" else raw_port, path, headers, 1):
                before = time.process_time()
                for number, piece in enumerate(pieces):
                    for line in lines_of(piece):
                        json.loads(line)
                    core.conversations.write(reply.id, text=piece, first=number == 0)
                    if side == "raw":
                        sender.publish(sse(escape(piece), id=f"{core.db.epoch}-{core.feed.rev}"))
                    await asyncio.sleep(2 * FRAME_S)
                spent = time.process_time() - before
            core.conversations.settle(reply.id, "done")
            return spent

        await run("ours"), await run("raw")
        found = [(await run("ours"), await run("raw")) for _ in range(3)]
        sender.close()
    mine, base = (statistics.median(pair[side] for pair in found) / DELIVERED / FLUSH * 1e6 for side in (0, 1))
    ratio = statistics.median(a / b for a, b in found)
    return Row("8", "CPU a token, mixed, from the model's lines to a viewer's socket", f"{mine:.0f} us",
               f"{base:.0f} us raw deltas", f"{ratio:.2f}", "2", ratio <= 2)


def lines_of(piece: str) -> list[str]:
    """The lines a model sends for one flush."""
    return [json.dumps({"model": "m", "created_at": "2026-11-21T12:00:00Z", "message": {"role": "assistant", "content": part},
                        "done": False}) for part in (piece[at::FLUSH] for at in range(FLUSH))]


async def measured() -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as data:
        async with Core.open(Settings(data=Path(data), ollama_host=NOBODY)) as core:
            markdown.warm()
            rows.append(await delivered_row(core))
            for name, text in TEXTS.items():
                pieces = flushes(text)
                await ours(core, pieces), await raw(core, pieces)
                found = [(await ours(core, pieces), await raw(core, pieces)) for _ in range(ROUNDS)]
                rows += figures(name, found)
    return rows


def figures(name: str, found: list[tuple[Run, Run]]) -> list[Row]:
    """The rows of one text."""
    mine, base = found[0]
    growth = statistics.median(run.bytes[1] / run.bytes[0] for run, _ in found)
    times = statistics.median(run.all_bytes / other.all_bytes for run, other in found)
    slower = statistics.median(run.cpu_s[1] / run.cpu_s[0] for run, _ in found)
    goal_growth, goal_slower = (1.1, 1.2) if name == "mixed" else (1.4, 2.0 if name == "list" else 1.2)
    rows = [
        Row("7", f"bytes a token, {name}: second half against first", f"{mine.bytes[1] / TOKENS * 2:.1f}",
            f"{mine.bytes[0] / TOKENS * 2:.1f}", f"{growth:.2f}", f"{goal_growth}", growth <= goal_growth),
        Row("7", f"bytes a token, {name}: against raw deltas", f"{mine.all_bytes / TOKENS:.1f}",
            f"{base.all_bytes / TOKENS:.1f}", f"{times:.1f}", "5", times <= 5),
        Row("8", f"CPU a token, {name}: second half against first", f"{mine.cpu_s[1] / TOKENS * 2e6:.0f} us",
            f"{mine.cpu_s[0] / TOKENS * 2e6:.0f} us", f"{slower:.2f}", f"{goal_slower}", slower <= goal_slower),
    ]
    if name == "mixed":
        end_ms = statistics.median(run.end_s for run, _ in found) * 1e3
        rows.append(Row("9", f"the end of a reply of {TOKENS} tokens, drawn on the server", f"{end_ms:.0f} ms", "",
                        "", "100 ms", end_ms <= 100))
    return rows


def same_row() -> Row:
    """Figure 10: random documents in random pieces; what every viewer has beside what a page draws."""
    from tests.growing import CORPUS, PIECES, cuts_of, stream

    wrong = 0
    for seed in range(DOCUMENTS):
        choose = random.Random(seed)
        text = choose.choice(CORPUS) if seed % 9 == 0 else "".join(choose.choices(PIECES, k=choose.randint(1, 40)))
        try:
            stream(text, cuts_of(text, choose.choice((1, 2, 3, 9)), choose), choose)
        except AssertionError:
            wrong += 1
    return Row("10", f"{DOCUMENTS} random documents and chunkings: streamed unlike drawn at once", str(wrong), "", "", "0",
               wrong == 0)


def rows() -> list[Row]:
    """Bytes and CPU of a streamed reply, and whether it ends as a page draws it."""
    from treadle.web import delivery

    usual, delivery.FRAME_S = delivery.FRAME_S, FRAME_S
    try:
        return [*asyncio.run(measured()), same_row()]
    finally:
        delivery.FRAME_S = usual
