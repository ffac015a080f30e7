"""The fixture `run` that authors test their workflows with, and where their tests are found."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from datetime import date
from threading import Thread
from types import ModuleType
from typing import Literal

import pytest

from tests.every import plugins_at
from treadle import InvalidAnswer, Table, Upload, tool, workflow
from treadle.config import ROOT
from treadle.errors import PluginError


@workflow("Greet", message="m")
async def greet(ui):
    name = await ui.ask("Name", str, max_length=5)
    kind = await ui.ask("Kind", Literal["small", "large"] | None)
    for n in range(2):
        await ui.ask("Times", int, key=n)
    ui.show(f"Hello {name}", Table([{"kind": kind}]))
    if await ui.approve("Ok", name, yes="Greet"):
        ui.export("greeting.json", name=name, kind=kind)
        ui.export("names.csv", rows=[{"name": name, "formula": "=1"}])
        ui.export("note.md", note=name)
        return {"greeted": name}


ALL = {"Name": "Ada", "Kind": None, ("Times", 0): "1,000", ("Times", 1): 2, "Ok": True}


def test_a_run_is_played_to_its_end(run):
    r = run(greet, answers=ALL)
    assert r.waiting_for is None and r.waiting_key is None
    assert (r["Name"], r["Kind"], r["Times", 0], r["Times", 1], r["Ok"]) == ("Ada", None, 1000, 2, True)
    assert r.shown[0] == "Hello Ada" and r.shown[1].records() == [{"kind": None}]
    assert r.result == {"greeted": "Ada"}


def test_exports_are_read_back_from_what_would_be_downloaded(run):
    exports = run(greet, answers=ALL).exports
    assert exports["greeting.json"] == {"name": "Ada", "kind": None}
    assert exports["names.csv"] == [{"name": "Ada", "formula": "'=1"}]
    assert "Ada" in exports["note.md"] and len(exports) == 3


def test_it_stops_at_the_first_question_without_an_answer(run):
    r = run(greet, answers={"Name": "Ada", "Kind": "large", ("Times", 0): 1})
    assert (r.waiting_for, r.waiting_key) == ("Times", "1")
    assert "Ok" not in r
    with pytest.raises(KeyError, match="it waits for 'Times'"):
        r["Ok"]


def test_a_run_can_be_answered_and_reverted(run):
    r = run.answer(run(greet, answers={"Name": "Ada"}), {"Kind": "small", ("Times", 0): 1, ("Times", 1): 1})
    assert r.waiting_for == "Ok"
    assert run.answer(r, {"Ok": False}).result is None
    r = run.revert(r, ("Times", 1))
    assert (r.waiting_for, r["Times", 0]) == ("Times", 1)
    assert run.answer(run.revert(r, "Name"), {"Name": "Eve"})["Name"] == "Eve"


def test_a_run_may_begin_without_an_answer(run):
    r = run(greet)
    assert r.waiting_for == "Name"
    assert run.answer(r, {"Name": "Ada"})["Name"] == "Ada"


@pytest.mark.parametrize("answers,words", [({"Name": "too long"}, "the limit is 5"), ({"Name": ""}, "empty"),
                                           ({"Name": "Ada", "Kind": "huge"}, "none of the choices"),
                                           ({**ALL, "Ok": "perhaps"}, "yes or no")])
def test_a_wrong_answer_is_refused_with_the_words_a_person_reads(run, answers, words):
    with pytest.raises(InvalidAnswer, match=words):
        run(greet, answers=answers)


def test_an_answer_that_is_never_asked_for_fails_the_test(run):
    with pytest.raises(AssertionError, match="never asked for: 'Nmae', 'Times' \\(7\\)"):
        run(greet, answers={"Nmae": "Ada", ("Times", 7): 1})


def test_an_upload_is_a_path(run, tmp_path):
    @workflow("Read", message="m")
    async def read(ui):
        return (await ui.ask("List", Upload)).read_text()

    (tmp_path / "list.txt").write_text("a b c")
    r = run(read, answers={"List": tmp_path / "list.txt"})
    assert r.result == "a b c" and r["List"].name == "list.txt"


def test_every_replay_runs_twice(run):
    @workflow("Chance", message="m")
    async def chance(ui):
        await ui.ask(f"Number {random.random()}", int)

    with pytest.raises(PluginError, match="differ"):
        run(chance)


def test_an_error_of_the_workflow_fails_the_test_and_names_its_line(run):
    @workflow("Broken", message="m")
    async def broken(ui):
        await ui.ask("Number", int)
        raise LookupError("nothing there")

    with pytest.raises(PluginError, match="nothing there") as caught:
        run(broken, answers={"Number": 1})
    assert f"line {broken.fn.__code__.co_firstlineno + 3}" in caught.value.__notes__[0]


def test_a_workflow_of_the_folder_is_played_by_its_name(run):
    assert run("hello", answers={"Your name": "Ada", "Greeting": True}).shown == ["Hello, **Ada**."]


PLUGIN = '''
from treadle import workflow
from ._words import GREETING

@workflow("Greet", message="m")
async def greet(ui):
    return f"{GREETING} {await ui.ask('Name', str)}"

def test_it_greets_by_name(run):
    assert run(greet, answers={"Name": "Ada"}).result == "Hello Ada"

def test_it_is_compared(run):
    assert run(greet, answers={"Name": "Ada"}).result == "Hello Eve"
'''


def test_tests_in_plugins_and_in_their_tests_folder_are_collected_with_their_helpers(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "010_greet.py").write_text(PLUGIN)
    (tmp_path / "_words.py").write_text("GREETING = 'Hello'\n")
    told = (ROOT / "docs" / "reference" / "testing.md").read_text()
    (tmp_path / "030_check_links.py").write_text(re.search(r"```python\n(.*?)```", told, re.DOTALL)[1])
    (tmp_path / "xx_020_off.py").write_text("def test_of_a_plugin_that_is_off(): assert False\n")
    (tmp_path / "tests" / "test_greet.py").write_text(
        "def test_it_is_found_by_name(run):\n    assert run('greet').waiting_for == 'Name'\n")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "treadle.testing", "-p", "no:cacheprovider", "-c", os.devnull,
         "--rootdir", str(tmp_path), "--import-mode=importlib", str(tmp_path)], capture_output=True, text=True,
        cwd=ROOT, env={**os.environ, "TREADLE_PLUGINS": str(tmp_path)})
    assert "1 failed, 6 passed" in ended.stdout, ended.stdout + ended.stderr
    assert "assert 'Hello Ada' == 'Hello Eve'" in ended.stdout, "asserts say what they compared"


TRIES = []


def double(number: int) -> int:
    TRIES.append(number)
    if number == 13 or (number == 7 and TRIES.count(7) < 3):
        raise ValueError(f"no {number}")
    return number * 2


@workflow("Work", message="m")
async def work(ui):
    first = await ui.job("Double", double, await ui.ask("Number", int), retries=2)
    doubled = await ui.each("Double all", [1, 2, 13], double, workers=2)
    said = await ui.llm("Say", f"About {first}")
    ui.export("all.json", doubled=doubled.ok)
    return [first, len(doubled.ok), said, await ui.ask("Note", str)]


def test_jobs_run_and_are_retried_without_waiting(run):
    TRIES.clear()
    r = run(work, answers={"Number": 7})
    assert r["Double"] == 14 and TRIES[:3] == [7, 7, 7]
    assert r.waiting_for == "Double all" and r.error == "1 of 3 failed."
    with pytest.raises(KeyError, match="failed: 1 of 3"):
        r["Double all"]
    assert run.go_on(r).error == "1 of 3 failed."


def test_results_that_a_thread_reads_come_when_the_loop_turns_again(run):
    """The connection is the loop's: a replay may still read while a test looks at what it was given."""
    found = run.continue_with(run(work, answers={"Number": 1}, llm={"Say": "Two."}))["Double all"]
    read = []
    thread = Thread(target=lambda: read.append(list(found)[:2]))
    thread.start()
    run(greet, answers={"Name": "Ada"})
    thread.join(20)
    assert read == [[2, 4]]


