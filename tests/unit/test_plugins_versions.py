"""Versions of a plugin side by side, in memory and on the disk, and what a worker process imports of them."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.play import play
from treadle.config import Settings
from treadle.errors import NotFound, PluginError
from treadle.plugins import code as plugins_code
from treadle.plugins.registry import Broken, Plugins

GREETING = '''from treadle import workflow
from ._words import WORD

@workflow("Hello", message="m", training="hello.md")
async def hello(ui):
    ui.show(WORD)

def double(number):
    return number * 2
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "040_hello.py").write_text(GREETING)
    (folder / "_words.py").write_text("WORD = 'one'\n")
    (folder / "hello.md").write_text("Be kind.")
    return folder


def load(folder: Path) -> Plugins:
    plugins = Plugins(Settings(data=folder.parent / "data", plugins=folder))
    plugins.load()
    return plugins


async def said(workflow) -> str:
    return (await play(workflow, {})).items[0].things[0]


async def test_old_and_new_versions_live_side_by_side(folder):
    plugins = load(folder)
    old = plugins.version("hello")
    (folder / "_words.py").write_text("WORD = 'two'\n")
    assert await plugins.reload() == ["hello"]
    new = plugins.version("hello")
    assert (await said(new), await said(plugins.version("hello", old.code))) == ("two", "one")
    assert plugins.version("hello", new.code) is new
    assert await plugins.reload() == []


async def test_a_version_that_was_kept_is_there_after_a_restart(folder):
    plugins = load(folder)
    old = plugins.version("hello")
    plugins.keep(old)
    plugins.keep(old)
    stored = {path.name for path in (folder.parent / "data" / "code" / old.code).iterdir()}
    assert stored == {"040_hello.py", "_words.py", "version.json"}
    (folder / "040_hello.py").unlink()
    (folder / "hello.md").write_text("Be short.")
    plugins_code.forget(old.code)  # as a new process has it
    again = load(folder)
    assert again.get("hello") is None
    found = again.version("hello", old.code)
    assert await said(found) == "one"
    assert (found.file, found.order, found.training, found.code) == (old.file, 40, "Be kind.", old.code)
    assert found.fn.__code__.co_filename == str(folder / "040_hello.py")
    with pytest.raises(NotFound):
        again.version("hello")


@pytest.mark.parametrize("damage", ["040_hello.py", "version.json"])
def test_a_kept_version_that_is_not_what_its_name_says_is_not_run(folder, damage):
    plugins = load(folder)
    code = plugins.version("hello").code
    plugins.keep(plugins.version("hello"))
    plugins_code.forget(code)
    (folder.parent / "data" / "code" / code / damage).write_text("{}")
    (folder / "040_hello.py").unlink()
    with pytest.raises(NotFound, match="The code this began with is not there"):
        load(folder).version("hello", code)


async def test_a_traceback_of_an_old_version_quotes_the_lines_that_ran(folder):
    file = folder / "040_hello.py"
    file.write_text(GREETING.replace("ui.show(WORD)", "fails()") + "\ndef fails():\n    return [][1]  # as it ran\n")
    old = load(folder).version("hello")
    file.write_text("# another file\n" * 20)
    with pytest.raises(PluginError) as raised:
        await play(old, {})
    assert "return [][1]  # as it ran" in raised.value.details and "await" not in raised.value.details
    assert "another file" not in raised.value.details


def test_no_name_leads_out_of_the_folder_of_versions(folder):
    plugins = load(folder)
    for code in ("../plugins", "v_", "v_" + "0" * 16, ".."):
        with pytest.raises(NotFound):
            plugins.version("hello", code)


async def test_a_broken_save_leaves_the_last_good_version_to_the_runs(folder):
    plugins = load(folder)
    good = plugins.version("hello")
    plugins.keep(good)
    (folder / "040_hello.py").write_text(GREETING + "\n1 / 0\n")
    assert await plugins.reload() == ["hello"]
    assert isinstance(plugins.get("hello"), Broken)
    assert plugins.version("hello") is good
    assert plugins.version("hello", good.code) is good
    plugins_code.forget(good.code)
    after_a_restart = load(folder)
    assert isinstance(after_a_restart.get("hello"), Broken)
    assert await said(after_a_restart.version("hello")) == "one"
    (folder / "040_hello.py").write_text(GREETING)
    assert await plugins.reload() == ["hello"]
    assert plugins.get("hello").code == good.code


def test_without_a_good_version_its_error_is_raised(folder):
    (folder / "_words.py").write_text("1 / 0\n")
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        load(folder).version("hello")


async def test_a_training_file_that_was_saved_is_no_new_version(folder):
    plugins = load(folder)
    code = plugins.get("hello").code
    (folder / "hello.md").write_text("Be short.")
    assert await plugins.reload() == ["hello"]
    assert (plugins.get("hello").training, plugins.get("hello").code) == ("Be short.", code)


async def test_a_file_that_did_not_change_is_not_imported_again(folder, capsys):
    (folder / "050_loud.py").write_text("print('imported')\n1 / 0\n")
    plugins = load(folder)
    (folder / "_words.py").write_text("WORD = 'two'\n")
    assert await plugins.reload() == ["hello"]
    assert capsys.readouterr().out.count("imported") == 1


async def test_memory_holds_only_so_many_versions_that_no_run_began_with(folder, monkeypatch):
    monkeypatch.setattr("treadle.plugins.registry.VERSIONS_KEPT", 2)
    plugins = load(folder)
    first = plugins.get("hello").code
    for number in range(4):
        (folder / "_words.py").write_text(f"WORD = 'number {number}'\n")
        await plugins.reload()
    with pytest.raises(NotFound):
        plugins.version("hello", first)
    assert await said(plugins.version("hello")) == "number 3"


def test_a_spawned_process_imports_a_version_that_is_gone_from_the_folder(folder):
    plugins = load(folder)
    plugins.keep(plugins.version("hello"))
    double = plugins.version("hello").fn.__globals__["double"]
    (folder / "040_hello.py").write_text("1 / 0")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), plugins_code.install_finder,
                             (folder.parent / "data" / "code",)) as pool:
        assert pool.submit(double, 21).result() == 42




def test_code_nothing_refers_to_is_swept_away_and_half_written_too(folder):
    plugins = load(folder)
    code = plugins.version("hello").code
    plugins.keep(plugins.version("hello"))
    kept = folder.parent / "data" / "code"
    (kept / f".{code}.partial").mkdir()
    assert plugins_code.sweep(kept, {code}) == 0
    assert [path.name for path in kept.iterdir()] == [code]
    assert plugins_code.sweep(kept, set()) == 1
    assert list(kept.iterdir()) == []


def test_every_way_to_import_a_helper_is_seen(folder):
    for name in "abcdef":
        (folder / f"_{name}.py").write_text("x = 1\n")
    text = (b"from ._a import x\nfrom . import _b\nif True:\n    from . import (  # several\n        _c as c,\n"
            b"        _d,\n    )\nx = 1; from ._e import x\nfrom .. import _f\n")
    (folder / "050_all.py").write_bytes(text)
    version = plugins_code.read(folder / "050_all.py", text)
    assert sorted(version.sources) == ["050_all", "_a", "_b", "_c", "_d", "_e"]


def test_a_tool_is_pickled_by_its_name(folder):
    (folder / "060_tool.py").write_text(
        "from treadle import tool\n\n@tool\ndef shout(text: str) -> str:\n    return text.upper()\n")
    shout = load(folder).get("shout")
    assert pickle.loads(pickle.dumps(shout))("a") == "A"
