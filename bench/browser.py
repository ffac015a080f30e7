"""Figures 9 and 11, and eight windows: a reply in a real browser beside raw text that is appended.

The main thread is measured with the real server and a fake model at a fixed rate, in turn with pages that append the
same tokens as text nodes and follow their end, as our log does. From the flush to the screen, both stand open at once
and are told in turn, so that the machine's other work meets both alike.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount

from bench.markdown import TEXTS, TOKENS
from bench.measure import Row, p
from bench.start import free_port, treadle
from bench.stream import NOBODY, listening
from treadle.config import Settings
from treadle.conversation import Place
from treadle.core import Core
from treadle.web import assets

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync"]
CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 1440, "height": 900}
RATE, WINDOW_S = 320, 0.04  # tokens a second; text is flushed as often as ours is
ROUNDS = 3
MARKS, APART_S = 150, 0.06
WINDOWS, CHANGES = 8, 8
MS = 1000
LONG = """new PerformanceObserver(list => { for (const task of list.getEntries())
    (window.long ??= []).push(task.startTime); }).observe({type: "longtask"});"""
BARE = """<!doctype html><meta charset="utf-8"><title>raw</title><style>
body { margin: 0; font: 15px/1.6 sans-serif } #log { height: 100vh; width: 448px; overflow: auto; white-space: pre-wrap }
</style><div id="log"><div id="log-items"></div></div>"""
APPEND = """<script>
document.documentElement.dataset.js = "";
const begin = () => {
  const log = document.getElementById("log"), reply = document.createElement("div"), source = new EventSource("/raw");
  reply.className = "body prose";
  reply.style.whiteSpace = "pre-wrap";
  document.getElementById("log-items").append(reply);
  source.onopen = () => { window.connected = true; };
  source.onmessage = ({data}) => { reply.append(data); log.scrollTop = log.scrollHeight; };
  source.addEventListener("end", () => { source.close(); window.over = performance.timeOrigin + performance.now(); });
};
</script>"""
OVER = """new MutationObserver((_, observer) => { if (document.querySelector(".msg.assistant footer.by")) {
    window.over = performance.timeOrigin + performance.now(); observer.disconnect(); } })
    .observe(document.getElementById("log-items"), {childList: true, subtree: true});"""
WATCH = r"""seen = {}; const frames = new MessageChannel(); let fresh = [];
const now = () => performance.timeOrigin + performance.now();
frames.port1.onmessage = () => { for (const mark of fresh) seen[mark].push(now()); fresh = []; };
new MutationObserver(changes => {
  const at = now(), words = [];
  for (const {addedNodes, target, type} of changes)
    words.push(type === "characterData" ? target.data : [...addedNodes].map(node => node.textContent).join(" "));
  for (const mark of words.join(" ").match(/mark\d+/g) ?? []) {
    if (seen[mark]) continue;
    seen[mark] = [at];
    if (!fresh.push(mark) || fresh.length > 1) continue;
    requestAnimationFrame(() => frames.port2.postMessage(0));
  }
}).observe(document.body, {childList: true, subtree: true, characterData: true});"""


class RawPage:
    """The baseline: a page, and a stream that sends what it is given as it is, which the page appends as text nodes.

    `page`: its HTML, without a script.
    """

    def __init__(self, page: str = BARE) -> None:
        self.page = (page + APPEND).encode()
        self.pending: list[bytes] = []
        self.news = asyncio.Event()
        self.ended = 0.0

    def publish(self, text: str) -> None:
        """To the one viewer there is."""
        self.pending.append(b"data: " + text.replace("\n", "\ndata: ").encode() + b"\n\n")
        self.news.set()

    def end(self) -> None:
        """No more text."""
        self.ended = time.time()
        self.pending.append(b"event: end\ndata:\n\n")
        self.news.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        stream = path == "/raw"
        kind = b"text/event-stream" if stream else b"text/html"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        if not stream:
            await send({"type": "http.response.body", "body": self.page if path == "/" else b""})
            return
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        more = True
        while more:
            await self.news.wait()
            self.news.clear()
            data, self.pending = b"".join(self.pending), []
            more = b"event: end" not in data
            await send({"type": "http.response.body", "body": data, "more_body": more})


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """The one browser."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        await browser.close()


async def eventually(page: Any, script: str, *, every_s: float = 0.25, within_s: float = 60) -> Any:
    """The first true value of `script`. Asked for seldom, as asking costs the page a little."""
    end = time.monotonic() + within_s
    while not (value := await page.evaluate(script)):
        assert time.monotonic() < end, script
        await asyncio.sleep(every_s)
    return value


CONNECTED = "!!document.getElementById('live')?._htmx?.sse?.reader"


class Spent:
    """What a page's main thread did for one reply."""

    def __init__(self, before: dict[str, float], after: dict[str, float], long: int, late_s: float) -> None:
        self.task_s = after["TaskDuration"] - before["TaskDuration"]
        self.script_s = after["ScriptDuration"] - before["ScriptDuration"]
        self.layout_s = sum(after[name] - before[name] for name in ("LayoutDuration", "RecalcStyleDuration"))
        self.long, self.late_s = long, late_s


