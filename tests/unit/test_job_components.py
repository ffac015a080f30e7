"""Cards of jobs in the states that are hard to bring about; what is counted and timed, in words."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.partials import parse
from treadle.drawing import Drawing, Step, Work
from treadle.drawings import Changed
from treadle.jobs.engine import Live
from treadle.jobs.progress import Try
from treadle.run import Run, RunView
from treadle.shows import Table
from treadle.text import span
from treadle.web.components.jobs import Item, JobCard, Seen, left, reason, table_of
from treadle.web.components.steps import Drawn, heading, named
from treadle.workflow import HOME


def run(**changed) -> Run:
    facts = {name: "" for name in Run._fields} | {"key": "k-1", "endpoint": "lab", "title": "Lab", "state": "open",
                                                  "number": 1, "rev": 7, "complete": 0} | changed
    return Run(**facts)


def step(kind: str = "job", state: str = "running", **work) -> Step:
    return Step("Read", "", "read", kind, 2, state, None, None, work=Work(print, **work), id=5)


def drawn(author: bool = True) -> Drawn:
    return Drawn(lambda path: path, 0.0, author=author)


def draw(one: Step, seen: Seen, *, author: bool = True, **changed):
    view = RunView(run(**changed), HOME, Drawing([one], one))
    return parse(JobCard(view, one, "/runs/k-1", drawn(author), seen)).find("step-read")


def live(**changed) -> Live:
    facts = {"done": 0.0, "total": None, "text": "", "log": [], "eta_s": None, "failed": 0} | changed
    return Live(**facts)


def test_a_step_that_waits_for_a_model_is_grey_and_says_so():
    card = draw(step("llm"), Seen(live=live(text="Waiting for a model"), waits="Waiting for a model; it goes on."))
    assert card.has_class("stopped") and "Waiting for a model; it goes on." in card.text
    assert not [node for node in card.walk() if node.tag == "progress"]


def test_what_the_model_writes_is_shown_as_it_comes_and_never_as_html():
    card = draw(step("llm"), Seen(live=live(), written="So <b>far", model="qwen3:8b"))
    assert "So <b>far" in card.text and "qwen3:8b writes this step." in card.text


def test_newer_code_is_offered_for_what_is_left():
    card = draw(step(), Seen(live=live(), newer=True))
    assert "/runs/k-1/jobs/read/renew" in [node.attrs.get("action") for node in card.walk() if node.tag == "form"]


def test_a_job_that_waits_for_a_choice_about_changed_code_does_not_say_that_it_runs():
    one = step(state="open")
    view = RunView(run(), HOME, Drawing([one], one), changed=Changed(one, again=False))
    card = parse(JobCard(view, one, "/runs/k-1", drawn(), Seen()))
    assert "Runs when you have chosen" in card.text and not [node for node in card.walk() if node.tag == "form"]


def test_what_is_for_the_author_is_for_nobody_else():
    slow = Seen(live=live(), advice='Give this step on="process".')
    assert 'on="process"' in draw(step(), slow).text and 'on="process"' not in draw(step(), slow, author=False).text
    failed = Seen(details="Traceback of mine")
    assert "Traceback of mine" in draw(step(state="failed"), failed).text
    assert "Traceback" not in draw(step(state="failed"), failed, author=False).text


def test_an_each_that_was_stopped_says_how_many_items_never_ran():
    one = step("each", "done", items=range(30))
    assert "21 results, 4 failed, 5 not run" in draw(one, Seen(done=21, failed=4)).text
    assert "not run" not in draw(one, Seen(done=26, failed=4)).text


def test_a_bar_is_drawn_only_where_something_is_known():
    def bars(seen: Live) -> int:
        return len([node for node in draw(step(), Seen(live=seen)).walk() if node.tag == "progress"])

    assert bars(live(done=3.0, total=5.0)) == 1
    far = live(done=3.0, text="Reading")
    assert bars(far) == 0 and "3 so far" in draw(step(), Seen(live=far)).text
    assert bars(live()) == 0


def test_a_locked_run_offers_nothing():
    for state in ("running", "stopped", "failed", "done"):
        card = draw(step(state=state), Seen(), state="finished")
        assert not [node for node in card.walk() if node.tag == "form"], state


def test_an_item_without_a_text_is_named_by_what_it_holds_and_not_in_python():
    rows = table_of(Work(print, items=[{"lo": 10, "hi": 20, "die": True}]), [Item(0, "done", '{"n": 4}')]).rows
    assert rows[0]["Item"] == "lo: 10, hi: 20, die: yes"


def test_results_say_which_item_they_are_of_unless_they_hold_it():
    work = Work(print, items=[{"url": "/a"}, {"url": "/b"}])
    table = table_of(work, [Item(0, "done", '{"url": "/a", "status": 200}'), Item(1, "failed", None, "No answer")])
    assert list(table.rows[0]) == ["url", "status"] and dict(table.rows[1]) == {"Item": "/b", "Error": "No answer"}
    scalars = table_of(Work(print, items=["x"], name=str.upper), [Item(0, "done", "3")])
    assert dict(scalars.rows[0]) == {"Item": "X", "Result": 3}


@dataclass
class Size:
    width: int
    wide: bool


@pytest.mark.parametrize(("value", "said"), [(Table([{"n": 1}, {"n": 2}]), "2 rows"),
                                             (Size(3, True), "width: 3, wide: yes")])
def test_a_result_is_told_in_words_and_not_in_python(value, said):
    one = step(state="done")
    one.value = value
    assert said in draw(one, Seen()).text


@pytest.mark.parametrize(("seconds", "said"), [(0.84, "0.8 s"), (6, "6 s"), (40.2, "40 s"), (120, "2 min"),
                                               (3599, "1 h 0 min"), (3900, "1 h 5 min")])
def test_a_stretch_of_time(seconds, said):
    assert span(seconds) == said


def test_time_left_is_never_less_than_a_second():
    assert left(0.2) == "1 s left" and left(5.3) == "5 s left"


@pytest.mark.parametrize(("error", "said"), [("ValueError: no answer", "no answer."),
                                             ("KeyError: 'x'", "KeyError: 'x'."), ("It ended.", "It ended."), ("", "")])
def test_a_reason_is_a_sentence_of_the_author(error, said):
    assert reason(error) == said


def test_a_step_with_a_key_shows_it_in_the_list_of_steps():
    step = Step("Crawl", "depth 2", "crawl-depth-2", "each", 4, "done", None, None)
    assert ">Crawl <span" in heading(step) and ">depth 2</span>" in heading(step)
    assert named(step) == "Crawl depth 2"
    step.key = ""
    assert heading(step) == '<h2 id="step-crawl-depth-2-h">Crawl</h2>'


def test_a_job_that_waits_for_a_worker_says_so_and_shows_no_idle_bar():
    none = live(total=50.0, unit="items", waits="Waits")
    card = draw(step("each", items=range(50)), Seen(live=none, waits="Waits for a free worker."))
    assert card.has_class("stopped") and "Waits for a free worker." in card.text and "of 50" not in card.text
    some = draw(step("each", items=range(50)), Seen(live=live(total=50.0, done=3.0, unit="items", waits="W", eta_s=9)))
    assert "3 of 50 items" in some.text and "left" not in some.text


def test_what_is_tried_again_says_which_attempt_it_is_and_when_it_starts():
    again = Try("ValueError: No answer", 2, 3, 7.6)
    assert "No answer; attempt 2 of 3 starts in 8 s." in draw(step(), Seen(live=live(tries={0: again}))).text
    some = live(done=3.0, total=5.0, unit="items", failed=1, tries={1: again}, eta_s=60)
    card = draw(step("each", items="abcde"), Seen(failed=1, live=some, items=[Item(2, "failed", None, "Gone")]))
    assert "3 of 5 items, 1 failed, 1 tried again" in card.text and "1 failed, 1 tried again" in card.text
    assert "bNo answer; attempt 2 of 3 starts in 8 s." in card.text and "cGone." in card.text


def test_a_failed_job_leads_back_to_the_question_before_it():
    def question(label: str) -> Step:
        return Step(label, "", label.lower(), "ask", 1, "done", None, None)

    one, before = step(state="failed"), [question("URL"), question("Depth"), step(state="done")]
    view = RunView(run(), HOME, Drawing([*before, one], one))
    card = parse(JobCard(view, one, "/runs/k-1", drawn(), Seen())).find("step-read")
    acts = {node.attrs["action"]: node.text for node in card.walk() if node.tag == "form"}
    assert acts == {"/runs/k-1/jobs/read/go-on": "Try again", "/runs/k-1/revert/depth": "Revert to Depth"}
