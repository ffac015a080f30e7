"""Floods, slow and stuck readers, many viewers: nobody is delayed, nothing is lost silently, everything is bounded."""

from __future__ import annotations

import statistics
import time

from tests.fakes import Gate, Script
from tests.harness import soak, until
from tests.watching import WORD, Site, looking, p99, same_everywhere, settled, words


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
        assert not settled(slow, reply)
        slow.pace = 0
        await until(lambda: settled(slow, reply), within=soak(20, 60))
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
            await viewer.look(0.1)  # so that no flush has just been
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