async def one_reply(browser: Any, address: str, begin: Callable[[Any], Awaitable[object]],
                    ended: Callable[[], float]) -> Spent:
    """Open a page, have it show a reply, and say what that cost it. Times of the main thread are its CPU time."""
    context = await browser.new_context(viewport=SIZE)
    page = await context.new_page()
    await page.add_init_script(LONG)
    await page.goto(address)
    session = await context.new_cdp_session(page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})

    async def metrics() -> dict[str, float]:
        found = await session.send("Performance.getMetrics")
        return {each["name"]: each["value"] for each in found["metrics"]}

    await eventually(page, f"typeof begin === 'function' || {CONNECTED}")
    await asyncio.sleep(1)
    before = await metrics()
    await page.evaluate("window.long = []")
    await begin(page)
    over = await eventually(page, "window.over")
    await asyncio.sleep(0.2)
    spent = Spent(before, await metrics(), await page.evaluate("window.long.length"), over / MS - ended())
    await context.close()
    return spent


async def ours_once(browser: Any, tokens: list[str]) -> Spent:
    """The product: its server, its page, and a model that says `tokens`."""
    from tests.fakes import FakeOllama, Script
    from tests.harness import Server

    with tempfile.TemporaryDirectory() as folder:
        async with FakeOllama() as fake:
            fake.script = Script(chunks=tuple(tokens), tps=RATE)
            server = Server(Path(folder), "--no-token", ollama=fake.address)
            await asyncio.to_thread(server.start)
            try:
                async def begin(page: Any) -> None:
                    await page.evaluate(OVER)
                    await page.locator("#text").fill("Go on.")
                    await page.locator("#text").press("Enter")

                def ended() -> float:
                    return time.time() - time.monotonic() + (fake.chats[-1].ended or 0.0)

                return await one_reply(browser, server.address, begin, ended)
            finally:
                await asyncio.to_thread(server.kill)


def shell() -> str:
    """The product's own first page without its script: what stands around the text is drawn alike then."""
    with (tempfile.TemporaryDirectory() as data, treadle(data) as server,
          urllib.request.urlopen(f"http://127.0.0.1:{server.port}/") as answer):
        html: str = answer.read().decode()
    return re.sub(r'<script src="[^"]*"></script>', "", html)


async def raw_once(browser: Any, tokens: list[str], page: str = BARE) -> Spent:
    """The same tokens at the same pace, flushed as often, appended as text."""
    raw = RawPage(page)

    async def flush() -> None:
        began, sent = time.monotonic(), 0
        while sent < len(tokens):
            due = min(len(tokens), int((time.monotonic() - began) * RATE) + 1)
            raw.publish("".join(tokens[sent:due]))
            sent = due
            await asyncio.sleep(WINDOW_S)
        raw.end()

    async with listening(Starlette(routes=[*assets.routes, Mount("/", raw)])) as port:
        sending: list[asyncio.Task[None]] = []

        async def begin(page: Any) -> None:
            await page.evaluate("begin()")
            await eventually(page, "window.connected")
            sending.append(asyncio.ensure_future(flush()))

        return await one_reply(browser, f"http://127.0.0.1:{port}/", begin, lambda: raw.ended)


async def main_thread_rows(browser: Any) -> list[Row]:
    """Figure 9, beside two baselines: raw text appended in our own page, and in a page that holds nothing else."""
    tokens = re.findall(r"\s*\S{1,5}|\s+", TEXTS["mixed"])[:TOKENS]
    page = await asyncio.to_thread(shell)
    await ours_once(browser, tokens[:200]), await raw_once(browser, tokens[:200], page)
    rounds = [(await ours_once(browser, tokens), await raw_once(browser, tokens, page), await raw_once(browser, tokens))
              for _ in range(ROUNDS)]
    task, raw, bare = (statistics.median(each.task_s for each in side) for side in zip(*rounds, strict=True))
    ratio, bare_ratio = (statistics.median(each[0].task_s / each[side].task_s for each in rounds) for side in (1, 2))
    long, raw_long, _ = (statistics.median(each.long for each in side) for side in zip(*rounds, strict=True))
    late, raw_late, _ = (statistics.median(each.late_s for each in side) * MS for side in zip(*rounds, strict=True))
    return [
        Row("9", f"browser main thread, {len(tokens)} tokens", f"{task:.2f} s", f"{raw:.2f} s raw append in the same page",
            f"{ratio:.2f}", "1.3", ratio <= 1.3),
        Row("9", "the same beside an empty page", f"{task:.2f} s", f"{bare:.2f} s raw append in an empty page",
            f"{bare_ratio:.2f}", "1.3", bare_ratio <= 1.3),
        Row("9", "long tasks while it streams", f"{long:g}", f"{raw_long:g} raw", "", "0", long == 0),
        Row("9", "shown whole after the model's last line", f"{late:.0f} ms", f"{raw_late:.0f} ms raw", "", "100 ms", late <= 100),
    ]


