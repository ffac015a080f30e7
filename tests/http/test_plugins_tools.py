"""A tool in the app: a form of its parameters, its work as a job, its result as a run that is kept."""

from __future__ import annotations

import sys

import pytest

from tests.browsing import form_to, submit
from tests.harness import until
from tests.partials import parse
from treadle.config import Settings

TOOLS = '''from dataclasses import dataclass
from typing import Literal
from treadle import Progress, Table, tool, workflow

@dataclass
class Word:
    text: str
    length: int

@tool
def split_words(text: str, order: Literal["as typed", "by length"] = "as typed", *, most: int = 100) -> list[Word]:
    """Split a text into its words."""
    words = [Word(word, len(word)) for word in text.split()][:most]
    return sorted(words, key=lambda word: word.length) if order == "by length" else words

@tool(title="Count to", about="Counts.", version=2)
async def count_to(number: int, progress: Progress) -> int:
    progress(number, number)
    return number

@tool
def table_of(number: int) -> Table:
    return Table([{"n": n} for n in range(number)], sort="-n")

@tool
def nothing() -> None:
    """Does nothing."""

@tool
def refuses(text: str) -> str:
    raise ValueError(f"{text} is refused")

@tool
def reads_excel() -> str:
    import a_package_of_nobody
    return a_package_of_nobody.read()

@workflow("Words", message="m")
async def words(ui):
    found = await ui.job("Split", split_words, "one three")
    ui.show(f"{len(found)} words, the first is {found[0].text}")
'''


@pytest.fixture
def settings(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "040_tools.py").write_text(TOOLS)
    return Settings(data=tmp_path / "data", plugins=folder, open_browser=False, dev=True,
                    ollama_host="http://127.0.0.1:9")


async def done(client, core, path: str):
    """The page of a run once it is complete."""
    await until(lambda: core.runs.get(path.rpartition("/")[2]).complete)
    return parse((await client.get(path)).text).find("main")


async def test_a_tool_stands_in_a_group_of_its_own_and_is_a_form_of_its_parameters(client, core):
    page = parse((await client.get("/split_words")).text)
    assert "Split words" in page.find("menu-tool").parent.text
    assert "Split a text into its words." in page.find("main").text
    form = form_to((await client.get("/split_words")).text, "/runs/new/split_words")
    typed = {"value.text": "a longer word", "value.order": "by length"}
    path = (await submit(client, form, **typed)).headers["location"]
    main = await done(client, core, path)
    cells = [node.text for node in main.find("shown-1").walk() if node.tag == "td"]
    assert cells == ["a", "1", "word", "4", "longer", "6"]


async def test_a_tool_without_parameters_begins_with_a_button(client, core):
    form = form_to((await client.get("/nothing")).text, "/runs/new/nothing")
    main = await done(client, core, (await submit(client, form)).headers["location"])
    assert "Done." in main.text


async def test_a_coroutine_and_a_progress_are_no_questions(client, core):
    form = form_to((await client.get("/count_to")).text, "/runs/new/count_to")
    path = (await submit(client, form, **{"value.number": "7"})).headers["location"]
    assert "7" in (await done(client, core, path)).text
    assert core.plugins.get("count_to").version == 2


async def test_a_tool_may_return_a_table(client, core):
    form = form_to((await client.get("/table_of")).text, "/runs/new/table_of")
    path = (await submit(client, form, **{"value.number": "3"})).headers["location"]
    shown = (await done(client, core, path)).find("shown-1")
    assert [node.text for node in shown.walk() if node.tag == "td"] == ["2", "1", "0"]


async def test_a_tool_is_a_step_for_a_job(client, core):
    form = form_to((await client.get("/words")).text, "/runs/new/words")
    main = await done(client, core, (await submit(client, form)).headers["location"])
    assert "2 words, the first is one" in main.text


async def test_a_package_that_a_job_misses_is_named_with_the_command(client, core):
    form = form_to((await client.get("/reads_excel")).text, "/runs/new/reads_excel")
    path = (await submit(client, form)).headers["location"]
    key = path.rpartition("/")[2]
    await until(lambda: core.db.first("SELECT 1 FROM steps WHERE run = ? AND state = 'failed'", (key,)))
    assert f"{sys.executable} -m pip install a_package_of_nobody" in (await client.get(path)).text


async def test_a_job_that_failed_has_a_report_that_quotes_nobody(client, core):
    form = form_to((await client.get("/refuses")).text, "/runs/new/refuses")
    path = (await submit(client, form, **{"value.text": "Bad Bob"})).headers["location"]
    key = path.rpartition("/")[2]
    await until(lambda: core.db.first("SELECT 1 FROM steps WHERE run = ? AND state = 'failed'", (key,)))
    page = parse((await client.get(path)).text)
    report = page.find("report-refuses").text
    assert "plugins/040_tools.py" in report and "in refuses" in report and core.plugins.get("refuses").code in report
    assert "Bob" not in report
    assert "Bad Bob" in page.find("report-refuses-typed").text
