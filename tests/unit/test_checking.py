"""What `check` names, each problem in one line."""

from __future__ import annotations

import sys

from treadle.config import Settings
from treadle.plugins.checking import check
from treadle.plugins.registry import Plugins

GOOD = '''from treadle import workflow, tool, page

@workflow("Good", message="m")
async def good(ui):
    await ui.ask("Name", str)

@tool
def shout(text: str) -> str:
    return text.upper()

@page("About")
def about(ui):
    return "What this is."
'''

FAULTS = {
    "020_syntax.py": ("def (", 1, "SyntaxError: invalid syntax"),
    "030_declared.py": ('from treadle import workflow\n@workflow("T", message="m", needs=["radio"])\n'
                        "async def t(ui): ...", 2, "needs= of a workflow holds"),
    "040_clock.py": ('import time\nfrom treadle import workflow\n@workflow("T", message="m")\nasync def clock(ui):\n'
                     '    ui.show(str(time.perf_counter_ns()))', 5, "Two replays of the same answers differ"),
    "050_package.py": ("import a_package_of_nobody", 1,
                       "It needs a_package_of_nobody, which is not installed; install it with: "
                       f"{sys.executable} -m pip install"),
    "060_hint.py": ("from treadle import tool\n@tool\ndef f(a: Nought) -> str: ...", 3, "name 'Nought' is not defined"),
    "070_type.py": ("from treadle import tool\n@tool\ndef kind(a: complex) -> str: ...", 0, "complex"),
    "080_page.py": ('from treadle import page\n@page("P")\ndef asks(ui):\n    return ui.ask("Name", str)', 4,
                    "A page asks nothing"),
}


def test_every_problem_is_named_in_one_line_and_what_is_right_is_not(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "010_good.py").write_text(GOOD)
    for name, (text, _, _) in FAULTS.items():
        (folder / name).write_text(text)
    found = {problem.file: problem for problem in check(Plugins(Settings(data=tmp_path / "data", plugins=folder)))}
    assert sorted(found) == [f"plugins/{name}" for name in FAULTS]
    for name, (_, line, said) in FAULTS.items():
        problem = found[f"plugins/{name}"]
        assert said in problem.text and "\n" not in str(problem), str(problem)
        assert problem.line == line or not line, str(problem)
        assert str(problem).startswith(f"plugins/{name}:{problem.line}: ")


def test_the_shipped_plugins_have_no_problem():
    assert [str(problem) for problem in check(Plugins(Settings()))] == []