async def latency_rows(browser: Any, core: Core, address: str) -> list[Row]:
    """Figure 11: from the flush to the DOM, and to the frame after."""
    raw, published = RawPage(), dict[str, float]()
    windows = [await browser.new_context(viewport=SIZE) for _ in range(2)]  # in one, only one page draws frames
    async with listening(raw) as port:
        ours_page, raw_page = [await window.new_page() for window in windows]
        await ours_page.goto(address)
        await raw_page.goto(f"http://127.0.0.1:{port}/")
        await eventually(ours_page, CONNECTED)
        await raw_page.evaluate("begin()")
        await eventually(raw_page, "window.connected")
        _, reply = core.conversations.ask(1, "Go on.", client_id="latency", place=Place(), waiting=False, model="m")
        core.conversations.write(reply.id, text="It begins.\n\n", first=True)
        for page in (ours_page, raw_page):
            await page.evaluate(f"window.seen = {{}}; {WATCH}")
        await asyncio.sleep(0.5)
        for number in range(2 * MARKS):
            text = f"a few words and mark{number} " + ("\n\n- an **item** " if number % 20 > 17 else "")
            if number % 2:
                with core.db.transaction():  # as every flush does
                    core.db.execute("INSERT INTO pieces (message, kind, text, rev) VALUES (?, 'text', ?, ?)", (0, text, number))
                published[f"mark{number}"] = time.time() * MS
                raw.publish(text)
            else:
                core.conversations.write(reply.id, text=text)
                published[f"mark{number}"] = time.time() * MS  # committed; nothing has been drawn yet
            await asyncio.sleep(APART_S)
        await asyncio.sleep(0.3)
        seen = {**await ours_page.evaluate("seen"), **await raw_page.evaluate("seen")}
        core.conversations.settle(reply.id, "done")
        raw.end()
        for window in windows:
            await window.close()
    assert len(seen) == 2 * MARKS, f"{2 * MARKS - len(seen)} flushes were not seen"

    def after(odd: int, which: int) -> list[float]:
        """Milliseconds after the flush; those at the beginning are left out, as the code is not compiled yet."""
        return [seen[f"mark{number}"][which] - published[f"mark{number}"] for number in range(20 + odd, 2 * MARKS, 2)]

    dom50, dom95, raw50, raw95 = p(after(0, 0), 50), p(after(0, 0), 95), p(after(1, 0), 50), p(after(1, 0), 95)
    frame, raw_frame = p(after(0, 1), 50), p(after(1, 1), 50)
    return [
        Row("11", "flush to DOM, p50", f"{dom50:.1f} ms", f"{raw50:.1f} ms raw", "", "raw + 1 ms", dom50 <= raw50 + 1),
        Row("11", "flush to DOM, p95", f"{dom95:.1f} ms", f"{raw95:.1f} ms raw", f"{dom95 / raw95:.2f}", "2", dom95 <= 2 * raw95),
        Row("11", "flush to the frame after, p50", f"{frame:.1f} ms", f"{raw_frame:.1f} ms raw", "", "raw + 16.7 ms",
            frame <= raw_frame + 16.7),
    ]


async def windows_row(browser: Any, core: Core, address: str) -> Row:
    """Figure 13: eight visible windows of one browser, all live although four hold a stream."""
    context = await browser.new_context(viewport=SIZE)
    pages = []
    for _ in range(WINDOWS):
        pages.append(await context.new_page())
        await pages[-1].goto(address)
        await eventually(pages[-1], CONNECTED)
    await asyncio.sleep(2)
    for page in pages:
        await page.evaluate(f"window.seen = {{}}; {WATCH}")
    published: dict[str, float] = {}
    for number in range(CHANGES):
        mark = f"mark{10_000 + number}"
        published[mark] = time.time() * MS
        with core.feed.change() as rev:
            core.db.execute("INSERT INTO messages (conversation, role, state, text, created_at, born, rev) "
                            "VALUES (1, 'user', 'done', ?, 0, ?, ?)", (mark, rev, rev))
        await asyncio.sleep(0.7)
    await asyncio.sleep(2)
    seen = [await page.evaluate("seen") for page in pages]
    await context.close()
    late = [each[mark][0] - at for each in seen for mark, at in published.items() if mark in each]
    whole = sum(len(each.keys() & published.keys()) == CHANGES for each in seen)
    return Row("13", f"{WINDOWS} visible windows, {CHANGES} changes", f"{whole} live, p95 {p(late, 95):.0f} ms",
               f"at most {max(late):.0f} ms", "", f"{WINDOWS} live, 1500 ms", whole == WINDOWS and max(late) <= 1500)


def rows() -> list[Row]:
    """All of it: about two and a half minutes."""
    from treadle.web.app import create_app

    async def measured() -> list[Row]:
        async with chromium() as browser:
            found = await main_thread_rows(browser)
            with tempfile.TemporaryDirectory() as data:
                port = free_port()
                settings = Settings(data=Path(data), port=port, token=False, ollama_host=NOBODY)
                async with Core.open(settings) as core, listening(create_app(core), port=port):
                    address = f"http://127.0.0.1:{port}/"
                    found += await latency_rows(browser, core, address)
                    found.append(await windows_row(browser, core, address))
            return found

    return asyncio.run(measured())