def test_what_some_items_gave_can_be_continued_with(run):
    r = run(work, answers={"Number": 1}, llm={"Say": "Two."})
    r = run.answer(run.continue_with(r), {"Note": "ok"})
    assert list(r["Double all"])[:2] == [2, 4] and len(r["Double all"].failed) == 1
    assert r.result == [2, 2, "Two.", "ok"] and r.exports["all.json"] == {"doubled": [2, 4]}
    r = run.revert(r, "Say")
    assert (r["Say"], r.waiting_for) == ("Two.", "Note"), "a job that was reverted to runs again"


def test_the_model_says_what_the_test_gives_and_nothing_else(run):
    with pytest.raises(AssertionError, match=r"llm=\{'Say': ...\}"):
        run.continue_with(run(work, answers={"Number": 1}))


def test_a_job_that_fails_says_why(run):
    r = run(work, answers={"Number": 13})
    assert r.waiting_for == "Double" and "no 13" in r.error


def test_a_form_with_files_a_secret_and_dates_is_played_from_a_dict(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TREADLE_PLUGINS", str(plugins_at(tmp_path / "every")))
    (tmp_path / "k.csv").write_text("a,b\n")
    scope = {"name": "Spring", "pages": 1500, "price": 9.5, "on": date(2026, 11, 18), "at": "2026-11-18 14:05",
             "start": "https://docs.example.org/", "compare": "Canonical", "include": ["HTML"], "country": "FR",
             "size": 2, "file": tmp_path / "k.csv", "key": "hunter2!", "settings": {"a": 1}, "text": "# T",
             "workers": 20}
    r = run("every", answers={"Scope": scope, "Days": [3, 1], "Key": None})
    assert r.waiting_for is None and r["Scope"].file.read_text() == "a,b\n" and r["Scope"].group is True
    assert "LARGE k.csv 8 {'a': 1} 20 True [1, 3] True" in r.shown[0].replace("\\", "")


@tool
def shout(text: str, times: int = 1) -> str:
    """Say it loudly."""
    return text.upper() * times


def test_a_tool_is_played_as_the_form_it_is(run):
    assert run(shout, answers={"Input": {"text": "hi", "times": "2"}}).result == "HIHI"


@workflow("Apart", message="m")
async def apart(ui):
    return list(await ui.each("Square", [1, 2, 3], square, on="process", workers=2))


def square(n: int) -> int:
    return n * n


def test_functions_of_a_test_run_in_processes_too(run):
    assert run(apart).result == [1, 4, 9]


def test_a_function_that_no_process_finds_fails_in_words(run, monkeypatch):
    module = ModuleType("nowhere_to_be_found")
    exec("def square(n): return n * n", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)

    async def lost(ui):
        await ui.job("Square", module.square, 2, on="process")

    r = run(workflow("Lost", message="m")(lost))
    assert r.error.startswith("A worker process cannot import what it calls: ModuleNotFoundError: ")
