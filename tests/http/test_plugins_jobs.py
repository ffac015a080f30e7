"""A plugin is saved while its job runs: the job ends with the code that started it, here and after a restart."""

from __future__ import annotations

import pytest

from tests.browsing import form_to, submit
from tests.harness import until
from treadle.config import Settings
from treadle.core import Core
from treadle.plugins import code as plugins_code

WAITING = '''import time
from pathlib import Path
from treadle import workflow

@workflow("Waiting", message="m")
async def waiting(ui):
    await ui.ask("Name", str)
    done = await ui.each("Work", ["a", "b"], work, on="{on}")
    ui.show(f"{{len(done)}} are done")

def work(item: str) -> str:
    Path({gate!r}).joinpath("began").touch()
    while not Path({gate!r}).joinpath("go").exists():
        time.sleep(0.005)
    return item + " of the {version} version"
'''


@pytest.fixture
def gate(tmp_path):
    gate = tmp_path / "gate"
    gate.mkdir()
    return gate


@pytest.fixture
def save(tmp_path, gate):
    (tmp_path / "plugins").mkdir()

    def save(version: str, on: str = "thread") -> None:
        text = WAITING.format(version=version, gate=str(gate), on=on)
        (tmp_path / "plugins" / "040_waiting.py").write_text(text)

    save("old")
    return save


@pytest.fixture
def settings(tmp_path, save):
    return Settings(data=tmp_path / "data", plugins=tmp_path / "plugins", open_browser=False,
                    ollama_host="http://127.0.0.1:9")


async def looks(core) -> None:
    await until(lambda: core.watch.look())


async def begun(client, gate) -> str:
    form = form_to((await client.get("/waiting")).text, "/runs/new/waiting")
    path = (await submit(client, form, value="Ann")).headers["location"]
    await until((gate / "began").exists, within=20)
    return path.rpartition("/")[2]


def results(core) -> list[str]:
    return [row["value"] for row in core.db.rows("SELECT value FROM items ORDER BY number")]


@pytest.mark.parametrize(("saved", "on"), [("new", "thread"), ("new", "process"), ("broken", "thread"),
                                           ("removed", "thread")])
async def test_a_job_ends_with_the_code_that_started_it(client, core, save, gate, saved, on):
    save("old", on)
    await core.plugins.reload()
    key = await begun(client, gate)
    file = core.plugins.folders[0] / "040_waiting.py"
    if saved == "new":
        save("new", on)
    elif saved == "broken":
        file.write_text("def (")
    else:
        file.unlink()
    await looks(core)
    (gate / "go").touch()
    await until(lambda: core.runs.get(key).complete, within=20)
    assert results(core) == ['"a of the old version"', '"b of the old version"']


async def test_after_a_restart_it_goes_on_with_the_code_that_started_it(settings, save, gate, clock):
    async with Core.open(settings, clock=clock) as core:
        key = (await core.runs.begin("waiting", {"value": ["Ann"]})).key
        await until((gate / "began").exists, within=20)
        code = core.plugins.get("waiting").code
    save("new")
    (gate / "go").touch()
    plugins_code.forget(code)  # as a new process has it
    async with Core.open(settings, clock=clock) as core:
        await until(lambda: core.runs.get(key).complete, within=20)
        assert results(core) == ['"a of the old version"', '"b of the old version"']
        assert core.plugins.get("waiting").code != code
