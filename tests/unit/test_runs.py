"""Runs as rows: begun once, answered once, reverted and brought back, locked, and carried on after a kill."""

from __future__ import annotations

import asyncio

import pytest

from tests.clock import ManualClock
from treadle.errors import Conflict, InvalidAnswer, NotFound, PluginError
from treadle.facts import LENGTH as FACTS_LENGTH
from treadle.replay import Step
from treadle.runs import Runs, RunView, summary


async def answer(runs: Runs, key: str, slug: str, value: str, **options):
    view = await runs.draw(key)
    return await runs.answer(key, slug, {"value": [value]}, rev=view.form_rev, **options)


async def begun(runs: Runs, *, to: str = "") -> str:
    """A trip, answered up to the step `to`, or to its end."""
    key = (await runs.begin("trip", {"value": ["Rome"]})).key
    for slug, value in (("days", "3"), ("go", "yes"), ("note", "Take an umbrella")):
        if slug == to:
            break
        await answer(runs, key, slug, value)
    return key


def done(view: RunView) -> dict[str, object]:
    return {item.slug: item.value for item in view.drawing.items if isinstance(item, Step) and item.state == "done"}


# -- beginning


async def test_a_workflow_not_begun_is_drawn_without_rows(runs, db):
    view = await runs.draw_new("trip")
    assert view.run is None and view.drawing.open.slug == "where"
    assert runs.list() == [] and db.rows("SELECT * FROM steps") == []


async def test_a_run_begins_with_its_first_answer_and_gets_a_key_and_a_title(runs):
    run = await runs.begin("trip", {"value": [" Rome "]}, client_id="c1")
    assert (run.key, run.number, run.title, run.state) == ("default-trip-01", 1, "Trip, Rome", "open")
    assert (run.waiting_for, run.answered, run.complete) == ("Days", 1, False)
    assert done(await runs.draw(run.key)) == {"where": "Rome"}
    assert (await runs.begin("trip", {"value": ["Oslo"]})).key == "default-trip-02"


async def test_the_same_first_form_sent_twice_is_one_run(runs):
    first, second = await asyncio.gather(*(runs.begin("trip", {"value": ["Rome"]}, client_id="c1") for _ in range(2)))
    assert first.key == second.key
    assert len(runs.list()) == 1


async def test_another_decision_in_the_same_form_is_another_run(runs):
    first = await runs.begin("leap", {"value": ["yes"]}, client_id="c1")
    assert (await runs.begin("leap", {"value": ["yes"]}, client_id="c1")).key == first.key
    second = await runs.begin("leap", {"value": ["no"]}, client_id="c1")
    assert second.key != first.key and done(await runs.draw(second.key)) == {"jump": False}


async def test_the_run_last_worked_on_stands_first_whatever_the_wall_clock_says(runs):
    await runs.begin("trip", {"value": ["Rome"]})
    runs._clock.jump(-86_400)
    late = await runs.begin("trip", {"value": ["Oslo"]})
    assert runs.list()[0].key == late.key


async def test_another_answer_in_the_same_form_is_another_run(runs):
    first = await runs.begin("trip", {"value": ["Rome"]}, client_id="c1")
    second = await runs.begin("trip", {"value": ["Oslo"]}, client_id="c1")
    assert {first.title, second.title} == {"Trip, Rome", "Trip, Oslo"}


async def test_a_refused_first_answer_leaves_no_row(runs, db, feed):
    before = feed.rev
    with pytest.raises(InvalidAnswer) as refused:
        await runs.begin("trip", {"value": ["x" * 21]})
    assert "21 characters; the limit is 20" in refused.value.message
    assert runs.list() == [] and feed.rev == before == db.one("SELECT rev FROM counter")["rev"]


async def test_a_workflow_that_asks_nothing_begins_with_start_and_is_complete(runs):
    run = await runs.begin("nothing", {})
    assert run.complete and run.title == "Nothing 1"
    assert runs.list(unfinished=True) == []


