from __future__ import annotations

import asyncio
import threading
import time
from typing import Literal

import pytest
from fasthtml.common import NotStr, P
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import soak
from tests.play import declared, done, draw, exports, play, shown, steps
from treadle.errors import NotFound
from treadle.fields.types import FileId, Upload
from treadle.replay import Export, Show, Step, replay
from treadle.shows import Table
from treadle.ui import slug_of


async def greet(ui):
    name = await ui.ask("Your name", str, max_length=20)
    ui.show(f"Hello, {name}")
    if await ui.approve("Send", f"To {name}", yes="Send it", no="Keep it"):
        ui.export("note.json", name=name)
    return name


# what is drawn

async def test_the_first_open_step_stops_the_replay():
    drawing = await draw(greet)
    assert [type(item) for item in drawing.items] == [Step]
    assert drawing.open is drawing.items[0]
    assert (drawing.open.label, drawing.open.slug, drawing.open.number) == ("Your name", "your-name", 1)
    assert not drawing.finished


async def test_stored_steps_return_at_once_and_shows_and_exports_stand_between_them():
    drawing = await play(declared(greet), {"Your name": "Ada", "Send": True})
    assert [type(item) for item in drawing.items] == [Step, Show, Step, Export]
    assert steps(drawing) == {"Your name": "Ada", "Send": True}
    assert shown(drawing) == ["Hello, Ada"]
    assert exports(drawing) == {"note.json": {"name": "Ada"}}
    assert (drawing.finished, drawing.result, drawing.open) == (True, "Ada", None)


async def test_a_branch_not_taken_is_not_drawn():
    drawing = await play(declared(greet), {"Your name": "Ada", "Send": False})
    assert exports(drawing) == {}
    assert drawing.finished


async def test_shows_and_what_is_approved_are_numbered_thing_by_thing():
    async def flow(ui):
        ui.show("a", Table([{"x": 1}]))
        await ui.approve("Ok", ("b", "c"))
        ui.show("d")
        ui.show()

    drawing = await play(declared(flow), {"Ok": True})
    assert [item.number for item in drawing.items if isinstance(item, Show)] == [1, 5]
    assert [item.approve.number for item in drawing.items if isinstance(item, Step)] == [3]


async def test_keys_tell_steps_of_one_label_apart():
    async def flow(ui):
        return [await ui.ask("Note", str, key=key) for key in (0, "a", (1, "b/c"))]

    stored = [done("Note", '"x"', key="0"), done("Note", '"y"', key="a"), done("Note", '"z"', key="1/b//c")]
    drawing = await draw(flow, *stored)
    assert drawing.result == ["x", "y", "z"]
    assert [item.slug for item in drawing.items] == ["note-0", "note-a", "note-1-b-c"]


async def test_slugs_are_ascii_and_each_is_there_once():
    async def flow(ui):
        for label in ("Größe", "größe?", "日本", "東京"):
            await ui.ask(label, str)

    drawing = await draw(flow, *(done(label, '"x"') for label in ("Größe", "größe?", "日本", "東京")))
    slugs = [item.slug for item in drawing.items]
    assert slugs[0] == "grosse"
    assert slugs[1].startswith("grosse-")
    assert len(set(slugs)) == 4
    assert all(slug.isascii() and slug for slug in slugs)
    assert slugs == [item.slug for item in (await draw(flow, *(done(i.label, '"x"') for i in drawing.items))).items]


async def test_two_labels_whose_hashes_begin_alike_have_two_slugs():
    labels = ("\u554f\u6a77\u4e00", "\u554f\u6b53\u4e00")

    async def flow(ui):
        for label in labels:
            await ui.ask(label, str)

    first, second = (item.slug for item in (await draw(flow, *(done(label, '"x"') for label in labels))).items)
    assert (first, second[:6]) == ("db83bb", "db83bb") and first != second


def test_a_slug_is_never_longer_than_an_address_should_be():
    assert len(slug_of("word " * 100)) <= 60


# what stands of old answers

async def test_a_reverted_answer_is_only_the_default():
    drawing = await draw(greet, done("Your name", '"Ada"', state="reverted"))
    assert (drawing.open.label, drawing.open.default) == ("Your name", "Ada")


async def test_a_live_answer_goes_before_a_reverted_one_whichever_comes_first():
    rows = [done("Your name", '"Ada"'), done("Your name", '"Bob"', state="reverted")]
    for stored in (rows, rows[::-1]):
        assert steps(await draw(greet, *stored)) == {"Your name": "Ada"}


async def test_an_answer_that_no_longer_fits_is_asked_again_with_the_old_one_as_default():
    drawing = await draw(greet, done("Your name", '"a name of far more than twenty"'))
    assert (drawing.open.label, drawing.open.default) == ("Your name", "a name of far more than twenty")


async def test_a_vanished_choice_is_asked_again():
    async def flow(ui):
        await ui.ask("Colour", Literal["red", "blue"], default="red")

    assert (await draw(flow, done("Colour", '"green"'))).open.default == "red"


