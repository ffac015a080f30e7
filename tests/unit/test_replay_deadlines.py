from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.harness import until
from tests.play import SOON, declared, done, draw, failing, shown


async def test_an_endless_loop_is_a_card_within_the_deadline_while_the_loop_stays_free():
    async def flow(ui):
        ui.show("before")
        while True:
            pass

    task, ticks = asyncio.create_task(failing(flow, said="flow took too long to draw", deadline_s=0.2, give_up_s=1)), 0
    while not task.done():
        await asyncio.sleep(0.001)
        ticks += 1
    assert shown(await task) == ["before"]
    assert ticks > 10  # of about 40: an endless loop takes the interpreter for 5 ms at a time


@pytest.mark.parametrize("body", ["pass", "work()", "time.sleep(0.001)"])
async def test_a_loop_that_swallows_everything_is_ended(body):
    """The signal that ends the thread is caught again and again; it comes until the thread has ended."""
    source = f"""
import time
def work(): return sum(range(50))
async def flow(ui):
    while True:
        try:
            for _ in range(100): {body}
        except:
            print(end="")
"""
    names: dict = {}
    exec(compile(source, __file__, "exec"), names)
    before = {thread for thread in threading.enumerate() if thread.name == "author"}
    drawing = await draw(names["flow"], deadline_s=0.05, give_up_s=1)
    assert "took too long" in drawing.error.message
    await until(lambda: {thread for thread in threading.enumerate() if thread.name == "author"} <= before)


async def test_asking_for_ever_is_named_as_what_it_is():
    async def flow(ui):
        while True:
            try:
                await ui.ask("Name", str)
            except:  # noqa: E722
                continue

    await failing(flow, said="The stop signal of this step was caught", at="ui.ask", **SOON)


async def test_a_version_that_did_not_end_is_not_replayed_again_at_once():
    begun = []

    async def flow(ui):
        begun.append(1)
        while True:
            pass

    flow = declared(flow)
    drawings = await asyncio.gather(*(draw(flow, **SOON) for _ in range(10)))
    assert len(begun) == 1
    assert all("took too long" in drawing.error.message for drawing in drawings)
    assert len({id(drawing.error) for drawing in drawings}) == 10  # whoever raises one adds a traceback to it


async def test_one_run_that_took_too_long_leaves_the_others_alone_and_keeps_its_steps():
    async def flow(ui):
        endless = await ui.ask("Rounds", int)
        if endless:
            began.append(endless)
        while endless:
            pass

    def rows():
        return done("Rounds", "1")._replace(rows=object())  # what reads the items is made anew each time

    flow, began = declared(flow), []
    late = await draw(flow, rows(), **SOON)
    assert "took too long" in late.error.message and "belongs in a job" in late.error.hint
    assert (await draw(flow)).open.label == "Rounds"
    again = await draw(flow, rows(), **SOON)
    assert "took too long" in again.error.message and len(began) == 1
    assert [item.label for item in late.items] == [item.label for item in again.items] == ["Rounds"]  # to revert to


async def test_a_blocked_thread_is_left_alone_and_holds_nothing():
    gate = threading.Event()

    async def flow(ui):
        gate.wait()

    began = time.perf_counter()
    drawing = await failing(flow, said="took too long", at="gate.wait", **SOON)
    assert time.perf_counter() - began < 1
    assert "holds its thread" in drawing.error.hint
    left = [thread for thread in threading.enumerate() if thread.name == "author"]
    assert left
    assert all(thread.daemon for thread in left)
    gate.set()
    await until(lambda: not any(thread.name == "author" for thread in left))  # it waits for another call


async def test_a_page_that_goes_away_does_not_end_the_replay_it_began():
    gate, drawn = threading.Event(), []

    async def flow(ui):
        gate.wait()
        drawn.append(1)

    flow = declared(flow)
    first, second = (asyncio.create_task(draw(flow)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    gate.set()
    assert (await second).finished
    assert len(drawn) == 2
