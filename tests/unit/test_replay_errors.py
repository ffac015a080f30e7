from __future__ import annotations

import asyncio
import time

import pytest

from tests.play import SOON, done, draw, exports, failing, line_of, shown
from treadle.errors import InvalidAnswer, PluginError
from treadle.fields.types import LongText
from treadle.replay import run_check
from treadle.shows import Table


async def test_an_exception_is_a_card_with_what_was_drawn_before_it():
    async def flow(ui):
        ui.show("before")
        {}["link"]

    drawing = await failing(flow, said="KeyError: 'link'", at='["link"]')
    assert shown(drawing) == ["before"]
    assert drawing.error.details.startswith('Traceback (most recent call last):\n  File "unit/test_replay_errors.py"')
    assert "treadle/" not in drawing.error.details


async def test_of_an_error_as_long_as_what_was_read_the_beginning_and_the_end_are_kept():
    async def flow(ui):
        raise ValueError("x" * 4_000_000)

    drawing = await failing(flow, said="ValueError: xxx", at="raise")
    assert len(drawing.error.message) <= 500 and 10_000 < len(drawing.error.details) < 30_000
    assert drawing.error.details.startswith("Traceback")


async def test_exit_and_interrupt_of_an_author_end_nothing_but_their_drawing():
    async def leaves(ui):
        raise SystemExit(3)

    async def interrupts(ui):
        raise KeyboardInterrupt

    await failing(leaves, said="SystemExit: 3", at="raise")
    await failing(interrupts, said="KeyboardInterrupt", at="raise")


async def test_the_same_label_twice_names_both_lines():
    async def flow(ui):
        await ui.ask("Rows", str)
        await ui.ask("Rows", int)

    drawing = await failing(flow, done("Rows", '"x"'), said="Two steps have the label 'Rows' and no key", at="int)")
    assert f"lines {line_of(flow, 'str)')} and {line_of(flow, 'int)')}" in drawing.error.message
    assert "key=" in drawing.error.message


async def test_a_loop_without_keys_names_its_line():
    async def flow(ui):
        for _ in range(2):
            await ui.ask("Rows", str)

    await failing(flow, done("Rows", '"x"'), said="comes twice", at="Rows")


async def test_a_type_that_cannot_be_asked_for_is_named_with_its_line():
    async def flow(ui):
        await ui.ask("Price", complex)

    await failing(flow, said="complex is no type to ask for, as 'Price' does. Use str, int,", at="complex")


@pytest.mark.parametrize(("call", "said"), [
    (lambda ui: ui.ask("", str), "A step needs a label"),
    (lambda ui: ui.ask("Half \ud83d", str), "A step needs a label"),
    (lambda ui: ui.ask("A", str, key=1.5), "key= is a number, a text or a tuple of them, not float"),
    (lambda ui: ui.show(object()), "object cannot be shown"),
    (lambda ui: ui.approve("A", object()), "object cannot be shown"),
    (lambda ui: ui.export("a.doc"), "'a.doc' has no ending that can be exported"),
    (lambda ui: ui.export("a.csv", a=1), "'a.csv' holds exactly one table"),
    (lambda ui: ui.export(""), "export() needs the name of a file")])
async def test_a_call_that_cannot_work_is_a_card_even_under_except_exception(call, said):
    async def flow(ui):
        try:
            call(ui)
        except Exception:  # noqa: BLE001 - as an author would
            raise AssertionError("the signal was caught") from None

    await failing(flow, said=said, at="")


async def test_two_exports_of_one_name_are_an_error():
    async def flow(ui):
        ui.export("a.json", a=1)
        ui.export("a.json", a=2)

    await failing(flow, said="Two exports are called 'a.json'", at="a=2")


async def test_an_export_may_hold_something_called_name():
    async def flow(ui):
        ui.export("a.json", name="Ada", self=1)

    assert exports(await draw(flow)) == {"a.json": {"name": "Ada", "self": 1}}


async def test_an_ask_without_await_is_named():
    async def flow(ui):
        name = ui.ask("Name", str)
        ui.show(str(name))

    async def last(ui):
        ui.ask("Name", str)

    for fn in (flow, last):
        await failing(fn, done("Name", '"Ada"'), said="'Name' is not awaited: write `await ui.ask(...)`", at="ui.ask")

    async def used(ui):
        ui.show(ui.ask("Name", str).upper())

    await failing(used, done("Name", '"Ada"'), said="'_NotAwaited' object has no attribute 'upper'", at="upper")


