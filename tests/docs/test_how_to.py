"""What the how-tos do outside the code of a plugin: commands, a notebook, a package."""

from __future__ import annotations

import shlex
import sys
import tomllib
from dataclasses import replace

import pytest

from tests.docs.blocks import DOCS, PAGES, Block, blocks, name_of
from tests.harness import NOWHERE
from treadle.cli import main
from treadle.config import Settings
from treadle.plugins.checking import check
from treadle.plugins.folders import plugin_files
from treadle.plugins.registry import Plugins

COMMANDS = [(page, line) for page in PAGES if page.parent.name != "tutorial" for block in blocks(page)
            if block.language == "sh" for line in block.code.splitlines() if line.startswith("python server.py")]


def files(page) -> list[Block]:
    """What a page has its reader save."""
    return [block for block in blocks(page) if block.name]


@pytest.mark.parametrize("page,line", COMMANDS, ids=lambda part: part if isinstance(part, str) else name_of(part))
def test_a_command_ends_well(page, line, tmp_path, monkeypatch, capsys):
    for block in files(page):
        (tmp_path / block.name).write_text(block.code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TREADLE_PLUGINS", f"{tmp_path}:")
    monkeypatch.setenv("OLLAMA_HOST", NOWHERE)
    assert main(["--data", str(tmp_path / "data"), *shlex.split(line)[2:]]) == 0, capsys.readouterr().err


def test_the_notebook_becomes_a_plugin_that_runs_and_says_what_it_left_out(run, tmp_path, monkeypatch, capsys):
    (notebook,) = files(DOCS / "how-to" / "from-a-notebook.md")
    (tmp_path / notebook.name).write_text(notebook.code)
    monkeypatch.setenv("TREADLE_PLUGINS", str(tmp_path / "plugins"))
    assert main(["import-notebook", str(tmp_path / notebook.name)]) == 0
    assert "left out: cell 3: %matplotlib inline" in capsys.readouterr().out
    assert check(Plugins(replace(Settings(), plugins=tmp_path / "plugins", data=tmp_path))) == []
    r = run("mean_clicks")
    assert r.waiting_for == "Days"
    r = run.answer(r, {"Days": 7})
    assert r.waiting_for is None and any("13" in str(getattr(thing, "text", thing)) for thing in r.shown)


def test_the_package_brings_its_plugin_along(tmp_path, monkeypatch):
    """Laid out as pip would install it."""
    *code, toml = files(DOCS / "how-to" / "package-a-plugin.md")
    project = tomllib.loads(toml.code)
    ((group, points),) = project["project"]["entry-points"].items()
    package = tmp_path / points["seo"]
    package.mkdir()
    (package / "__init__.py").touch()
    for block in code:
        (package / block.name).write_text(block.code)
    info = tmp_path / "seo_plugins-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(f"[{group}]\nseo = {points['seo']}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert [path.name for _, path in plugin_files([])] == ["100_titles.py"]
    plugins = Plugins(replace(Settings(), plugins=tmp_path / "none", data=tmp_path / "data"))
    plugins.load()
    (titles,) = plugins.all()
    assert titles.training.startswith("The person checks titles") and titles.endpoint == "titles"
    assert "seo_plugins" not in sys.modules, "the package itself is not imported"
