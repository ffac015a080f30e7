"""`python server.py run ...` and the others: with and without a server beside them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.harness import NOWHERE
from tests.trips import plugins_at
from treadle.cli import main
from treadle.config import ROOT


class Shell:
    """Runs server.py in its own data folder, on the workflows of `tests/trips.py`."""

    def __init__(self, folder, capsys):
        self.folder, self.data, self.plugins = folder, folder / "data", plugins_at(folder / "plugins")
        self.env = {**os.environ, "TREADLE_PLUGINS": str(self.plugins), "OLLAMA_HOST": NOWHERE}
        self._capsys = capsys

    def __call__(self, *words):
        """In this process: what server.py calls."""
        self._capsys.readouterr()
        try:
            code = main(["--data", str(self.data), *map(str, words)])
        except SystemExit as end:  # argparse
            code = end.code
        out, err = self._capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    def apart(self, *words):
        """In a process of its own."""
        return subprocess.run([sys.executable, ROOT / "server.py", "--data", self.data, *words], env=self.env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=self.folder, timeout=60)

    def typed(self, text, *words):
        """With a terminal at which `text` is typed."""
        master, slave = pty.openpty()
        process = subprocess.Popen([sys.executable, ROOT / "server.py", "--data", self.data, *words], env=self.env,
                                   stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        os.close(slave)
        os.write(master, text.encode())
        out, err = process.communicate(timeout=30)
        os.close(master)
        return process.returncode, out, err


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    shell = Shell(tmp_path, capsys)
    for name in ("TREADLE_PLUGINS", "OLLAMA_HOST"):
        monkeypatch.setenv(name, shell.env[name])
    monkeypatch.chdir(tmp_path)
    return shell


def test_a_run_is_played_with_the_answers_that_are_given(shell):
    ended = shell.apart("run", "trip", "--set", "Where=Rome", "--set", "days=3", "--set", "Go=Book it", "--set",
                        "Note=", "--out", "out")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "Booked: **Rome**\n\n"
    assert "default-trip-01: complete" in ended.stderr
    assert json.loads((shell.folder / "out" / "trip.json").read_text()) == {"where": "Rome", "days": 3, "note": None}


def test_it_says_what_it_waits_for_and_goes_on_later(shell):
    ended = shell("run", "trip", "--set", "Where=Rome", "--json")
    assert ended.returncode == 3 and "It waits for Days" in ended.stderr
    run = json.loads(ended.stdout)
    assert run["open"]["label"] == "Days" and run["steps"][0]["value"] == "Rome"
    wrong = shell("run", "trip", "--run", run["run"], "--set", "Days=31")
    assert wrong.returncode == 2 and "Days: At most 30 days." in wrong.stderr
    never = shell("run", "trip", "--run", run["run"], "--set", "Days=3", "--set", "Go=no", "--set", "Nowhere=1")
    assert never.returncode == 2 and "Never asked for: Nowhere" in never.stderr
    listed = shell("list", "--runs")
    assert "default-trip-01" in listed.stdout and "complete" in listed.stdout


def test_what_is_not_given_is_asked_for_in_the_terminal(shell):
    (shell.folder / "w.txt").write_text("one two")
    code, out, err = shell.typed(f"{shell.folder}/nothing.txt\n{shell.folder}/w.txt\n3\n2\n", "run", "listing")
    assert code == 0, err
    assert "nothing.txt cannot be read: No such file or directory." in err, "asked again"
    assert "3 is none of the choices" in err and "word" in out and "two" in out
    code, out, err = shell.typed("\nRome\n3\n\x04", "run", "trip")
    assert code == 130 and "--run default-trip-01" in err, "at the end of the input, or Ctrl-C, it can be gone on with"
    assert "A town." in err and "Where: This is empty" in err


FORM = """
from pydantic import BaseModel
from treadle import workflow

class Stay(BaseModel):
    town: str
    nights: int

@workflow("Stays", message="m")
async def stays(ui):
    return (await ui.form("Stay", Stay)).model_dump()
