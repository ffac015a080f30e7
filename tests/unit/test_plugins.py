from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from pathlib import Path

import pytest

from tests.harness import until_now
from tests.play import play
from treadle.config import ROOT, Settings
from treadle.errors import PluginError
from treadle.plugins.registry import HOME, RESERVED, Broken, Plugins, Workflow

PLUGIN = """from treadle import workflow

@workflow("{title}", message="m")
async def {name}(ui):
    {body}
"""


def plugin(name="hello", title="Hello", body="ui.show('hello')"):
    return PLUGIN.format(name=name, title=title, body=body)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


def load(folder: Path, files: dict[str, str | bytes] | None = None, **options) -> Plugins:
    for name, text in (files or {}).items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    plugins = Plugins(Settings(plugins=folder))
    plugins.load(**options)
    return plugins


def card(plugins: Plugins, endpoint: str) -> PluginError:
    found = plugins.get(endpoint)
    assert isinstance(found, Broken), f"{endpoint} is {found}; there are {[item.endpoint for item in plugins.all()]}"
    return found.error


def test_plugins_stand_in_the_order_of_their_numbers(folder):
    plugins = load(folder, {"100_c.py": plugin("c"), "020_b.py": plugin("b"), "9_a.py": plugin("a"),
                            "z.py": plugin("z")})
    assert [(item.endpoint, item.order) for item in plugins.all()[:3]] == [("a", 9), ("b", 20), ("c", 100)]
    assert plugins.all()[3].endpoint == "z"


def test_several_workflows_in_one_file_stand_in_the_order_of_their_lines(folder):
    plugins = load(folder, {"010_two.py": plugin("zebra", "Z") + "\n" + plugin("ant", "A")})
    assert [item.endpoint for item in plugins.all()] == ["zebra", "ant"]


def test_what_is_switched_off_a_helper_or_no_plugin_is_left_alone(folder):
    (folder / "040_folder.py").mkdir()
    assert load(folder, {"xx_010_off.py": "1 / 0", "_helper.py": "1 / 0", ".hidden.py": "1 / 0", "notes.md": "x",
                         "010_a.py~": "1 / 0"}).all() == []


def test_a_folder_that_is_not_there_is_no_plugins(tmp_path):
    assert load(tmp_path / "none").all() == []


def test_a_workflow_names_its_file_its_order_and_its_version(folder):
    found = load(folder, {"040_hello.py": plugin()}).get("hello")
    assert isinstance(found, Workflow)
    assert (found.file, found.order) == ("plugins/040_hello.py", 40)
    assert found.code.startswith("v_")
    assert found.fn.__module__ == f"treadle_plugins.{found.code}.040_hello"
    assert found.fn.__code__.co_filename == str(folder / "040_hello.py")


async def test_helpers_are_imported_relatively_and_belong_to_the_version(folder):
    files = {"040_hello.py": "from ._words import greeting\n" + plugin(body="ui.show(greeting())"),
             "_words.py": "from . import _more\ndef greeting(): return _more.WORD\n", "_more.py": "WORD = 'one'\n"}
    first = load(folder, files).get("hello")
    second = load(folder, files | {"_more.py": "WORD = 'two'\n"}).get("hello")
    assert first.code != second.code
    for workflow, word in ((first, "one"), (second, "two")):  # both live side by side
        assert (await play(workflow, {})).items[0].things == (word,)
    assert load(folder, files).get("hello").code == first.code


def test_a_plugin_may_be_named_like_a_module_and_hides_none(folder):
    plugins = load(folder, {"010_json.py": "import json\njson.dumps({})\n" + plugin(), "_json.py": "x = 1"})
    assert isinstance(plugins.get("hello"), Workflow)
    assert importlib.import_module("json").__file__ != str(folder / "010_json.py")


def test_a_workflow_that_a_plugin_only_imports_is_not_its_own(folder):
    plugins = load(folder, {"040_hello.py": "from ._other import other\n" + plugin(), "_other.py": plugin("other")})
    assert [item.endpoint for item in plugins.all()] == ["hello"]


def test_training_may_stand_in_a_file_beside_the_plugin(folder):
    text = plugin().replace('message="m"', 'message="m", training="hello.md"')
    plugins = load(folder, {"040_hello.py": text, "hello.md": "Be kind.\nAlways."})
    assert plugins.get("hello").training == "Be kind.\nAlways."
    (folder / "hello.md").unlink()
    error = card(load(folder), "hello")
    assert "'hello.md' cannot be read: No such file" in error.message
    assert (error.file, error.line) == ("plugins/040_hello.py", 3)


def test_home_is_a_place_that_no_file_takes(folder):
    plugins = load(folder)
    assert plugins.get("home") is HOME
    assert plugins.get("nowhere") is None
    assert plugins.all() == []