async def test_unknown_runs_and_workflows_are_not_found(runs):
    for unknown in (runs.draw("default-trip-99"), runs.draw_new("nowhere"), runs.revert("default-trip-99", "x"),
                    runs.begin("home", {})):
        with pytest.raises(NotFound):
            await unknown


async def test_a_plugin_that_does_not_load_gives_its_error(runs):
    with pytest.raises(PluginError, match="no_such_module"):
        await runs.draw_new("gap")


# -- answering


async def test_drawing_writes_nothing(runs, db):
    key = await begun(runs, to="days")
    before = db.connection.total_changes
    for _ in range(3):
        await runs.draw(key)
        await runs.facts(key)
    assert db.connection.total_changes == before


async def test_a_run_goes_to_its_end(runs):
    key = await begun(runs)
    run = runs.get(key)
    assert run.complete and run.waiting_for == "" and run.state == "open"
    view = await runs.draw(key)
    assert done(view) == {"where": "Rome", "days": 3, "go": True, "note": "Take an umbrella"}
    assert view.drawing.finished


async def test_each_answer_moves_the_rev_of_the_run_once(runs, feed):
    key = await begun(runs, to="days")
    before = feed.rev
    run = await answer(runs, key, "days", "3")
    assert run.rev == feed.rev == before + 1


@pytest.mark.parametrize(("value", "problem"), [("", "empty"), ("many", "no whole number"), ("31", "At most 30 days.")])
async def test_a_refused_answer_changes_nothing(runs, feed, value, problem):
    key = await begun(runs, to="days")
    before = feed.rev
    with pytest.raises(InvalidAnswer, match=problem):
        await answer(runs, key, "days", value)
    assert feed.rev == before and runs.get(key).waiting_for == "Days"


async def test_an_answer_to_an_older_form_is_a_conflict(runs):
    key = await begun(runs, to="days")
    older = (await runs.draw(key)).form_rev
    await answer(runs, key, "days", "3")
    with pytest.raises(Conflict, match="answered meanwhile"):
        await runs.answer(key, "days", {"value": ["4"]}, rev=older)
    assert done(await runs.draw(key))["days"] == 3


async def test_i53_a_late_answer_never_answers_a_newer_question(runs):
    key = await begun(runs, to="days")
    older = (await runs.draw(key)).form_rev
    await answer(runs, key, "days", "3")
    with pytest.raises(Conflict):
        await runs.answer(key, "go", {"value": ["yes"]}, rev=older)
    assert runs.get(key).waiting_for == "Go"


