"""Notebooks become plugins: cleaning with pandas, plots, papermill parameters, magics. What is written runs."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from treadle.config import Settings
from treadle.errors import Refused
from treadle.importers.notebook import translate
from treadle.plugins.checking import check
from treadle.plugins.registry import Plugins
from treadle.shows import Code

BOOKS = Path(__file__).parent.parent / "notebooks"


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """A notebook as a plugin in a folder of its own: what was written, and the name of its workflow."""
    monkeypatch.setenv("TREADLE_PLUGINS", str(tmp_path))

    def write(name):
        written = translate((BOOKS / f"{name}.ipynb").read_text(), title=name.capitalize(), name=name)
        (tmp_path / f"010_{name}.py").write_text(written.code)
        assert check(Plugins(replace(Settings(), plugins=tmp_path, data=tmp_path / "data"))) == [], written.code
        return written

    return write


def texts(run):
    return [thing.text if isinstance(thing, Code) else thing for thing in run.shown if isinstance(thing, str | Code)]


def test_data_is_cleaned_with_pandas(imported, run):
    written = imported("cleaning")
    assert written.left_out == []
    assert "def tidy(text):" in written.code.split("def cell_3")[0], "functions stand at the top, not in a job"
    r = run("cleaning")
    assert r.waiting_for is None
    shown = texts(r)
    assert shown[0].startswith("# Clean the orders") and "2 orders are left\n" in shown
    assert json.loads(shown[-1]) == {"best": "2026-01-02", "days": 2}
    assert any(getattr(thing, "name", "").startswith("load-the-orders") for thing in r.shown), "a frame, as a file"


def test_plots_become_pictures_and_input_a_question(imported, run):
    assert imported("plots").left_out == ["cell 2: %matplotlib inline"]
    r = run("plots")
    assert r.waiting_for == "How many steps"
    r = run.answer(r, {"How many steps": 20})
    pictures = [thing for thing in r.shown if hasattr(thing, "sha256")]
    assert [picture.name for picture in pictures] == ["draw-it.png", "cell-6.png"]
    assert pictures[0].path.read_bytes().startswith(b"\x89PNG") and r.waiting_for is None
    assert r["Cell 7"] == max(r["The walk"]) - min(r["The walk"])


def test_parameters_are_asked_with_their_values_as_defaults(imported, run):
    imported("papermill")
    r = run("papermill", answers={"Region": "South", "Limit": 4, "Ratio": 0.5, "Verbose": True, "Note": None,
                                  "Cities": '["Oslo"]', "Name": "Ada"})
    assert r.waiting_for is None and r["Limit"] == 4 and r["Cities"] == ["Oslo"]
    assert texts(r)[1:] == ["South: 6\n- Oslo 3.0\n", "Hello Ada, South: 6"]


def test_what_is_no_python_is_left_out_and_named(imported, run):
    written = imported("magics")
    left = "\n".join(written.left_out)
    for line in ("!pip install requests", "%load_ext autoreload", "files = !ls", "%%bash", "ls -l", "%%time", "x?",
                 "%time print(n)", "print 'old python'", "await something()"):
        assert line in left and f": {line}" in written.code, line
    r = run("magics")
    assert r.waiting_for is None and texts(r)[-1] == "30"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": 1}', '{"worksheets": []}', "[" * 100_000])
def test_what_is_no_notebook_is_refused_with_a_sentence(text):
    with pytest.raises(Refused, match="no notebook"):
        translate(text, title="T", name="t")


def test_a_notebook_in_another_language_is_refused():
    book = {"cells": [], "metadata": {"kernelspec": {"language": "R"}}}
    with pytest.raises(Refused, match="written in R"):
        translate(json.dumps(book), title="T", name="t")


def test_input_that_cannot_become_a_question_is_named():
    source = "for part in range(3):\n    print(input())"
    book = {"cells": [{"cell_type": "code", "source": source, "metadata": {}}], "metadata": {}}
    written = translate(json.dumps(book), title="t", name="t")
    assert len(written.left_out) == 1 and "input()" in written.left_out[0]
    assert "# left out of cell 1: input()" in written.code


def test_texts_of_several_lines_keep_their_lines():
    code = 'text = """a\n  b\n"""\nprint(text.upper())\ntext2 = text + "x"\nprint(text2)'
    cells = [{"cell_type": "code", "source": code}, {"cell_type": "code", "source": "print(text2)"}]
    written = translate(json.dumps({"cells": cells}), title='A "title"', name="t")
    assert "'a\\n  b\\n'" in written.code
    compile(written.code, "t.py", "exec")


EVIL = '__import__("os").abort()'


@pytest.mark.parametrize("source", [
    f"%time x\r    {EVIL}", f"%%bash\nls\r    {EVIL}", f"def (\r    {EVIL}", f"y = f(2)  # c\u2028{EVIL}\nprint(y)",
    f"y = f(2)  # c\x0c{EVIL}\nprint(y)", f"%a \0\r\n{EVIL}\0", f"x = input('''a\"\n\\'''')  # \x1c{EVIL}"])
def test_what_is_left_out_or_is_a_comment_never_becomes_code(source):
    book = {"cells": [{"cell_type": "code", "source": source, "metadata": {"tags": None}}], "metadata": {}}
    code = translate(json.dumps(book), title='a"""\\', name="evil").code
    names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    assert "__import__" not in names


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\x1c", "\x0c"])
def test_a_literal_may_hold_what_ends_lines_elsewhere(end):
    book = {"cells": [{"cell_type": "code", "source": f"y = str('a{end}b')\nprint(y)", "metadata": {}}]}
    code = translate(json.dumps(book), title="T", name="literal").code
    assert f"a{end}b" in code
    compile(code, "literal", "exec")