# broken files

@pytest.mark.parametrize(("text", "said", "line"), [
    (plugin() + "\ndef (\n", "SyntaxError: invalid syntax", 7),
    (plugin() + "\n1 / 0\n", "ZeroDivisionError: division by zero", 7),
    (plugin() + "\nraise SystemExit(1)\n", "SystemExit: 1", 7),
    (plugin() + "\nraise BaseException('stop')\n", "BaseException: stop", 7),
    ("from treadle import Nought\n" + plugin(), "ImportError: cannot import name 'Nought' from 'treadle'", 1),
    (plugin().replace("async def", "def"), "TypeError: hello is no workflow: write `async def`", 3),
    ("from ._none import x\n" + plugin(), "No module named", 1)])
def test_a_broken_file_is_an_error_card_with_its_line(folder, text, said, line):
    error = card(load(folder, {"040_hello.py": text, "050_other.py": plugin("other")}), "hello")
    assert said in error.message
    assert (error.file, error.line) == ("plugins/040_hello.py", line)
    assert str(folder) not in error.details
    assert error.message.partition(":")[0] in error.details


def test_a_file_that_is_emptied_keeps_the_addresses_it_had(folder):
    plugins = load(folder, {"040_greet.py": plugin("hello", "Hi")})
    good = plugins.get("hello")
    (folder / "040_greet.py").write_text("")
    plugins.load()
    assert card(plugins, "hello").message == "The file declares no workflow"
    assert [item.title for item in plugins.all()] == ["Hi"] and plugins.version("hello") is good


def test_a_broken_file_leaves_the_others_alone_and_keeps_its_name_in_the_menu(folder):
    plugins = load(folder, {"010_a.py": plugin("a", "Gap check") + "\n1 / 0", "020_b.py": plugin("b")})
    assert [(item.endpoint, item.title, type(item)) for item in plugins.all()] == [
        ("a", "Gap check", Broken), ("b", "Hello", Workflow)]


def test_a_file_of_which_nothing_is_known_is_called_by_its_name(folder):
    plugins = load(folder, {"070_content_gap.py": b"\xff\xfe\x00", "080_empty.py": "x = 1\n"})
    assert [(item.endpoint, item.title) for item in plugins.all()] == [
        ("content_gap", "Content gap"), ("empty", "Empty")]
    assert "declares no workflow" in card(plugins, "empty").message
    assert card(plugins, "content_gap").file == "plugins/070_content_gap.py"


@pytest.mark.parametrize("name", ["040_hello.v2.py", "040 hello!.py", "04०_é.py", "040_hello\udcff.py"])
def test_a_plugin_loads_whatever_its_file_is_called(folder, name):
    found = load(folder, {name: plugin()}).get("hello")
    assert isinstance(found, Workflow), found.error.message
    assert found.file.encode()


def test_a_broken_file_whose_name_is_no_text_can_be_drawn(folder):
    for item in load(folder, {"040_b\udcff.py": "1 / 0\n"}).all():
        assert f"{item.endpoint} {item.title} {item.file} {item.error.file}".encode()


@pytest.mark.parametrize(("text", "said"), [
    (plugin().replace('"m"', '"m", training="\\0.md"'), "cannot be read"),
    (plugin() + "\nimport sys\nsys.modules[__name__] = 5\n", "TypeError"),
])
def test_an_odd_file_does_not_keep_the_server_from_starting(folder, text, said):
    assert said in card(load(folder, {"040_hello.py": text}), "hello").message


def test_a_broken_helper_is_named_with_its_own_line(folder):
    error = card(load(folder, {"040_hello.py": "from ._bad import x\n" + plugin(), "_bad.py": "\n\nx = (\n"}), "hello")
    assert (error.file, error.line) == ("plugins/_bad.py", 3)
    assert 'File "plugins/040_hello.py", line 1' in error.details


def test_a_missing_package_is_named_with_the_command(folder):
    error = card(load(folder, {"040_hello.py": "import matplotlib_of_nobody.pyplot\n" + plugin()}), "hello")
    assert error.message == "It needs matplotlib_of_nobody, which is not installed"
    assert error.hint == f"{sys.executable} -m pip install matplotlib_of_nobody"


@pytest.mark.parametrize(("text", "said"), [
    ("from ._gone import x\n", "ModuleNotFoundError: No module named '_gone'"),
    ("from ._bad import y\n", "ImportError: cannot import name 'y' from '_bad'")])
def test_a_missing_helper_is_called_as_its_author_calls_it(folder, text, said):
    error = card(load(folder, {"040_hello.py": text + plugin(), "_bad.py": "x = 1\n"}), "hello")
    assert (error.message, error.line) == (said, 1)