async def test_another_kind_of_call_asks_again():
    drawing = await draw(greet, done("Your name", '"Ada"', kind="approve"))
    assert (drawing.open.label, drawing.open.default) == ("Your name", None)


async def test_a_stored_answer_stands_when_the_default_changes():
    async def flow(ui):
        return await ui.ask("Name", str, default="new")

    assert (await draw(flow, done("Name", '"old"'))).result == "old"


async def test_an_approval_of_another_text_is_asked_again():
    first = await draw(greet, done("Your name", '"Ada"'))
    decided = done("Send", "true", kind="approve", digest=first.open.approve.digest)
    assert (await draw(greet, done("Your name", '"Ada"'), decided)).finished
    again = await draw(greet, done("Your name", '"Bob"'), decided)
    assert (again.open.label, again.open.default) == ("Send", True)


async def test_an_approval_of_the_same_table_stands_and_of_another_one_does_not():
    def of(rows):
        async def flow(ui):
            await ui.approve("Rows", Table(rows))
        return flow

    digest = (await draw(of([{"a": 1}]))).open.approve.digest
    decided = done("Rows", "false", kind="approve", digest=digest)
    assert steps(await draw(of([{"a": 1}]), decided)) == {"Rows": False}
    assert (await draw(of([{"a": 2}]), decided)).open is not None


class Badge:
    """A component of an author's own: it says itself how it is drawn."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __ft__(self):
        return P(self.text)


@pytest.mark.parametrize("component", [lambda text: P(text), lambda text: P(NotStr(f"<b>{text}</b>")), Badge])
async def test_an_approval_of_a_component_that_is_drawn_otherwise_is_asked_again(component):
    def of(text):
        async def flow(ui):
            await ui.approve("This", component(text))
        return flow

    decided = done("This", "true", kind="approve", digest=(await draw(of("one"))).open.approve.digest)
    assert (await draw(of("one"), decided)).finished
    assert (await draw(of("two"), decided)).open is not None


async def test_a_file_is_opened_on_the_loop_and_given_to_the_workflow():
    class Found:
        id, name = FileId("f1"), "list.csv"

    threads = []

    def open_file(id):
        threads.append(threading.current_thread())
        if id != "f1":
            raise NotFound("gone")
        return Found

    async def flow(ui):
        return (await ui.ask("List", Upload)).name

    drawing = await replay(declared(flow), [done("List", '{"file": "f1"}')], open_file=open_file)
    assert drawing.result == "list.csv"
    gone = await replay(declared(flow), [done("List", '{"file": "f2"}')], open_file=open_file)
    assert gone.open is not None
    assert set(threads) == {threading.main_thread()}


async def test_what_a_workflow_changes_does_not_reach_the_next_replay():
    async def flow(ui):
        rows = [await ui.ask("A", str)]
        rows.append("b")
        return rows

    flow = declared(flow)
    assert [(await draw(flow, done("A", '"x"'))).result for _ in range(2)] == [["x", "b"]] * 2


async def test_two_hundred_steps_are_drawn_in_a_few_milliseconds():
    async def flow(ui):
        for n in range(200):
            await ui.ask("Question", str, key=n)

    flow, stored = declared(flow), [done("Question", '"x"', key=str(n)) for n in range(200)]
    took = []
    for _ in range(3):
        began = time.process_time()
        assert (await draw(flow, *stored)).finished
        took.append(time.process_time() - began)
    assert min(took) < 0.02  # seconds of CPU; 0.0016 on an idle machine


# a model: a list of calls is the workflow, a walk over them what must be drawn

CALLS = st.lists(st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 5)), st.tuples(st.just("approve"), st.integers(0, 5)),
    st.tuples(st.just("show"), st.integers(0, 5))), max_size=12, unique=True)
ANSWERS = st.dictionaries(st.integers(0, 5), st.booleans(), max_size=6)


@settings(max_examples=soak(20, 2_000), deadline=None)
@given(CALLS, ANSWERS)
def test_any_workflow_is_drawn_as_a_walk_over_its_calls_would_be(calls, answers):
    async def flow(ui):
        for call, n in calls:
            if call == "ask":
                await ui.ask("Step", bool, key=n)
            elif call == "approve":
                await ui.approve("Decide", "this", key=n)
            else:
                ui.show(f"shown {n}")

    expected, stopped = [], False
    for call, n in calls:
        if stopped:
            break
        expected.append((call, n))
        stopped = call != "show" and (call == "approve" or n not in answers)  # approvals are never answered here
    stored = [done("Step", "true" if value else "false", key=str(n)) for n, value in answers.items()]
    drawing = asyncio.run(draw(flow, *stored, twice=True))
    drawn = [("show", int(item.things[0][-1])) if isinstance(item, Show) else (item.kind, int(item.key))
             for item in drawing.items]
    assert drawn == expected
    assert drawing.finished is not stopped
    assert (drawing.open is not None) is stopped
    assert [item.value for item in drawing.items if isinstance(item, Step) and item.state == "done"] == [
        answers[n] for call, n in expected if call == "ask" and n in answers]
