"""A server that ends and comes back, and any text at all, as the viewers of a stream see it."""

from __future__ import annotations

import asyncio
import random
import statistics
import time

from tests.fakes import Script
from tests.harness import Server, soak, until
from tests.viewer import Viewer
from tests.watching import looking, same_everywhere, settled
from treadle.web.markdown import clean

# -- the end of a server


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