def test_an_import_that_never_ends_is_ended(folder):
    files = {"040_hello.py": plugin() + "\nwhile True:\n    pass\n", "050_b.py": plugin("b")}
    plugins = load(folder, files, deadline_s=0.05)
    error = card(plugins, "hello")
    assert "still being imported after 0.05 s" in error.message
    assert error.line in (7, 8)
    assert isinstance(plugins.get("b"), Workflow)


@pytest.mark.parametrize("does", ["sys.stdout.close()", "sys.stdout = None", "os.close(1)", "sys.stderr.close()"])
def test_an_import_cannot_take_the_output_away(folder, does, capfd):
    load(folder, {"040_hello.py": f"import os, sys\nprint('from the plugin')\n{does}\n" + plugin()})
    print("still here")
    os.write(1, b"and here\n")
    out = capfd.readouterr().out
    assert "still here" in out
    assert "and here" in out
    assert "from the plugin" in out


def test_a_module_that_a_job_fails_to_import_meanwhile_stays_away(folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "treadle_half.py").write_text(
        "import time\nfrom pathlib import Path\nPath('began').touch()\n"
        "while not Path('go').exists():\n    time.sleep(0.001)\nraise ImportError('half')\n")
    monkeypatch.chdir(tmp_path)

    def importing():
        with contextlib.suppress(ImportError):
            importlib.import_module("treadle_half")

    job = threading.Thread(target=importing)
    job.start()
    until_now((tmp_path / "began").exists)
    text = ("import sys, time\nfrom pathlib import Path\nPath('go').touch()\n"
            "while 'treadle_half' in sys.modules:\n    time.sleep(0.001)\n")
    load(folder, {"040_hello.py": text + plugin()})
    job.join()
    assert "treadle_half" not in sys.modules


def test_a_file_that_cannot_be_read_is_an_error_card(folder):
    (folder / "050_loop.py").symlink_to(folder / "050_loop.py")
    error = card(load(folder, {"040_hello.py": plugin()}), "loop")
    assert error.message == "The file cannot be read: Too many levels of symbolic links"
    assert error.file == "plugins/050_loop.py"


def test_what_is_read_for_ever_is_an_error_card_and_keeps_nothing_from_starting(folder):
    os.mkfifo(folder / "050_pipe.py")
    (folder / "051_zeros.py").symlink_to("/dev/zero")
    (folder / "pipe.md").symlink_to(folder / "050_pipe.py")
    (folder / "052_folder.py").mkdir()
    plugins = load(folder, {"040_hello.py": plugin(), "060_told.py": plugin("told").replace(
        "@workflow(", '@workflow(training="pipe.md", title=', 1)})
    assert {item.endpoint for item in plugins.all()} == {"hello", "pipe", "zeros", "told"}
    for name in ("pipe", "zeros", "told"):
        assert "cannot be read: It is no file" in card(plugins, name).message


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_address_is_refused_by_name(folder, name):
    plugins = load(folder, {"040_x.py": plugin(name)})
    assert plugins.get(name) is (HOME if name == "home" else None)
    error = card(plugins, f"040_x-{name}")
    assert error.message == f"The address /{name} is reserved"
    assert error.line == 3


def test_of_two_workflows_with_one_address_the_first_has_it(folder):
    plugins = load(folder, {"010_a.py": plugin(), "020 b.py": plugin()})
    assert plugins.get("hello").file == "plugins/010_a.py"
    assert card(plugins, "020-b-hello").message == "The address /hello is taken by plugins/010_a.py"


def test_loading_again_finds_what_has_changed(folder):
    plugins = load(folder, {"010_a.py": plugin("a"), "020_b.py": "1 / 0"})
    old = plugins.get("a")
    (folder / "010_a.py").unlink()
    (folder / "020_b.py").write_text(plugin("b"))
    plugins.load()
    assert [item.endpoint for item in plugins.all()] == ["b"]
    assert plugins.get("a") is None
    assert old.fn.__module__ in sys.modules


def test_a_file_that_did_not_change_is_the_same_version(folder):
    plugins = load(folder, {"010_a.py": plugin("a")})
    old = plugins.get("a")
    plugins.load()
    assert plugins.get("a").fn is old.fn


def test_the_shipped_plugins_load():
    plugins = Plugins(Settings(plugins=ROOT / "plugins"))
    plugins.load()
    assert [item.endpoint for item in plugins.all()][:2] == ["introduction", "hello"]
    for item in plugins.all():
        assert isinstance(item, Workflow), item.error.details
        assert item.message.strip()
        assert item.about.strip()
        assert len(item.training) > 60
        assert item.steps


def test_what_is_loaded_leaves_no_thread_behind(folder):
    load(folder, {"010_a.py": plugin("a"), "020_b.py": "1 / 0"})
    until_now(lambda: not [thread for thread in threading.enumerate() if thread.name == "author"])
