"""The stream of a real server under cuts, floods, slow readers, restarts: what a viewer has drawn is what is stored.

The numbers are those of INVARIANTS.md. `soak` gives the counts of `make soak`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import re
import sqlite3
import statistics
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.fakes import MARKDOWN, FakeOllama, Gate, Script
from tests.harness import Server, soak, until
from tests.partials import Page
from tests.viewer import Viewer
from treadle.web.markdown import clean

WORD = re.compile(r"w\d{5}")
ENDED = ("done", "stopped", "failed", "interrupted")
NUMBER = iter(range(1, 1_000_000))


class Site:
    """A server with a fake model. Each test has a conversation of its own."""

    def __init__(self, folder: Path, fake: FakeOllama) -> None:
        self.fake = fake
        self.server = Server(folder, ollama=fake.address).start()

    def rows(self, sql: str, *params: object) -> list[sqlite3.Row]:
        with contextlib.closing(sqlite3.connect(self.server.data / "treadle.db", timeout=5)) as db:
            db.row_factory = sqlite3.Row
            found = db.execute(sql, params).fetchall()
            db.commit()
            return found

    def conversation(self) -> int:
        """A new one."""
        return int(self.rows("INSERT INTO conversations (created_at, rev) VALUES (0, 0) RETURNING id")[0]["id"])

    def program(self) -> Viewer:
        """Not a browser: any number of streams."""
        return Viewer(self.server.address, browser=False, headers={"Authorization": f"Bearer {self.server.token}"})

    async def page(self, conversation: int, *, as_browser: Viewer | None = None, **options) -> Viewer:
        """A page of a browser, with its stream open. Its own browser unless `as_browser`."""
        cookies = as_browser.cookies if as_browser else dict(self.server.cookies)
        viewer = Viewer(self.server.address, cookies, **options)
        await viewer.load(f"/docs?chat={conversation}")
        return await viewer.open()

    async def ask(self, conversation: int, text: str = "?", script: Script | None = None) -> int:
        """Ask; the id of the reply."""
        if script is not None:
            self.fake.next(script)
        status, _, body = await self.program().request(
            "POST", f"/chat/{conversation}", data={"text": text, "client_id": f"c{next(NUMBER)}"},
            headers={"HX-Request": "true"})
        assert status == 204, (status, body)
        return int(self.rows("SELECT max(id) AS id FROM messages WHERE conversation = ? AND role = 'assistant'",
                             conversation)[0]["id"])

    async def stop(self, conversation: int) -> None:
        path = f"/chat/{conversation}/stop"
        assert (await self.program().request("POST", path, headers={"HX-Request": "true"}))[0] == 204

    def reply(self, id: int) -> sqlite3.Row:
        return self.rows("SELECT * FROM messages WHERE id = ?", id)[0]

    async def ended(self, reply: int, *, within: float = 30) -> sqlite3.Row:
        """The row of a reply that has ended."""
        await until(lambda: self.reply(reply)["state"] in ENDED, within=within)
        return self.reply(reply)

    async def drawn(self, conversation: int) -> Viewer:
        """A page loaded now, for comparing."""
        viewer = Viewer(self.server.address, dict(self.server.cookies))
        return await viewer.load(f"/docs?chat={conversation}")

    def rss(self) -> int:
        """Resident bytes of the server."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.server.process.pid}/task"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with FakeOllama() as fake:
        site = Site(tmp_path_factory.mktemp("site"), fake)
        until_ready(site)
        yield site
        site.server.kill()


@pytest.fixture
def own(tmp_path):
    """A server this test may end."""
    with FakeOllama() as fake:
        site = Site(tmp_path, fake)
        until_ready(site)
        yield site
        site.server.kill()


def until_ready(site: Site) -> None:
    """Wait until the server has found its model."""
    site.fake.wait(lambda: any(request.path == "/api/tags" for request in site.fake.requests))


@contextlib.asynccontextmanager
async def looking(*viewers: Viewer):
    try:
        yield
    finally:
        for viewer in viewers:
            await viewer.cut()


def words(n: int) -> list[str]:
    return [f"w{number:05d}" for number in range(1, n + 1)]


