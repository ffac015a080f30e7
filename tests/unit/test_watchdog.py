"""The watchdog names what keeps pages waiting, and says nothing of what does not."""

from __future__ import annotations

import inspect
import threading

from tests import working
from tests.harness import until, until_now
from tests.unit.test_jobs import engine, fleet  # noqa: F401 - fixtures


def lines_of(fn) -> list[str]:
    text, first = inspect.getsourcelines(fn)
    return [f", line {number}{end}" for number in range(first, first + len(text)) for end in ",."]


async def test_it_names_the_line_that_holds_the_processor_and_proposes_a_process(fleet, tmp_path):  # noqa: F811
    id = fleet.each([str(tmp_path / "go")] * 3, working.computes, workers=3)
    try:
        advice = await until(lambda: fleet.jobs.advice(id), within=20)
    finally:
        (tmp_path / "go").touch()
    assert 'on="process"' in advice and "working.py" in advice and any(line in advice for line in
                                                                        lines_of(working.computes))
    await until(lambda: fleet.row(id)["state"] == "done")
    assert fleet.jobs.advice(id) == advice, "it stays on the card"


async def test_it_names_the_line_of_a_coroutine_that_blocks_the_loop(fleet, tmp_path):  # noqa: F811
    def unblock() -> None:
        until_now(lambda: fleet.jobs.advice(1), within=10)
        (tmp_path / "go").touch()

    helper = threading.Thread(target=unblock)
    helper.start()
    id = fleet.job(working.blocks, str(tmp_path / "go"))
    await until(lambda: fleet.row(id)["state"] == "done")
    helper.join()
    advice = fleet.jobs.advice(id)
    assert "whole server" in advice and any(line in advice for line in lines_of(working.blocks))


async def test_it_says_nothing_of_a_thread_that_waits(fleet, tmp_path):  # noqa: F811
    id = fleet.job(working.counts, str(tmp_path / "go"))
    await until(lambda: fleet.jobs.live(id))
    looks = []
    await until(lambda: looks.append(1) or len(looks) > 700, within=20)  # about 1.5 s
    assert fleet.jobs._watchdog._looks and not fleet.jobs.advice(id)
    (tmp_path / "go").touch()
    await until(lambda: not fleet.jobs._watchdog._looks)