@pytest.mark.parametrize("seconds", [0, 1])
async def test_awaiting_anything_but_ui_is_an_error_with_its_line(seconds):
    async def pause():
        await asyncio.sleep(seconds)

    async def flow(ui):
        await pause()

    drawing = await failing(flow, said="A workflow can await nothing but ui", at="")
    assert drawing.error.line == line_of(pause, "asyncio.sleep")


async def test_a_bare_except_that_swallows_the_stop_is_found_and_named():
    async def goes_on(ui):
        try:  # noqa: SIM105 - as an author would
            await ui.ask("Name", str)
        except:  # noqa: E722
            pass
        ui.show("still here")

    async def returns(ui):
        try:
            await ui.ask("Name", str)
        except BaseException:  # noqa: BLE001
            return "swallowed"

    for fn in (goes_on, returns):
        drawing = await failing(fn, said="The stop signal of this step was caught", at="ui.ask")
        assert "except:" in drawing.error.hint
        assert drawing.items == []


async def test_every_call_after_the_stop_raises_again():
    calls = []

    async def flow(ui):
        for call in (lambda: ui.ask("A", str), lambda: ui.show("x"), lambda: ui.export("a.json", a=1),
                     lambda: ui.approve("B", "x")):
            try:
                call()
                calls.append("returned")
            except BaseException as signal:  # noqa: BLE001
                calls.append(type(signal).__name__)

    await draw(flow)
    assert calls == ["Halt"] * 4


# --dev

async def test_a_clock_in_a_call_is_found_when_everything_is_replayed_twice():
    async def shows(ui):
        ui.show(f"{time.perf_counter_ns()}")

    async def asks(ui):
        await ui.ask("Name", str, default=f"{time.perf_counter_ns()}")

    async def labels(ui):
        await ui.ask(f"At {time.perf_counter_ns()}", str)

    async def exports(ui):
        ui.export("a.json", at=time.perf_counter_ns())

    async def approves(ui):
        await ui.approve("Ok", f"{time.perf_counter_ns()}")

    for fn in (shows, asks, labels, exports, approves):
        await failing(fn, said="Two replays of the same answers differ", at="perf_counter_ns", twice=True)
        assert (await draw(fn)).error is None


async def test_a_call_that_comes_only_once_is_found():
    calls = []

    async def flow(ui):
        calls.append(1)
        if len(calls) == 2:
            ui.show("the second time")

    await failing(flow, said="nothing the first time, show the second", at="ui.show", twice=True)


async def test_what_fails_only_the_second_time_says_how_it_failed():
    calls = []

    async def flow(ui):
        calls.append(1)
        if len(calls) == 2:
            raise LookupError("the second time")

    await failing(flow, said="LookupError: the second time", at="raise LookupError", twice=True)


async def test_what_is_the_same_twice_is_no_error():
    async def flow(ui):
        ui.show("a", Table([{"x": 1, "y": {2}}]), 5)
        await ui.ask("Name", str, check=lambda value: value, help="h")

    assert (await draw(flow, twice=True)).error is None


# checks

async def checked(check, value, **options):
    async def flow(ui):
        await ui.ask("Name", LongText, check=check)

    return await run_check((await draw(flow)).open, value, **options)


async def test_a_check_returns_the_value_that_is_stored():
    assert await checked(str.upper, "ada") == "ADA"
    assert await checked(None, "ada") == "ada"


async def test_the_sentence_of_a_refusing_check_stands_by_the_field():
    def check(value):
        raise ValueError("Nobody is called that.")

    with pytest.raises(InvalidAnswer, match="Nobody is called that") as caught:
        await checked(check, "x")
    assert caught.value.field == "value"


async def test_a_check_that_fails_or_returns_nothing_is_an_error_of_the_author():
    def fails(value):
        return {}[value]

    def forgets(value):
        pass

    with pytest.raises(PluginError, match="KeyError: 'x'") as caught:
        await checked(fails, "x")
    assert caught.value.line == line_of(fails, "{}[value]")
    with pytest.raises(PluginError, match="The check of 'Name' returned None"):
        await checked(forgets, "x")


async def test_a_check_that_takes_too_long_is_ended():
    def check(value):
        while True:
            pass

    with pytest.raises(PluginError, match=r"took longer than 0\.05 s"):
        await checked(check, "x", **SOON)


async def test_a_skipped_answer_is_not_checked():
    assert await checked(str.upper, None) is None