async def test_i52_of_twenty_answers_at_once_one_is_stored(runs, db):
    key = await begun(runs, to="days")
    rev = (await runs.draw(key)).form_rev
    results = await asyncio.gather(
        *(runs.answer(key, "days", {"value": [str(n % 10)]}, rev=rev) for n in range(20)), return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 19
    assert len(db.rows("SELECT * FROM steps WHERE slug = 'days' AND state = 'done'")) == 1


async def test_the_second_answer_can_take_the_place_of_the_stored_one(runs):
    key = await begun(runs, to="note")
    run = await answer(runs, key, "days", "5", replace=True)
    view = await runs.draw(key)
    assert done(view) == {"where": "Rome", "days": 5}
    assert view.drawing.open.slug == "go" and run.reverted_to == ""


async def test_an_approval_holds_for_what_was_shown(runs):
    key = await begun(runs, to="note")
    await answer(runs, key, "days", "5", replace=True)
    assert (await runs.draw(key)).drawing.open.default is True  # the old decision is the proposal


@pytest.mark.parametrize("value", ["", "maybe", "YES"])
async def test_an_approval_is_yes_or_no(runs, value):
    key = await begun(runs, to="go")
    with pytest.raises(InvalidAnswer):
        await answer(runs, key, "go", value)


async def test_two_runs_never_touch_each_other(runs):
    one, two = [(await runs.begin("trip", {"value": [town]})).key for town in ("Rome", "Oslo")]
    await asyncio.gather(answer(runs, one, "days", "1"), answer(runs, two, "days", "2"))
    await runs.revert(one, "where")
    assert done(await runs.draw(one)) == {}
    assert done(await runs.draw(two)) == {"where": "Oslo", "days": 2}


async def test_an_authors_error_is_drawn_and_the_answer_is_kept(runs):
    run = await runs.begin("fails", {"value": ["0"]})
    view = await runs.draw(run.key)
    assert "ZeroDivisionError" in view.drawing.error.message
    assert done(view) == {"number": 0}
    assert [run.key for run in runs.list(unfinished=True)] == [run.key]


async def test_a_check_that_fails_is_an_error_of_the_author_and_stores_nothing(runs):
    key = await begun(runs, to="days")
    with pytest.raises(PluginError, match="no thirteenth"):
        await answer(runs, key, "days", "13")
    assert runs.get(key).waiting_for == "Days"


# -- reverting


async def test_reverting_asks_again_with_the_old_answers_as_defaults(runs):
    key = await begun(runs)
    run = await runs.revert(key, "where")
    assert (run.reverted_to, run.waiting_for, run.answered, run.complete) == ("Where", "Where", 0, False)
    assert (await runs.draw(key)).drawing.open.default == "Rome"
    await answer(runs, key, "where", "Oslo")
    assert (await runs.draw(key)).drawing.open.default == 3


async def test_reverting_erases_nothing(runs, db):
    key = await begun(runs)
    await runs.revert(key, "days")
    await answer(runs, key, "days", "7")
    rows = db.rows("SELECT value, state FROM steps WHERE slug = 'days' ORDER BY id")
    assert [tuple(row) for row in rows] == [("3", "reverted"), ("7", "done")]


async def test_a_revert_is_undone_whole(runs):
    key = await begun(runs)
    before = done(await runs.draw(key))
    await runs.revert(key, "go")
    await runs.revert(key, "where")
    run = await runs.undo(key)
    assert done(await runs.draw(key)) == before
    assert run.complete and run.reverted_to == ""


async def test_undo_is_there_until_the_next_answer(runs):
    key = await begun(runs)
    await runs.revert(key, "days")
    assert (await answer(runs, key, "days", "4")).reverted_to == ""
    with pytest.raises(Conflict, match="nothing to undo"):
        await runs.undo(key)
    assert done(await runs.draw(key)) == {"where": "Rome", "days": 4}


async def test_a_failed_undo_leaves_the_open_step(runs, feed):
    key = await begun(runs, to="days")
    before = feed.rev
    with pytest.raises(Conflict):
        await runs.undo(key)
    assert runs.get(key).waiting_for == "Days" and feed.rev == before


async def test_of_two_reverts_at_once_the_earlier_step_is_the_one_named(runs):
    key = await begun(runs)
    runs._drawings._kept.clear()  # so that both are drawn before either is written
    await asyncio.gather(runs.revert(key, "where"), runs.revert(key, "days"))
    assert runs.get(key).reverted_to == "Where" and done(await runs.draw(key)) == {}
    assert (await runs.undo(key)).complete


async def test_a_form_drawn_before_a_revert_is_too_old(runs):
    key = await begun(runs, to="go")
    older = (await runs.draw(key)).form_rev
    await runs.revert(key, "days")
    with pytest.raises(Conflict):
        await runs.answer(key, "days", {"value": ["9"]}, rev=older)


async def test_reverting_twice_is_reverting_once(runs, feed):
    key = await begun(runs, to="go")
    await runs.revert(key, "days")
    before = feed.rev
    await runs.revert(key, "days")
    assert feed.rev == before


async def test_the_other_branch_keeps_what_was_answered_in_the_first(runs):
    key = (await runs.begin("skip", {"value": ["left"]})).key
    await answer(runs, key, "left", "L")
    await runs.revert(key, "fork")
    await answer(runs, key, "fork", "right")
    assert runs.get(key).waiting_for == "Right"
    await runs.revert(key, "fork")
    await answer(runs, key, "fork", "left")
    assert (await runs.draw(key)).drawing.open.default == "L"


# -- locking


async def test_a_finished_run_takes_no_change_until_it_is_unlocked(runs):
    key = await begun(runs, to="note")
    rev = (await runs.draw(key)).form_rev
    assert (await runs.finalise(key)).state == "finished"
    for change in (runs.answer(key, "note", {"value": ["x"]}, rev=rev), runs.revert(key, "days"), runs.undo(key)):
        with pytest.raises(Conflict, match="locked"):
            await change
    assert (await runs.unlock(key)).state == "open"
    assert (await runs.answer(key, "note", {"value": ["x"]}, rev=rev)).complete


async def test_finished_runs_are_not_listed_as_unfinished(runs):
    one, two = await begun(runs, to="go"), await begun(runs, to="go")
    await runs.finalise(one)
    assert [run.key for run in runs.list("trip", unfinished=True)] == [two]
    assert {run.key for run in runs.list("trip")} == {one, two}


async def test_locking_twice_changes_once(runs, feed):
    key = await begun(runs, to="go")
    await runs.finalise(key)
    before = feed.rev
    await runs.finalise(key)
    assert feed.rev == before


# -- after a kill


async def test_a_run_killed_between_an_answer_and_its_next_step_goes_on(runs, db, feed, plugins, files, secrets):
    key = await begun(runs, to="days")
    rev, tick = (await runs.draw(key)).form_rev, feed.tick
    task = asyncio.create_task(runs.answer(key, "days", {"value": ["3"]}, rev=rev))
    await feed.wait_after(tick)  # the answer is committed
    task.cancel()
    await asyncio.wait([task])
    assert runs.get(key).waiting_for == "" and db.one("SELECT advance_due FROM runs")["advance_due"] == 1
    again = Runs(db, feed, ManualClock(), plugins, files, secrets, twice=False)
    await again.recover()
    assert again.get(key).waiting_for == "Go" and db.one("SELECT advance_due FROM runs")["advance_due"] == 0


async def test_recovering_moves_no_rev(runs, db, feed):
    key = await begun(runs, to="days")
    db.execute("UPDATE runs SET advance_due = 1")
    before = feed.rev
    await runs.recover()
    assert feed.rev == before and runs.get(key).waiting_for == "Days"


async def test_a_run_that_cannot_be_drawn_stays_due(runs, db):
    await runs.begin("fails", {"value": ["0"]})
    await runs.recover()
    assert db.one("SELECT advance_due FROM runs")["advance_due"] == 1


# -- what the model is told


async def test_facts_hold_the_answers_and_the_open_question(runs):
    key = await begun(runs, to="note")
    facts = await runs.facts(key)
    assert facts.splitlines() == [f"Open run: Trip, Rome ({key}).", "- Where: Rome", "- Days: 3", "- Go: Book it",
                                  "The open question is step 4: Note."]


async def test_facts_of_a_long_run_are_bounded_and_hold_the_newest(runs):
    key = (await runs.begin("trip", {"value": ["Rome"]})).key
    await answer(runs, key, "days", "3")
    await answer(runs, key, "go", "yes")
    await answer(runs, key, "note", "word " * 20_000)
    facts = await runs.facts(key)
    assert len(facts) <= FACTS_LENGTH and "- Where: Rome" in facts and "…" in facts
    assert facts.endswith("All steps are done.")


async def test_a_decision_is_told_in_the_authors_words(runs):
    key = await begun(runs, to="note")
    step = next(item for item in (await runs.draw(key)).drawing.items if isinstance(item, Step) and item.slug == "go")
    assert summary(step) == "Book it"