"""


def test_of_a_form_only_what_was_refused_is_typed_again(shell):
    (shell.plugins / "900_stays.py").write_text(FORM)
    code, out, err = shell.typed("Bonn\nmany\n\n3\n", "run", "stays")
    assert code == 0 and "ights: This is no whole number" in err, err
    assert "[Bonn]" in err and json.loads(out) == {"town": "Bonn", "nights": 3}


def test_what_is_no_text_is_refused_where_a_text_is_asked_for(shell):
    (shell.folder / "b").write_bytes(b"\xff\xfe\x00")
    refused = shell("run", "trip", "--set-file", f"Where={shell.folder / 'b'}")
    assert refused.returncode == 2 and "it is no text" in refused.stderr


def test_a_file_may_be_given(shell):
    (shell.folder / "w.txt").write_text("one two")
    ended = shell("run", "listing", "--set-file", "List=w.txt", "--set", "Kind=a", "--json")
    assert ended.returncode == 0, ended.stderr
    run = json.loads(ended.stdout)
    assert run["steps"][0]["value"]["name"] == "w.txt" and run["shown"][1]["rows"] == 2


def test_beside_a_running_server_it_speaks_to_it(shell, tmp_path):
    from tests.harness import Server

    with Server(tmp_path, plugins=shell.plugins) as server:
        (shell.folder / "w.txt").write_text("one two")
        ended = shell("run", "listing", "--set-file", "List=w.txt", "--set", "Kind=a", "--out", "out")
        assert ended.returncode == 0, ended.stderr
        assert (shell.folder / "out" / "words.csv").read_text("utf-8-sig").startswith("word,length,line")
        wrong = shell("run", "trip", "--set", "Where=" + "x" * 21)
        assert wrong.returncode == 2 and "the limit is 20" in wrong.stderr
        assert (server.data / "cli.token").stat().st_mode & 0o777 == 0o600
        token = (server.data / "cli.token").read_text()
        assert token not in server.log()
        server.kill()  # what it announced stays behind; only while its lock is held does that count
        assert (server.data / "server.json").exists()
        assert "default-listing-01" in shell("list", "--runs").stdout
        server.process = None
        server.start()
        assert (server.data / "cli.token").read_text() == token


WORK = """
import time
from pathlib import Path
from treadle import Progress, workflow

@workflow("Work", message="m")
async def work(ui):
    waited = await ui.job("Wait", wait)
    tens = await ui.each("Tens", [1, 2, 13], ten, workers=2)
    ui.export("tens.json", tens=tens.ok)
    return {"waited": waited, "tens": len(tens.ok)}

def wait(progress: Progress) -> int:
    n = 0
    while not Path(__file__).with_name("go").exists():
        n += 1
        progress(n, 1000, "waiting")
        time.sleep(0.01)
    return 1

def ten(n: int) -> int:
    if n == 13:
        raise ValueError("thirteen")
    return n * 10
"""


def test_ctrl_c_stops_a_job_and_says_how_to_go_on(shell):
    (shell.plugins / "800_work.py").write_text(WORK)
    # as a terminal starts it: tests that run in the background hand on that Ctrl-C is to be ignored
    default = "import os, signal, sys; signal.signal(2, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
    words = [sys.executable, "-c", default, sys.executable, ROOT / "server.py", "--data", shell.data, "run", "work"]
    process = subprocess.Popen(words, env=shell.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    assert "Wait" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and out == ""
    assert "Wait was stopped." in err and "--run default-work-01" in err and "Traceback" not in err
    (shell.plugins / "go").touch()
    failed = shell("run", "work", "--run", "default-work-01")
    assert failed.returncode == 4 and "1 of 3 failed." in failed.stderr
    ended = shell("run", "work", "--run", "default-work-01", "--keep-failed")
    assert ended.returncode == 0 and json.loads(ended.stdout) == {"waited": 1, "tens": 2}


def test_a_new_plugin_passes_check_and_its_test(shell):
    written = shell("new", "Link check")
    assert written.returncode == 0 and "_link_check.py" in written.stdout
    path = next(shell.plugins.glob("*_link_check.py"))
    assert int(path.name[:3]) == max(int(each.name[:3]) for each in shell.plugins.glob("[0-9]*.py"))
    again = shell("new", "Link  check!")
    assert again.returncode == 1 and "Choose another title." in again.stderr
    tested = shell.apart("test", "link_check")
    assert tested.returncode == 0 and "1 passed" in tested.stdout, tested.stdout
    assert "arning" not in tested.stdout + tested.stderr
    assert shell("check", "link_check").stdout == "No problem was found.\n"


def test_a_notebook_becomes_a_plugin_that_passes_check(shell):
    written = shell("import-notebook", ROOT / "tests" / "notebooks" / "magics.ipynb")
    assert written.returncode == 0 and "_magics.py" in written.stdout
    assert "left out: cell 2: !pip install requests" in written.stdout
    assert shell("check", "magics").stdout == "No problem was found.\n"
    (shell.folder / "no.ipynb").write_text("[]")
    refused = shell("import-notebook", "no.ipynb")
    assert refused.returncode == 1 and "no notebook" in refused.stderr
    assert shell("import-notebook", "nothing.ipynb").returncode == 2


def test_check_names_each_problem_in_one_line(shell):
    (shell.plugins / "900_early.py").write_text(
        "from treadle import workflow\n@workflow('Early', message='m')\nasync def early(ui):\n    1 / 0\n")
    (shell.plugins / "910_drawn.py").write_text(
        "from treadle import workflow\n@workflow('Drawn', message='m', icon='linc')\nasync def drawn(ui): ...\n")
    ended = shell("check")
    assert ended.returncode == 1
    missing, early, drawn = ended.stdout.splitlines()
    assert "910_drawn.py: icon= of drawn is 'linc', which is none of: " in drawn and " link," in drawn
    assert "070_gap.py:3: It needs no_such_module" in missing
    assert "900_early.py:4: ZeroDivisionError" in early
    assert shell("check", "trip").returncode == 0


LOUD = """
from treadle import workflow

