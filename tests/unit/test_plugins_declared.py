"""A start imports no file that it knows from the last one; what it knows wrongly is found when the file runs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.play import play, shown
from treadle.config import Settings
from treadle.errors import MissingPackage, PluginError
from treadle.plugins import code as plugins_code
from treadle.plugins import declared
from treadle.plugins.registry import Broken, Plugins

HELLO = '''import os
from treadle import workflow

@workflow(os.environ.get("TITLE", "Hello"), message="m", training="hello.md", steps=["One"], needs=["files"])
async def hello(ui):
    ui.show("hello", await ui.ask("One", str))
'''
PAGE = '''from treadle import page

@page("Board")
def board(ui):
    return "a board"
'''
TOOL = '''from treadle import tool

@tool
def double(number: int) -> int:
    """Twice as much."""
    return number * 2
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("plugins", "data"):
        (tmp_path / name).mkdir()
    for name, text in (("040_hello.py", HELLO), ("050_board.py", PAGE), ("060_double.py", TOOL),
                       ("hello.md", "Be kind.")):
        (tmp_path / "plugins" / name).write_text(text)
    return tmp_path / "plugins"


def started(folder: Path) -> Plugins:
    """The plugins as a new process finds them."""
    for code in [*plugins_code.versions()]:
        plugins_code.forget(code)
    plugins = Plugins(Settings(data=folder.parent / "data", plugins=folder))
    plugins.load()
    return plugins


def imported() -> set[str]:
    return {name.rpartition(".")[2] for name in sys.modules if name.startswith("treadle_plugins.v_") and
            name.count(".") == 2}


def seen(plugins: Plugins) -> list[object]:
    names = (*declared.TEXTS, *declared.LISTS, "version", "file", "order", "code")
    return [[getattr(item, name) for name in names] for item in plugins.all()]


async def test_a_second_start_imports_only_tools_and_knows_the_same(folder):
    first = started(folder)
    assert imported() == {"040_hello", "050_board", "060_double"}
    second = started(folder)
    assert imported() == {"060_double"}
    assert seen(second) == seen(first) and second.stamps() == first.stamps()
    assert shown(await play(second.get("hello"), {"One": "1"})) == ["hello", "1"]
    assert imported() == {"040_hello", "060_double"}
    assert shown(await play(second.get("board"), {})) == ["a board"]
    assert second.get("double").input(number=2).number == 2


async def test_what_was_imported_when_it_ran_is_not_loaded_anew(folder):
    started(folder)
    plugins = started(folder)
    item = plugins.get("hello")
    await play(item, {})
    assert plugins.loaded == plugins.state() and await plugins.reload() == []
    assert plugins.get("hello").fn is item.fn


def test_a_file_or_helper_that_was_saved_is_imported_at_the_next_start(folder):
    started(folder)
    (folder / "040_hello.py").write_text(HELLO.replace("async def hello", "async def hallo"))
    assert started(folder).get("hallo") is not None and "040_hello" in imported()
    (folder / "040_hello.py").write_text("from . import _words\n" + HELLO)
    (folder / "_words.py").write_text("")
    started(folder)
    (folder / "_words.py").write_text("1 / 0")
    assert isinstance(started(folder).get("hello"), Broken)


async def test_a_title_that_was_computed_and_is_another_now_is_seen_once_its_file_ran(folder, monkeypatch):
    started(folder)
    monkeypatch.setenv("TITLE", "Good evening")
    plugins = started(folder)
    assert plugins.get("hello").title == "Hello"
    await play(plugins.get("hello"), {})
    assert plugins.loaded != plugins.state(), "the watch loads it anew"
    assert await plugins.reload() == ["hello"]
    assert (plugins.get("hello").title, started(folder).get("hello").title) == ("Good evening", "Good evening")


async def test_a_package_that_was_removed_since_is_an_error_card_of_the_run_and_then_of_the_place(folder, monkeypatch):
    site = folder.parent / "site"
    site.mkdir()
    (site / "treadle_gone.py").write_text("")
    monkeypatch.syspath_prepend(str(site))
    (folder / "040_hello.py").write_text("import treadle_gone\n" + HELLO)
    assert not isinstance(started(folder).get("hello"), Broken)
    (site / "treadle_gone.py").unlink()
    del sys.modules["treadle_gone"]
    plugins = started(folder)
    with pytest.raises(MissingPackage, match="It needs treadle_gone"):
        await play(plugins.get("hello"), {})
    assert await plugins.reload() == ["hello"]
    assert isinstance(plugins.get("hello").error, MissingPackage)


async def test_a_place_that_its_file_does_not_declare_any_more_says_so(folder, monkeypatch):
    (folder / "040_hello.py").write_text(
        f"{HELLO}\nif 'TITLE' in os.environ:\n    del hello\n    from treadle import page\n"
        "    other = page('Other')(lambda ui: 'x')\n")
    started(folder)
    monkeypatch.setenv("TITLE", "x")
    with pytest.raises(PluginError, match="declares no hello any more"):
        await play(started(folder).get("hello"), {})


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"by": 1, "versions": {}}', '{"by": BY, "versions": 3}',
                                  '{"by": BY, "versions": {"CODE": [{"kind": "workflow"}]}}',
                                  '{"by": BY, "versions": {"CODE": {"a": 1}}}',
                                  '{"by": BY, "versions": {"CODE": [7]}}'])
def test_records_that_are_damaged_are_made_anew(folder, text):
    first = started(folder)
    text = text.replace("CODE", first.get("hello").code).replace("BY", str(declared._by()))
    (folder.parent / "data" / "plugins.json").write_text(text)
    assert seen(started(folder)) == seen(first) and "040_hello" in imported()
    started(folder)
    assert "040_hello" not in imported()


def test_an_update_of_treadle_has_every_file_imported_once(folder, monkeypatch):
    started(folder)
    monkeypatch.setattr(declared, "_by", lambda: 0)
    started(folder)
    assert "040_hello" in imported()


def test_without_a_data_folder_nothing_is_written(folder):
    (folder.parent / "data").rmdir()
    started(folder)
    assert not (folder.parent / "data").exists()


def test_records_hold_only_the_plugins_there_are(folder):
    started(folder)
    (folder / "040_hello.py").unlink()
    started(folder)
    kept = json.loads((folder.parent / "data" / "plugins.json").read_text())["versions"]
    assert [each["endpoint"] for records in kept.values() for each in records] == ["board", "double"]
    assert (folder.parent / "data" / "plugins.json").stat().st_mode & 0o777 == 0o600
    assert not [name for name in os.listdir(folder.parent / "data") if name.endswith(str(os.getpid()))]


async def test_an_old_version_is_known_without_being_imported(folder):
    plugins = started(folder)
    old = plugins.get("hello")
    plugins.keep(old)
    (folder / "040_hello.py").write_text(HELLO.replace('"hello", await', '"changed", await'))
    again = started(folder)
    kept = {old.code, again.get("hello").code}
    found = again.version("hello", old.code)
    assert not [name for name in sys.modules if name.startswith(f"treadle_plugins.{old.code}.")]
    assert (found.training, found.file, found.code) == ("Be kind.", old.file, old.code) and len(kept) == 2
    assert shown(await play(found, {"One": "1"}))[0] == "hello"
