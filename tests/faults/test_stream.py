"""The stream of a real server under cuts and reloads: what a viewer has drawn is what is stored, each once, in order.

The numbers are those of INVARIANTS.md. `soak` gives the counts of `make soak`.
"""

from __future__ import annotations

import asyncio
import random
import time
from itertools import pairwise

import pytest

from tests.fakes import MARKDOWN, Gate, Script
from tests.harness import soak, until
from tests.partials import Page
from tests.viewer import Viewer
from tests.watching import ENDED, looking, p99, same_everywhere, settled, words


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
            await viewer.look(0.3)
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
            await viewer.look(0.15)
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