def settled(viewer: Viewer, reply: int) -> bool:
    """Whether this viewer has seen the end of the reply, and all of its text: what is behind carries no id."""
    row = viewer.page.find(f"m{reply}") if viewer.page else None
    if any(frame.data for frame in viewer.frames) and not next(f for f in reversed(viewer.frames) if f.data).id:
        return False
    return row is not None and "aria-busy" not in row.attrs and bool(row.find(f"m{reply}-by") or "notice" in row.html)


def p99(values: list[float]) -> float:
    return sorted(values)[math.ceil(len(values) * 0.99) - 1]


async def same_everywhere(site: Site, conversation: int, *viewers: Viewer) -> None:
    """Every viewer's log equals a page loaded now, byte for byte, which holds 100 rows; nothing is there twice."""
    page = await site.drawn(conversation)
    for viewer in viewers:
        assert viewer.page["log-items"].html.endswith(page.page["log-items"].html)
        assert len(viewer.rows) >= len(page.rows) and len(set(viewer.rows)) == len(viewer.rows)
        assert viewer.page["composer-action"].outer == page.page["composer-action"].outer


# -- lost, late, doubled, reordered


async def test_i1_no_event_waits_for_a_later_one(shared):
    late: list[float] = []
    for _ in range(soak(1, 20)):  # long logs would slow the viewers of this test
        conversation = shared.conversation()
        viewers = [await shared.page(conversation) for _ in range(4)]
        async with looking(*viewers):
            for _ in range(soak(8, 10)):
                reply = await shared.ask(conversation, script=Script(n=3, tps=1000))
                await until(lambda viewers=viewers, reply=reply: all(settled(viewer, reply) for viewer in viewers))
                end = shared.fake.chats[-1].ended
                late += [next(frame.at for frame in viewer.frames if frame.data and f'id="m{reply}-by"' in frame.data)
                         - end for viewer in viewers]
    assert max(late) < 1
    assert p99(late) < 0.25


KINDS = [Script(n=1), Script(n=20, tps=200), Script(text=MARKDOWN), Script(think=20, n=10), Script(n=10, error="broke"),
         Script(n=10, die=5), Script(n=10, malformed=5), Script(endless=True, tps=100), Script(n=1000),
         Script(status=500), Script(n=10, done=False), Script(n=30, nel=True), Script(n=10, blank=True),
         Script(n=3, big=5000), Script(ttft=0.2, n=5), Script(n=5, stall=3), Script(chunks=("a\u2028b", "\r\n", "c")),
         Script(n=20, stats=False), Script(n=0), Script(n=20_000)]


@pytest.mark.parametrize("kind", range(soak(9, 20)))
async def test_i2_ids_rise_and_what_is_drawn_is_what_a_page_shows(shared, kind):
    conversation, script = shared.conversation(), KINDS[kind]
    viewer = await shared.page(conversation)
    async with looking(viewer):
        reply = await shared.ask(conversation, script=script)
        if script.endless or script.stall >= 0:
            await until(lambda: "w00003" in viewer.text(f"m{reply}-body"))
            await shared.stop(conversation)
        await shared.ended(reply, within=60)
        await until(lambda: settled(viewer, reply))
        ids = viewer.ids
        assert len(ids) > 1 and all(one < other for one, other in pairwise(ids))
        await same_everywhere(shared, conversation, viewer)


async def test_i3_every_viewer_draws_each_word_once_in_order_and_nothing_else(shared):
    conversation, n = shared.conversation(), soak(600, 2000)
    viewers = [await shared.page(conversation) for _ in range(3)]
    async with looking(*viewers):
        reply = await shared.ask(conversation, script=Script(n=n))
        stored = await shared.ended(reply)
        await until(lambda: all(settled(viewer, reply) for viewer in viewers), within=10)
        assert stored["text"].split() == words(n)
        for viewer in viewers:
            assert viewer.text(f"m{reply}-body").split() == words(n)
        await same_everywhere(shared, conversation, *viewers)


async def test_i3_characters_of_four_bytes_and_combining_ones_survive_being_split_over_chunks(shared):
    conversation, text = shared.conversation(), "\U0001f469\u200d\U0001f52c e\u0301 \u0928\u093f\u0928 \U00020000 " * 40
    viewer = await shared.page(conversation)
    async with looking(viewer):
        reply = await shared.ask(conversation, script=Script(text=text, chunk=1))
        stored = await shared.ended(reply)
        await until(lambda: settled(viewer, reply))
        assert stored["text"] == text
        assert viewer.text(f"m{reply}-body").split() == text.split()


