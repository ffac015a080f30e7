"""SECURITY.md rows 30 and 31: authors' files that misbehave when they are imported, all in one server, and harm only
themselves."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from tests.harness import HX, Server

GOOD = """from treadle import workflow
@workflow("Good", message="m")
async def good(ui):
    await ui.ask("Name", str)
"""
IMPORTS = {
    "exits": "sys.exit(1)", "raises": "raise BaseException('x')", "interrupts": "raise KeyboardInterrupt",
    "long_words": "raise ValueError('x' * 5_000_000)", "no_syntax": "def (", "nul": "\0", "deep": "x = " + "(" * 5_000,
    "no_output": "sys.stdout.close(); sys.stderr.close()", "no_descriptors": "os.close(1); os.close(2)",
    "no_streams": "sys.stdout = sys.stderr = None", "prints": "print('x' * 1_000_000)",
    "no_path": "sys.path.clear()", "no_module": "sys.modules['h11'] = sys.modules['json'] = None",
    "removes": "del sys.modules['asyncio']", "shallow": "sys.setrecursionlimit(90)", "elsewhere": "os.chdir('/')",
    "signals": "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "no_log": "import logging; logging.disable(100)", "named_home": GOOD.replace("def good", "def home"),
}
DRAWS = {
    "many_words": "raise ValueError('x' * 5_000_000)", "no_words": "raise Odd()", "ends": "raise SystemExit",
    "stops": "raise StopAsyncIteration", "recurs": "def f(): f()\n    f()", "large": "ui.show('x' * 5_000_000)",
    "html": "ui.show(Html())", "html_of_no_text": "ui.show(Five())", "ft": "ui.show(Ft())",
    "cell": "ui.show(Table([{'a': Odd()}]))",
    "odd_numbers": "ui.show(Table([{'a': 10 ** 5_000, 'b': float('inf')}]))",
    "number": "ui.show(10 ** 5_000)", "half": "ui.show('\\ud800')\n    await ui.ask('a\\ud800', str, help='\\ud800')",
    "itself": "row = {}\n    row['a'] = row\n    ui.show(Table([row]))", "shallow_too": "sys.setrecursionlimit(90)",
}
HEAD = """import sys
from treadle import Table, workflow
class Odd(Exception):
    def __str__(self): raise RuntimeError("no")
    __repr__ = __str__
class Html:
    def __html__(self): raise RuntimeError("no")
class Five:
    def __html__(self): return 5
class Endless:
    def __ft__(self):
        while True: pass
class Ft:
    def __ft__(self): raise RuntimeError("no")
@workflow("W", message="m")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("bad")
    plugins: Path = folder / "plugins"
    plugins.mkdir()
    for number, (name, text) in enumerate(IMPORTS.items()):
        (plugins / f"{100 + number}_{name}.py").write_text(f"import os, sys\n{text}\n")
    for number, (name, text) in enumerate(DRAWS.items()):
        (plugins / f"{200 + number}_{name}.py").write_text(f"{HEAD}async def {name}(ui):\n    {text}\n")
    (plugins / "250_endless.py").write_text(f"{HEAD}async def endless(ui):\n    ui.show(Endless())\n")
    (plugins / "300_good.py").write_text(GOOD)
    with Server(folder, plugins=plugins) as server:
        yield server


async def test_with_nineteen_bad_files_the_server_starts_and_each_has_its_card(server):
    assert (len(IMPORTS), len(DRAWS)) == (19, 15)
    async with server.client() as client:
        home = await client.get("/")
        assert home.status_code == 200 and len(home.content) < 300_000
        places = set(re.findall(r'hx-post="/redirect/([^"?]+)', home.text))
        assert {"good", *DRAWS} <= places
        for place in places - {"endless"}:
            answer = await client.get(f"/{place}")
            assert answer.status_code in (200, 303), place
        begun = await client.post("/runs/new/good", data={"value": "Ada", "client_id": "abcdefgh"})
        assert begun.status_code == 303
        assert (await client.post("/redirect/good")).status_code == 303
        assert (await client.get("/model")).status_code == 200
        assert (await client.get("/static/x")).status_code == 404


@pytest.mark.parametrize("name", DRAWS)
async def test_a_workflow_that_cannot_be_drawn_is_an_answer_of_its_own_and_no_failure_of_the_server(server, name):
    async with server.client() as client:
        for headers in ({}, HX):
            answer = await client.get(f"/{name}", headers=headers)
            assert answer.status_code == 200, re.sub("<[^>]+>", " ", answer.text)[-300:]
            assert len(answer.content) < 6_000_000
        begun = await client.post(f"/runs/new/{name}", data={"client_id": "abcdefgh", "value": "x"})
        assert begun.status_code in (303, 422, 500)
        if begun.status_code == 303:
            assert (await client.get(begun.headers["location"])).status_code == 200
        assert (await client.get("/good")).status_code == 200


async def test_a_component_that_never_ends_holds_no_other_page_however_often_it_is_asked_for(server):
    async with server.client() as client:
        asked = [asyncio.create_task(client.get("/endless", timeout=30)) for _ in range(12)]
        while not all(task.done() for task in asked):
            began = time.monotonic()
            assert (await client.get("/good")).status_code == 200
            assert time.monotonic() - began < 3
            await asyncio.sleep(0.05)
        for task in asked:
            answer = await task
            assert answer.status_code == 200 and "took longer than 5 s" in answer.text


def test_the_server_ends_well_after_all_of_it(server):
    assert server.terminate() < 3
    assert server.returncode == 0
