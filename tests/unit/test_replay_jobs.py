"""Replay of what runs: job, each and llm, by their rows; and what an author can get wrong."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import pytest

from tests.play import declared, draw, failing, line_of
from treadle import Failed
from treadle.calls import arguments, call_digest, digest, item_digests, items_digest
from treadle.drawing import Stored
from treadle.errors import NotFound
from treadle.replay import replay
from treadle.results import Results, Row


@dataclass
class Page:
    url: str
    seen: date


def fetch(url: str, deep: bool = False) -> Page:
    raise AssertionError("a replay runs nothing")


def plain(n: int) -> Any:
    raise AssertionError("a replay runs nothing")


async def flow(ui):
    page = await ui.job("Fetch", fetch, "u", key=1)
    return page


class Table:
    """Rows of items, as the database has them; counts how often it is read."""

    def __init__(self, *rows: Row) -> None:
        self.rows, self.reads = rows, 0

    def page(self, number: int) -> list[Row]:
        self.reads += 1
        return [row for row in self.rows if number * 500 <= row.number < (number + 1) * 500]

    def count(self) -> int:
        return max(row.number for row in self.rows) + 1

    def done(self) -> list[int]:
        return [row.number for row in self.rows if row.state == "done"]

    def open_file(self, id: str) -> Any:
        raise NotFound(id)


def stored(label: str, kind: str, value: str | None, of: str, state: str = "done", **more: Any) -> Stored:
    return Stored(label, more.pop("key", ""), kind, value, of, state, **more)


FETCHED = call_digest(fetch, ("u",))
PAGE = '{"url": "u", "seen": "2026-11-21"}'


# what a row makes of a step

async def test_a_job_without_a_row_is_open_and_says_what_it_runs():
    step = (await draw(flow)).open
    assert (step.kind, step.state, step.key, step.id) == ("job", "open", "1", 0)
    assert (step.work.fn, step.work.args, step.work.digest) == (fetch, ("u",), FETCHED)


async def test_what_a_job_returned_is_read_back_by_its_annotation_and_fresh_each_time():
    row = stored("Fetch", "job", PAGE, FETCHED, key="1")
    first, second = (await draw(flow, row)).result, (await draw(flow, row)).result
    assert first == second == Page("u", date(2026, 11, 21)) and first is not second


@pytest.mark.parametrize("state", ["running", "failed", "stopped"])
async def test_what_came_to_no_end_stops_the_replay_in_its_state(state):
    row = stored("Fetch", "job", None, FETCHED, state, key="1", id=7, error="Why.", code="v_1")
    drawing = await draw(flow, row)
    step = drawing.open
    assert (step.state, step.id, step.error, step.code) == (state, 7, "Why.", "v_1") and not drawing.finished


@pytest.mark.parametrize(("value", "of"), [(PAGE, "another"), ('{"url": "u"}', FETCHED), ('"text"', FETCHED)])
async def test_other_arguments_or_a_value_that_no_longer_fits_run_again(value, of):
    step = (await draw(flow, stored("Fetch", "job", value, of, key="1"))).open
    assert step.state == "open" and step.default is None


async def test_a_list_that_is_not_sealed_yet_runs_still():
    async def lists(ui):
        await ui.each("Each", [1], plain)

    of = items_digest(plain, (1,))
    row = stored("Each", "each", None, of, rows=Table(Row(0, "done", "1", "")))
    assert (await draw(lists, row)).open.state == "running"


async def test_a_reverted_row_is_no_result():
    assert (await draw(flow, stored("Fetch", "job", PAGE, FETCHED, "reverted", key="1"))).open.state == "open"


async def test_a_job_that_was_a_question_is_run():
    assert (await draw(flow, stored("Fetch", "ask", '"x"', "", key="1"))).open.state == "open"


@pytest.mark.parametrize(("returned", "text", "value"), [
    (int, "3", 3), (float, "3", 3), (dict[int, str], '{"1": "a"}', {1: "a"}), (tuple[int, str], '[1, "a"]', (1, "a")),
    (None, "null", None), (Any, "[1]", [1]), (list[date], '["2026-01-02"]', [date(2026, 1, 2)])])
async def test_a_return_annotation_says_what_comes_back(returned, text, value):
    def fn():
        return None

    fn.__annotations__["return"] = returned

    async def typed(ui):
        return await ui.job("Job", fn)

    assert (await draw(typed, stored("Job", "job", text, call_digest(fn, ())))).result == value


async def test_without_an_annotation_a_tuple_is_a_list_from_the_start():
    async def typed(ui):
        return await ui.job("Job", plain, 1)

    assert (await draw(typed, stored("Job", "job", json.dumps((1, 2)), call_digest(plain, (1,))))).result == [1, 2]


async def test_an_answer_of_the_model_is_text_or_what_the_schema_says():
    async def asks(ui):
        return await ui.llm("Words", "Say it."), await ui.llm("Page", "Which?", Page)

    first = (await draw(asks)).open
    assert (first.kind, first.work.prompt, first.work.schema) == ("llm", "Say it.", None)
    second = (await draw(asks, stored("Words", "llm", '"Hello"', first.work.digest))).open
    assert second.work.schema is Page
    rows = [stored("Words", "llm", '"Hello"', first.work.digest), stored("Page", "llm", PAGE, second.work.digest)]
    assert (await draw(asks, *rows)).result == ("Hello", Page("u", date(2026, 11, 21)))


async def test_another_prompt_asks_the_model_again():
    async def asks(ui):
        await ui.llm("Words", "Say more.")

    assert (await draw(asks, stored("Words", "llm", '"Hello"', digest(["Say it.", ""])))).open.state == "open"


# what each gives

def results(table: Table, items: Any) -> Results[Any]:
    return Results(table, json.loads, "abc", items)


async def test_each_gives_what_there_is_in_order_and_why_the_others_failed():
    table = Table(Row(0, "done", "10", ""), Row(1, "failed", None, "It broke."))
    found = results(table, ["a", "b", "c"])
    assert list(found) == [10, Failed("b", "It broke."), Failed("c", "Stopped")]
    assert (list(found.ok), list(found.failed)) == ([10], [Failed("b", "It broke."), Failed("c", "Stopped")])
    assert (len(found), len(found.ok), len(found.failed), found[-1].item, found[:1]) == (3, 1, 2, "c", [10])
    assert found == [10, Failed("b", "It broke."), Failed("c", "Stopped")] and not hasattr(found, "__setitem__")


async def test_results_are_read_500_at_a_time_and_not_at_all_to_be_replayed():
    table = Table(*(Row(n, "done", str(n), "") for n in range(1_200)))

    async def lists(ui):
        found = await ui.each("Each", range(1_200), plain, workers=8)
        await ui.job("Next", plain, found)

    row = stored("Each", "each", '"abc"', items_digest(plain, tuple(range(1_200))), rows=table)
    drawing = await draw(lists, row)
    assert drawing.open.label == "Next" and table.reads == 0
    assert sum(drawing.items[0].value) == 719_400 and table.reads == 3


async def test_a_long_list_of_a_job_is_read_by_row_and_by_the_annotation():
    def lists() -> list[Page]:
        raise AssertionError("a replay runs nothing")

    async def asks(ui):
        return await ui.job("Pages", lists)

    table = Table(*(Row(n, "done", PAGE, "") for n in range(3)))
    found = (await draw(asks, stored("Pages", "job", '"abc"', call_digest(lists, ()), rows=table))).result
    assert len(found) == 3 and found[2] == Page("u", date(2026, 11, 21)) and list(found.failed) == []


async def test_what_is_made_of_results_depends_on_what_is_in_them():
    table = Table(Row(0, "done", "1", ""))
    one, other = Results(table, json.loads, "abc", ["a"]), Results(table, json.loads, "abd", ["a"])
    assert call_digest(plain, (one,)) != call_digest(plain, (other,)) != call_digest(plain, (other.ok,))


# by what calls and items are known

def test_a_call_is_known_by_all_that_is_bound_to_it():
    assert arguments(partial(fetch, deep=True), ("u",)) == {"url": "u", "deep": True}
    assert call_digest(fetch, ("u",)) == call_digest(partial(fetch, "u"), ())
    assert call_digest(fetch, ("u",)) == call_digest(partial(fetch, url="u"), ())
    assert call_digest(fetch, ("u",)) != call_digest(partial(fetch, deep=True), ("u",))


def test_an_item_is_known_by_its_call_and_its_number_among_equals():
    first = list(item_digests(plain, ["a", "b", "a"]))
    assert len(set(first)) == 3
    assert set(item_digests(plain, ["a", "a", "b"])) == set(first)
    assert not set(item_digests(partial(fetch, deep=True), ["a", "b"])) & set(item_digests(fetch, ["a", "b"]))


@pytest.mark.parametrize(("one", "other"), [
    (Page("u", date(2026, 1, 1)), Page("u", date(2026, 1, 2))), ({1, 2}, {1, 3}), (b"a", b"b"), ([1, [2]], [1, [3]]),
    ("1", 1), (None, 0)])
def test_arguments_of_other_content_have_another_digest(one, other):
    assert digest(one) != digest(other) and digest(one) == digest(one)


async def test_what_no_job_can_be_given_is_named_with_its_line():
    async def gives(ui):
        await ui.job("Job", plain, object())  # here

    await failing(gives, said="A job is given texts, numbers, lists", at="# here")


# what an author can get wrong

def nested() -> Callable[..., int]:
    def inside(x: int) -> int:
        return x

    return inside


async def coroutine(x: int) -> int:
    return x


@pytest.mark.parametrize(("call", "said"), [
    (lambda ui: ui.job("J", lambda: 1, on="process"), "<lambda> cannot be sent to another process"),
    (lambda ui: ui.job("J", partial(nested(), 1), on="process"), "inside cannot be sent to another process"),
    (lambda ui: ui.job("J", coroutine, 1, on="process"), "runs on the server's loop: leave out on='process'"),
    (lambda ui: ui.job("J", plain, 1, on="moon"), "on= is 'thread', 'process' or 'cluster', not 'moon'"),
    (lambda ui: ui.job("J", plain), "missing a required argument: 'n'"),
    (lambda ui: ui.job("J", 3), "A job runs a function, not int"),
    (lambda ui: ui.job("J", plain, 1, retries=-1), "retries= is a whole number from 0 to 100, not -1"),
    (lambda ui: ui.job("J", plain, 1, timeout_s=0), "timeout_s= is a number of seconds above 0, or None, not 0"),
    (lambda ui: ui.each("J", [1], plain, workers=0), "workers= is a whole number from 1 to 64, not 0"),
    (lambda ui: ui.each("J", [1], plain, workers=True), "workers= is a whole number"),
    (lambda ui: ui.each("J", "abc", plain), "The items of 'J' are a list, not str"),
    (lambda ui: ui.each("J", 3, plain), "The items of 'J' are a list, not int"),
    (lambda ui: ui.each("J", [1], plain, failed="skip"), "failed= is 'ask' or 'keep'"),
    (lambda ui: ui.each("J", [1], plain, name="x"), "name= is a function of the item"),
    (lambda ui: ui.llm("J", " "), "'J' needs a prompt"),
    (lambda ui: ui.ask("J", int, draft="Write"), "draft= of 'J' is a prompt for a field of text"),
    (lambda ui: ui.job("", plain, 1), "A step needs a label"),
])
async def test_a_call_that_cannot_work_names_its_line(call, said):
    async def wrong(ui):
        await call(ui)

    drawing = await draw(wrong)
    assert said in drawing.error.message
    assert drawing.error.line == call.__code__.co_firstlineno


async def test_two_steps_of_one_name_are_told_whatever_the_calls():
    async def double(ui):
        await ui.job("Same", plain, 1)
        await ui.ask("Same", str)  # here

    row = stored("Same", "job", "1", call_digest(plain, (1,)))
    drawing = await failing(double, row, said="Two steps have the label 'Same'", at="# here")
    assert f"lines {line_of(double, 'ui.job')} and {line_of(double, '# here')}" in drawing.error.message


async def test_a_job_that_is_not_awaited_is_named():
    async def forgets(ui):
        ui.job("Job", plain, 1)  # here
        ui.show("x")

    row = stored("Job", "job", "1", call_digest(plain, (1,)))
    await failing(forgets, row, said="'Job' is not awaited", at="# here")


@pytest.mark.parametrize("changing", [random.random, time.perf_counter_ns])
async def test_what_changes_by_itself_is_found_where_it_reaches_a_job(changing):
    async def rolls(ui):
        await ui.job("Job", plain, changing())  # here

    await failing(rolls, said="other arguments of job 'Job'", at="# here", twice=True)


async def test_what_changes_by_itself_is_found_where_it_reaches_an_each_or_a_prompt():
    async def rolls(ui):
        await ui.each("Each", [random.random()], plain)

    async def prompts(ui):
        await ui.llm("Say", f"{random.random()}")

    await failing(rolls, said="other arguments of each 'Each'", twice=True)
    await failing(prompts, said="other arguments of llm 'Say'", twice=True)


async def test_the_stop_signal_of_a_job_cannot_be_swallowed():
    async def swallows(ui):
        try:
            await ui.job("Job", plain, 1)  # here
        except BaseException:  # noqa: BLE001 - what an author may write
            ui.show("after")

    await failing(swallows, said="The stop signal of this step was caught", at="# here")


async def test_a_file_that_a_job_made_comes_back_as_that_file():
    async def makes(ui):
        return await ui.job("Chart", plain, 1)

    row = stored("Chart", "job", '{"file": "%s"}' % ("a" * 32), call_digest(plain, (1,)))
    drawing = await replay(declared(makes), [row], open_file=lambda id: f"file {id[:2]}")
    assert drawing.result == "file aa"


# forms and choices, by their rows

async def test_a_form_gives_an_instance_and_a_reverted_one_its_defaults():
    async def asks(ui):
        return await ui.form("Page", Page)

    answer = f'{{"form": {PAGE}}}'
    assert (await draw(asks, stored("Page", "form", answer, ""))).result == Page("u", date(2026, 11, 21))
    step = (await draw(asks, stored("Page", "form", answer, "", "reverted"))).open
    assert (step.kind, step.default) == ("form", {"url": "u", "seen": date(2026, 11, 21)})


async def test_a_choice_that_is_gone_is_asked_again():
    async def asks(ui):
        return await ui.choose("Which", {1: "One", 2: "Two"}), await ui.choose("Some", ["a", "b"], many=True)

    rows = [stored("Which", "choose", "2", ""), stored("Some", "choose", '["b"]', "")]
    assert (await draw(asks, *rows)).result == (2, ["b"])
    rows = [stored("Which", "choose", "3", ""), rows[1]]
    assert (await draw(asks, *rows)).open.label == "Which"
    rows = [stored("Which", "choose", "1", ""), stored("Some", "choose", '["b", "c"]', "")]
    step = (await draw(asks, *rows)).open
    assert (step.label, step.default) == ("Some", ["b"])