async def test_i4_a_page_opened_at_any_instant_of_a_reply_has_all_of_it_in_the_end(shared):
    conversation, (seconds, count) = shared.conversation(), soak((1.5, 15), (5, 100))
    viewers: list[Viewer] = []
    n = int(seconds * 400)
    reply = await shared.ask(conversation, script=Script(n=n, tps=400))
    end = time.monotonic() + seconds

    async def someone() -> None:
        await asyncio.sleep(random.uniform(0, max(end - time.monotonic(), 0)))
        viewers.append(await shared.page(conversation))

    await asyncio.gather(*(someone() for _ in range(count)))
    async with looking(*viewers):
        await shared.ended(reply)
        await until(lambda: all(settled(viewer, reply) for viewer in viewers), within=10)
        for viewer in viewers:
            assert viewer.text(f"m{reply}-body").split() == words(n)
            assert viewer.rows.count(f"m{reply}") == 1


@pytest.mark.parametrize("when", ["running", "finished", "after a restart"])
async def test_i5_a_viewer_resumes_from_any_cursor_with_what_is_newer_once(own, when):
    conversation, gate = own.conversation(), Gate()
    viewer = await own.page(conversation)
    reply = await own.ask(conversation, script=Script(n=60 if when != "running" else 61, gate=gate))
    for count in range(5, 65, 5):
        gate.allow(5)
        await until(lambda count=count: words(count)[-1] in viewer.text(f"m{reply}-body"))
    if when != "running":
        gate.open()
        await own.ended(reply)
        await until(lambda: settled(viewer, reply))
    await viewer.cut()
    if when == "after a restart":
        own.server.kill()
        own.server.restart()
    cursors = [viewer.frames[at].id for at in range(0, len(viewer.frames), max(1, len(viewer.frames) // 11))]
    for cursor in [*cursors, viewer.last_id]:
        late = Viewer(own.server.address, dict(own.server.cookies), url=f"/events/{conversation}")
        late.page = Page('<div id="log-items"></div><span id="composer-action"></span><p id="announce"></p>')
        for frame in viewer.frames:  # what this viewer had seen when it was cut
            if frame.data:
                late.page.apply(frame.data)
            if frame.id == cursor:
                break
        late.last_id = cursor
        await late.open()
        await until(lambda late=late: late.text(f"m{reply}-body").split() == words(60))
        assert late.rows == viewer.rows
        if when != "running":
            await until(lambda late=late: settled(late, reply))
        await late.cut()


async def test_i6_the_cursor_of_one_reply_hides_no_row_of_another(shared):
    conversation = shared.conversation()
    viewer = await shared.page(conversation)
    async with looking(viewer):
        first = await shared.ask(conversation, script=Script(n=200, tps=400))
        await until(lambda: "w00050" in viewer.text(f"m{first}-body"))
        await viewer.cut()
        await shared.ended(first)
        second = await shared.ask(conversation, script=Script(n=100, tps=400))
        await viewer.resume()
        await shared.ended(second)
        await until(lambda: settled(viewer, second) and settled(viewer, first))
        assert viewer.text(f"m{first}-body").split() == words(200)
        assert viewer.text(f"m{second}-body").split() == words(100)
        await same_everywhere(shared, conversation, viewer)


async def test_i7_a_viewer_cut_every_300_ms_has_the_final_text_and_each_row_once(shared):
    conversation, seconds = shared.conversation(), soak(2.4, 10)
    viewer = await shared.page(conversation)
    async with looking(viewer):
        n = int(seconds * 100)
        reply = await shared.ask(conversation, script=Script(n=n, tps=100))
        while shared.reply(reply)["state"] not in ENDED:
            await asyncio.sleep(0.3)
            await viewer.resume()
        await until(lambda: settled(viewer, reply))
        assert viewer.connections >= seconds / 0.3 - 1
        assert viewer.text(f"m{reply}-body").split() == words(n)
        assert viewer.page.count(f"m{reply}") == viewer.page.count(f"m{reply}-body") == 1
        await same_everywhere(shared, conversation, viewer)


async def test_i10_after_the_end_of_a_reply_nothing_of_it_comes_any_more(shared):
    conversation = shared.conversation()
    viewer = await shared.page(conversation)
    async with looking(viewer):
        for _ in range(soak(4, 100)):
            reply = await shared.ask(conversation, script=Script(endless=True, tps=100))
            await until(lambda reply=reply: "w00005" in viewer.text(f"m{reply}-body"))
            await shared.stop(conversation)
            await until(lambda reply=reply: settled(viewer, reply))
            seen, text = len(viewer.frames), viewer.text(f"m{reply}-body")
            await asyncio.sleep(0.15)
            assert not any(f"m{reply}" in (frame.data or "") for frame in viewer.frames[seen:])
            assert viewer.text(f"m{reply}-body") == text


async def test_i14_when_a_viewer_sees_the_end_a_page_has_the_whole_message(shared):
    conversation = shared.conversation()
    viewer = await shared.page(conversation)
    async with looking(viewer):
        for _ in range(soak(6, 200)):
            reply = await shared.ask(conversation, script=Script(n=40, tps=1000))
            await until(lambda reply=reply: settled(viewer, reply))
            page = await shared.drawn(conversation)
            assert settled(page, reply) and page.text(f"m{reply}-body").split() == words(40)


# -- second tab, absence


async def test_i26_a_second_tab_and_a_second_browser_show_the_same(shared):
    conversation = shared.conversation()
    first = await shared.page(conversation)
    reply = await shared.ask(conversation, "the question", Script(n=200, tps=200))
    await until(lambda: "w00060" in first.text(f"m{reply}-body"))
    tab, browser = await shared.page(conversation, as_browser=first), await shared.page(conversation)
    async with looking(first, tab, browser):
        assert "w00060" in tab.text(f"m{reply}-body")
        await until(lambda: all(settled(viewer, reply) for viewer in (first, tab, browser)))
        assert first.page["log-items"].html == tab.page["log-items"].html == browser.page["log-items"].html
        assert "the question" in browser.page["log-items"].text


async def test_i28_a_viewer_that_was_away_at_the_end_sees_it_when_it_comes_back(shared):
    conversation = shared.conversation()
    viewer = await shared.page(conversation)
    async with looking(viewer):
        reply = await shared.ask(conversation, script=Script(n=200, tps=400))
        await until(lambda: "w00180" in viewer.text(f"m{reply}-body"))
        await viewer.cut()
        await shared.ended(reply)
        await viewer.resume()
        await until(lambda: settled(viewer, reply), within=1)
        await same_everywhere(shared, conversation, viewer)


# -- back-pressure, volume


async def test_i33_a_viewer_that_never_reads_delays_nobody_and_costs_little(shared):
    conversation, replies = shared.conversation(), soak(2, 25)
    paragraph = "word " * 40 + "\n\n"
    healthy = await shared.page(conversation)
    warm = await shared.ask(conversation, script=Script(text=paragraph * 4000, chunk=2000))
    await shared.ended(warm)
    stuck = [await shared.page(conversation, buffer=4096) for _ in range(3)]
    for viewer in stuck:
        viewer.stop_reading()
    async with looking(healthy, *stuck):
        before = shared.rss()
        for number in range(replies):
            text = f"begin {number}\n\n" + paragraph * 4000
            began = time.monotonic()
            reply = await shared.ask(conversation, script=Script(text=text, chunk=2000))
            await shared.ended(reply)
            await until(lambda reply=reply: settled(healthy, reply), within=20)
            assert time.monotonic() - began < 20
            assert healthy.text(f"m{reply}-body").split() == text.split()
        assert shared.rss() - before < 20_000_000


async def test_i34_a_viewer_slower_than_the_stream_ends_with_what_is_stored(shared):
    conversation, seconds = shared.conversation(), soak(3, 30)
    slow = await shared.page(conversation, buffer=4096)
    slow.pace = 1.0
    async with looking(slow):
        text = "".join(f"w{number:05d} lorem ipsum dolor sit amet\n\n" for number in range(1, seconds * 800))
        reply = await shared.ask(conversation, script=Script(text=text, chunk=200, tps=len(text) / 200 / seconds))
        await shared.ended(reply, within=120)
        await asyncio.sleep(1)
        assert not settled(slow, reply)
        slow.pace = 0
        await until(lambda: settled(slow, reply), within=20)
        assert WORD.findall(slow.text(f"m{reply}-body")) == WORD.findall(text)
        await same_everywhere(shared, conversation, slow)


async def test_i35_a_viewer_gets_at_most_25_frames_a_second(shared):
    conversation = shared.conversation()
    viewer = await shared.page(conversation)
    async with looking(viewer):
        reply = await shared.ask(conversation, script=Script(n=soak(1000, 5000), tps=500))
        await shared.ended(reply)
        await until(lambda: settled(viewer, reply))
        times = [frame.at for frame in viewer.frames if frame.data]
        busiest = max(sum(begin <= at < begin + 1 for at in times) for begin in times)
        assert 10 < busiest <= 27  # one at once, 25 in the second after it, one at the end


async def test_i35_a_token_that_comes_alone_is_shown_within_60_ms(shared):
    conversation, gate = shared.conversation(), Gate()
    viewer = await shared.page(conversation)
    late = []
    async with looking(viewer):
        reply = await shared.ask(conversation, script=Script(n=12, gate=gate))
        await until(lambda: f"m{reply}" in viewer.rows)
        for word in words(12):
            await asyncio.sleep(0.1)
            gate.allow(1)
            sent = time.monotonic()
            await until(lambda word=word: word in viewer.text(f"m{reply}-body"))
            late.append(viewer.frames[-1].at - sent)
    assert statistics.median(late) < 0.06 and sorted(late)[-2] < 0.15


async def test_i36_bytes_for_a_token_do_not_grow_with_the_reply(shared):
    cost, lines = {}, "w%05d "
    for n in (100, soak(1500, 4000)):
        conversation = shared.conversation()
        viewer = await shared.page(conversation)
        async with looking(viewer):
            text = "".join(lines % number + ("\n\n" if number % 40 == 0 else "") for number in range(1, n + 1))
            reply = await shared.ask(conversation, script=Script(text=text, chunk=7, tps=500))
            await shared.ended(reply)
            await until(lambda viewer=viewer, reply=reply: settled(viewer, reply))
            began = next(at for at, frame in enumerate(viewer.frames) if frame.data and f'id="m{reply}"' in frame.data)
            cost[n] = sum(frame.size for frame in viewer.frames[began + 1:]) / len(text)
    small, large = cost.values()
    assert large / small < 1.2
    assert large < 3.0


async def posting(site: Site, conversation: int, count: int) -> list[float]:
    """Seconds of so many questions, one after the other."""
    took = []
    for _ in range(count):
        began = time.monotonic()
        reply = await site.ask(conversation, script=Script(n=1))
        took.append(time.monotonic() - began)
        await site.ended(reply)
    return took


async def test_i39_many_idle_viewers_slow_no_post_and_take_no_threads(shared):
    idle_at, conversation, count = shared.conversation(), shared.conversation(), soak(60, 300)
    threads, alone = shared.threads(), await posting(shared, conversation, soak(20, 100))
    idle = [shared.program() for _ in range(count)]
    for viewer in idle:
        viewer.url = f"/events/{idle_at}"
        await viewer.open()
    async with looking(*idle):
        together = await posting(shared, conversation, soak(20, 100))
        assert p99(together) < max(0.2, 2 * p99(alone))  # the second where the computer itself is slow
        assert shared.threads() <= threads + 2
        reply = await shared.ask(idle_at, script=Script(n=1))
        await until(lambda: all(any(f"m{reply}-by" in data for data in viewer.messages) for viewer in idle))


async def test_i40_closed_viewers_give_their_descriptors_back(shared):
    conversation = shared.conversation()
    base = shared.open_files()
    for _ in range(soak(2, 10)):
        viewers = [shared.program() for _ in range(50)]
        for viewer in viewers:
            viewer.url = f"/events/{conversation}"
            await viewer.open()
        assert shared.open_files() >= base + 50
        for viewer in viewers:
            await viewer.cut()
        await until(lambda: shared.open_files() <= base + 2)


# -- restart


async def test_i58_sigterm_ends_streams_in_time_with_a_hint_and_loses_nothing(own):
    conversation = own.conversation()
    viewers = [await own.page(conversation) for _ in range(10)]
    async with looking(*viewers):
        reply = await own.ask(conversation, script=Script(endless=True, tps=50))
        await until(lambda: "w00020" in viewers[0].text(f"m{reply}-body"))
        assert own.server.terminate() < 2
        await until(lambda: all(viewer.ended for viewer in viewers))
        seen = max(viewers, key=lambda viewer: len(viewer.text(f"m{reply}-body"))).text(f"m{reply}-body").split()
        for viewer in viewers:
            assert viewer.frames[-1].retry is not None and viewer.frames[-1].data is not None
        stored = own.reply(reply)
        assert stored["state"] == "interrupted"
        assert stored["text"].split()[:len(seen)] == seen


async def test_i59_tabs_that_come_back_together_are_spread_and_slow_nobody(own):
    conversation, count = own.conversation(), soak(15, 50)
    viewers = [await own.page(conversation) for _ in range(count)]
    await asyncio.to_thread(own.server.terminate)
    await until(lambda: all(viewer.ended for viewer in viewers))
    tries: list[list[float]] = [[] for _ in viewers]
    began = time.monotonic()

    async def come_back(viewer: Viewer, mine: list[float]) -> None:
        delay = viewer.frames[-1].retry / 1000
        while True:  # as htmx: the hint, doubled after each failure, at most 3 s, with 30% of chance
            await asyncio.sleep(min(delay, 3) * random.uniform(0.7, 1.3))
            mine.append(time.monotonic() - began)
            try:
                await viewer.resume()
                return
            except (OSError, asyncio.IncompleteReadError):
                delay *= 2

    async with looking(*viewers):
        back = asyncio.gather(*(come_back(*pair) for pair in zip(viewers, tries, strict=True)))
        await asyncio.to_thread(own.server.restart)
        up, posts = time.monotonic() - began, []
        for _ in range(10):
            at = time.monotonic()
            reply = await own.ask(conversation, script=Script(n=1))
            posts.append(time.monotonic() - at)
            await own.ended(reply)
        await asyncio.wait_for(back, 10)
        assert max(len(mine) for mine in tries) <= 3
        assert max(mine[-1] for mine in tries) < up + 5
        assert statistics.stdev(mine[0] for mine in tries) > 0.1
        assert max(posts) < 0.5
        await until(lambda: all(settled(viewer, reply) for viewer in viewers))
        await same_everywhere(own, conversation, *viewers)


async def test_i60_a_second_process_on_one_folder_is_refused(own):
    other = Server(own.server.folder)
    other.launch()
    await until(lambda: other.process.poll() is not None, within=15)
    assert other.process.returncode not in (0, None)
    assert "already uses" in other.log()


# -- text


HOSTILE = ["a\nb\r\nc\rd", "x\u2028y\u2029z\x0b\x0c\x85", "data: one\n\ndata: two\n\nid: 7\nretry: 1\nevent: x",
           "</script><script>alert(1)</script>", "```\nhalf a fence", "half &amp an &entity; &#x41", "\U0001f600 split",
           "\x00\x1b[31m", "<hx-partial hx-target=body>", "|a|b|\n|-|-|\n|c|d", "very very good", "[ a | b ]",
           "\ufeff bom"]


async def test_i66_any_text_of_a_person_survives_to_the_page(shared):
    conversation = shared.conversation()
    viewer = await shared.page(conversation)
    async with looking(viewer):
        for text in HOSTILE:
            reply = await shared.ask(conversation, text, Script(n=1))
            await shared.ended(reply)
            await until(lambda reply=reply: settled(viewer, reply))
            shown = viewer.text(f"m{reply - 1}")
            sent = text.replace("\r\n", "\n")
            assert shared.reply(reply - 1)["text"] == sent
            assert shown == clean(sent).replace("\r", "\n")  # what controls a terminal is shown as a sign of its own
        await same_everywhere(shared, conversation, viewer)


async def test_i66_any_text_of_a_model_is_drawn_as_a_page_draws_it(shared):
    conversation = shared.conversation()
    viewer = await shared.page(conversation)
    chance = random.Random(66)
    async with looking(viewer):
        for _ in range(soak(6, 60)):
            text = "".join(chance.choice(HOSTILE) + chance.choice(["", " ", "\n", "\n\n"]) for _ in range(20))
            reply = await shared.ask(conversation, script=Script(text=text, chunk=chance.randint(1, 9)))
            await shared.ended(reply)
            await until(lambda reply=reply: settled(viewer, reply))
            await same_everywhere(shared, conversation, viewer)
        assert not any("event" in (frame.data or "")[:5] for frame in viewer.frames)
