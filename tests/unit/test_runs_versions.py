"""Which code a run is drawn with, after a file was saved: by what fits, and by what runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.parts import Given, parts, steps, values
from treadle.errors import Conflict

calls: list[object] = []
gate: asyncio.Event


@pytest.fixture(autouse=True)
def nothing_was_called():
    global gate
    calls.clear()
    gate = asyncio.Event()  # a new one, as it belongs to one loop


async def note(text: str) -> str:
    calls.append(text)
    return text.upper()


async def first(ui):
    name = await ui.ask("Name", str)
    shout = await ui.job("Shout", note, name)
    ui.show(f"one: {shout}")
    await ui.ask("Note", str)


@pytest.fixture
def given() -> Given:
    plugins = Given()
    plugins.put(first, name="flow")
    return plugins


@pytest.fixture
async def server(tmp_path, given) -> AsyncIterator:
    async with parts(tmp_path, given) as made:
        made.runs.fork = None
        yield made


async def test_a_saved_comment_is_no_change(server, given):
    key = await server.begin("flow", "ada")

    async def second(ui):
        name = await ui.ask("Name", str, help="another help")
        shout = await ui.job("Shout", note, name, retries=3)
        ui.show(f"two: {shout}")
        await ui.ask("Note", str)

    newest = given.put(second, name="flow")
    view = await server.runs.draw(key)
    assert view.changed is None and view.drawing.items[2].things == ("two: ADA",)
    await server.answer(key, "x")
    assert server.runs.get(key).version == newest.code and calls == ["ada"]


async def test_a_step_that_is_new_at_the_end_is_no_change(server, given):
    key = await server.begin("flow", "ada")
    await server.answer(key, "x")

    async def second(ui):
        await first(ui)
        await ui.ask("More", str)

    given.put(second, name="flow")
    view = await server.runs.draw(key)
    assert view.changed is None and view.drawing.open.label == "More"


async def asks_first(ui):
    await ui.ask("Before", str)
    await first(ui)


async def other_type(ui):
    name = await ui.ask("Name", int)
    await ui.ask("Note", str)
    return name


async def other_arguments(ui):
    name = await ui.ask("Name", str)
    await ui.job("Shout", note, name + "!")
    await ui.ask("Note", str)


async def other_call(ui):
    await ui.approve("Name", "?")


@pytest.mark.parametrize(("newest", "asked"), [(asks_first, "Before"), (other_type, "Name"),
                                               (other_arguments, "Shout"), (other_call, "Name")])
async def test_a_run_whose_answers_no_longer_come_asks_how_to_go_on(server, given, newest, asked):
    key = await server.begin("flow", "ada")
    given.put(newest, name="flow")
    view = await server.runs.draw(key)
    assert view.changed.first.label == asked
    assert (view.workflow.code, values(view)) == ("v_flow_1", {"Name": "ada", "Shout": "ADA"})
    with pytest.raises(Conflict, match="has changed since this run began"):
        await server.runs.answer(key, "note", {"value": ["x"]}, rev=view.form_rev)
    await server.runs.advance(key)
    assert calls == ["ada"] and server.runs.get(key).version == "v_flow_1"


async def test_going_on_keeps_what_fits_and_asks_the_first_that_does_not(server, given):
    key = await server.begin("flow", "ada")
    await server.answer(key, "my note")
    given.put(asks_first, name="flow")
    await server.runs.go_on_here(key)
    view = await server.settled(key)
    assert view.changed is None and view.drawing.open.label == "Before"
    view = await server.answer(key, "b")
    assert values(view) == {"Before": "b", "Name": "ada", "Shout": "ADA", "Note": "my note"}
    assert view.drawing.finished and calls == ["ada"]
    view = await server.revert(key, "name")
    assert [step.label for step in steps(view)] == ["Before", "Name"]


async def test_what_the_last_drawing_did_not_reach_need_not_come_in_the_next(server, given):
    key = await server.begin("flow", "ada")
    given.put(asks_first, name="flow")
    await server.runs.go_on_here(key)

    async def saved_again(ui):
        await asks_first(ui)

    given.put(saved_again, name="flow")
    view = await server.runs.draw(key)
    assert view.changed is None and view.drawing.open.label == "Before"


async def test_going_on_with_another_type_asks_with_the_old_answer_and_keeps_the_later_ones(server, given):
    key = await server.begin("flow", "12")
    await server.answer(key, "my note")
    given.put(other_type, name="flow")
    await server.runs.go_on_here(key)
    view = await server.runs.draw(key)
    assert view.drawing.open.label == "Name"
    assert values(await server.answer(key, 13)) == {"Name": 13, "Note": "my note"}


async def test_code_that_is_taken_back_is_drawn_with_what_counts_now(server, given):
    key = await server.begin("flow", "ada")
    await server.runs.draw(key)

    async def second(ui):
        await ui.ask("Name", int)
        await ui.ask("Note", str)

    given.put(second, name="flow")
    await server.runs.go_on_here(key)
    given.take_back("flow")
    view = await server.runs.draw(key)
    assert view.drawing.open.label == "Name" and values(view) == {}


async def test_a_job_with_other_arguments_runs_only_after_going_on(server, given):
    key = await server.begin("flow", "ada")
    given.put(other_arguments, name="flow")
    await server.runs.reloaded(["flow"])
    assert calls == ["ada"]
    await server.runs.go_on_here(key)
    assert values(await server.settled(key))["Shout"] == "ADA!" and calls == ["ada", "ada!"]


async def test_a_job_that_is_new_in_front_is_not_begun_by_saving_a_file(server, given):
    key = await server.begin("flow", "ada")

    async def second(ui):
        name = await ui.ask("Name", str)
        await ui.job("Shout", note, name)
        await ui.job("New", note, "new")
        await ui.ask("Note", str)

    given.put(second, name="flow")
    await server.runs.reloaded(["flow"])
    assert (await server.runs.draw(key)).changed.first.label == "New" and calls == ["ada"]


async def test_a_version_that_rose_asks_although_everything_fits(server, given):
    key = await server.begin("flow", "ada")
    given.put(first, name="flow", version=2)
    view = await server.runs.draw(key)
    assert view.changed is not None and view.changed.first.label == "Note"
    await server.runs.go_on_here(key)
    view = await server.runs.draw(key)
    assert view.changed is None and view.drawing.open.label == "Note" and calls == ["ada"]


async def test_a_locked_run_is_drawn_with_the_code_it_ran_with(server, given):
    key = await server.begin("flow", "ada")
    await server.runs.finalise(key)

    async def second(ui):
        ui.show("all new")

    given.put(second, name="flow")
    assert (await server.runs.draw(key)).drawing.items[2].things == ("one: ADA",)
    await server.runs.unlock(key)
    assert (await server.runs.draw(key)).changed is not None


async def wait(name: str) -> str:
    calls.append(name)
    await gate.wait()
    return name


async def old(ui):
    done = await ui.each("Wait", ["a", "b"], wait)
    ui.show(f"old: {list(done)}")


async def new(ui):
    done = await ui.each("Wait", ["a", "b"], later)
    ui.show(f"new: {list(done)}")


async def later(name: str) -> str:
    calls.append(f"later {name}")
    return name.upper()


async def fast_then_wait(name: str) -> str:
    calls.append(name)
    if name != "a":
        await gate.wait()
    return name


async def test_a_step_that_runs_goes_on_with_the_code_that_began_it(tmp_path):
    given = Given()
    given.put(old, name="flow")
    async with parts(tmp_path, given) as server:
        key = (await server.runs.begin("flow", {})).key
        given.put(new, name="flow")
        view = await server.runs.draw(key)
        assert view.newer and view.workflow.code == "v_flow_1" and view.drawing.open.code == "v_flow_1"
    async with parts(tmp_path, given) as server:  # also after a restart
        gate.set()
        view = await server.settled(key)
        assert "later a" not in calls and view.workflow.code == "v_flow_2"
        assert view.drawing.items[1].things == ("new: ['a', 'b']",)


async def test_what_follows_a_step_that_ran_while_its_file_was_saved_runs_with_the_new_code(tmp_path):
    async def before(ui):
        done = await ui.each("Wait", ["a", "b"], wait)
        ui.show(await ui.job("Note", note, list(done)))

    async def saved(ui):
        done = await ui.each("Wait", ["a", "b"], later)
        ui.show(await ui.job("Note", later, "".join(done)))

    given = Given()
    given.put(before, name="flow")
    async with parts(tmp_path, given) as server:
        key = (await server.runs.begin("flow", {})).key
        async with asyncio.timeout(5):
            while not calls:
                await asyncio.sleep(0.005)
        given.put(saved, name="flow")
        await server.runs.reloaded(["flow"])
        gate.set()
        view = await server.settled(key)
        assert view.changed is None and view.drawing.finished and view.workflow.code == "v_flow_2"
        assert calls == ["a", "b", "later ab"]


async def test_the_rest_may_be_run_with_the_new_code(tmp_path):
    async def begun(ui):
        await ui.each("Wait", ["a", "b"], fast_then_wait)

    given = Given()
    given.put(begun, name="flow")
    async with parts(tmp_path, given) as server:
        key = (await server.runs.begin("flow", {})).key
        async with asyncio.timeout(5):
            while calls != ["a", "b"]:
                await asyncio.sleep(0.005)
        given.put(new, name="flow")
        await server.runs.use_new_version(key, "wait")
        assert (await server.settled(key)).drawing.items[1].things == ("new: ['a', 'B']",)
        assert calls == ["a", "b", "later b"]


async def test_what_failed_is_tried_again_with_the_newest_code(tmp_path):
    def fails(name: str) -> str:
        raise ValueError("not yet")

    async def broken(ui):
        await ui.each("Wait", ["a", "b"], fails)

    given = Given()
    given.put(broken, name="flow")
    async with parts(tmp_path, given) as server:
        key = await server.begin("flow")
        assert (await server.settled(key)).drawing.open.state == "failed"
        given.put(new, name="flow")
        await server.jobs.go_on(key, "wait")
        view = await server.settled(key)
        assert view.drawing.finished and view.drawing.items[1].things == ("new: ['A', 'B']",)


async def test_a_version_that_rose_asks_nothing_where_nothing_was_answered(server, given):
    async def second(ui):
        shout = await ui.job("Shout", note, "Ada")
        await ui.ask(f"After {shout}", str)

    given.put(second, name="flow")
    key = await server.begin("flow")
    await server.settled(key)
    newest = given.put(second, name="flow", version=2)
    view = await server.runs.draw(key)
    assert view.changed is None and view.workflow.code == newest.code and calls == ["Ada"]