print("imported")

@workflow("Loud", message="m")
async def loud(ui):
    print("replayed")
    return await ui.ask("N", int)
"""


def test_what_a_plugin_prints_is_not_among_what_a_command_gives(shell):
    (shell.plugins / "900_loud.py").write_text(LOUD)
    assert json.loads(shell("run", "loud", "--set", "N=4", "--json").stdout)["result"] == 4
    assert shell("run", "loud", "--set", "N=4").stdout == "4\n"
    assert any(row["workflow"] == "loud" for row in json.loads(shell("list", "--json").stdout))
    checked = shell("check", "loud")
    assert checked.stdout == "No problem was found.\n" and "replayed" in checked.stderr


def test_a_title_may_hold_quotes_and_backslashes(shell):
    written = shell("new", 'The """best""" \\N{x} of {name}')
    assert written.returncode == 0, written.stderr
    path = written.stdout.splitlines()[0]
    assert shell("check", path.rpartition("/")[2]).returncode == 0
    assert 'The """best""" \\N{x} of {name}' in shell("list").stdout


def test_a_broken_workflow_is_named_with_its_line_also_beside_a_server(shell, tmp_path):
    from tests.harness import Server

    (shell.plugins / "900_half.py").write_text(TRIP_HALF)
    told = "plugins/900_half.py:5: SyntaxError: '(' was never closed."
    alone = shell("run", "half")
    assert (alone.returncode, alone.stderr.splitlines()[-1]) == (1, told)
    with Server(tmp_path, plugins=shell.plugins):
        beside = shell("run", "half")
    assert (beside.returncode, beside.stderr.splitlines()[-1]) == (1, told)


def test_what_is_no_file_is_not_imported(shell):
    refused = shell("import", "/dev/zero")
    assert refused.returncode == 2 and refused.stderr == "/dev/zero is no file.\n"


TRIP_HALF = '''from treadle import workflow

@workflow("Half", message="m")
async def half(ui):
    ui.show(
'''


def test_a_new_plugin_needs_a_title(shell):
    before = sorted(shell.plugins.iterdir())
    refused = shell("new", " ")
    assert refused.returncode == 1 and "has a title" in refused.stderr and sorted(shell.plugins.iterdir()) == before


def test_what_is_no_command_is_said(shell):
    ended = shell.apart("explode")
    assert "invalid choice" in ended.stderr and ended.returncode == 2
    ended = shell("run", "nowhere")
    assert ended.returncode == 1 and "nowhere" in ended.stderr and "Traceback" not in ended.stderr


ESCAPES = """
from treadle import Table, Ui, workflow

ODD = "\\x1b]0;owned\\x07\\x1b[2J\\u202e\\x9b31m"


def fails() -> str:
    raise ValueError("bad " + ODD)


@workflow("Odd " + ODD, message="m", about="about " + ODD)
async def odd(ui: Ui) -> None:
    given = await ui.ask("Given", str)
    ui.show("shown " + ODD, Table([{"column " + ODD: given}]))
    await ui.job("Job", fails)
"""


@pytest.mark.parametrize("words", [("run", "odd", "--set", "Given=\x1b[2J"), ("list",), ("list", "--runs"),
                                   ("run", "odd", "--set", "Given=\x1b[2J", "--json")])
def test_nothing_that_a_run_holds_acts_on_the_terminal(shell, words):
    (shell.plugins / "910_odd.py").write_text(ESCAPES)
    if "--runs" in words:
        shell("run", "odd", "--set", "Given=\x1b[2J")
    ended = shell(*words)
    said = ended.stdout + ended.stderr
    assert "2J" in said
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said)
    if "--json" in words:
        assert "\x9b31m" in json.loads(ended.stdout)["open"]["error"]


def test_work_in_processes_leaves_nothing_behind_to_complain_about(shell):
    (shell.plugins / "400_apart.py").write_text(
        "from treadle import workflow\n\n@workflow('Apart', message='m')\nasync def apart(ui):\n"
        "    return await ui.job('Work', work, on='process')\n\ndef work() -> int:\n    return 3\n")
    ended = shell.apart("run", "apart")
    assert (ended.returncode, ended.stdout) == (0, "3\n")
    assert ended.stderr.splitlines() == ["Work", "default-apart-01: complete"]
