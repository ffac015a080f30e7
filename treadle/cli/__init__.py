"""The commands of server.py. Beside a running server they speak to it; otherwise they open the data folder themselves.

Exit codes: 0 done, 1 something failed, 2 an argument or an answer was refused, 3 it waits for an answer that was not
given, 4 a job failed or was stopped, 130 ended by Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Settings
from ..errors import PluginError, TreadleError
from ..text import storable
from .codes import FAILED, INTERRUPTED
from .terminal import say

if TYPE_CHECKING:
    from .doors import Saver

KEEPING = {"fork": "make a new run with the answers before a step", "compare": "what two runs differ in",
           "save": "write a run as one HTML file, which needs nothing else", "import": "open a saved run; it is locked",
           "rename": "give a run a name", "delete": "delete a run", "restore": "bring back a run deleted within a day",
           "finalise": "finish and lock a run", "unlock": "open a locked run again",
           "revert": "ask a step and all after it again", "undo": "take back what was reverted"}


def arguments(words: list[str]) -> argparse.Namespace:
    """What was typed behind `server.py`. Ends the process for --help and for what is not known."""
    parser = argparse.ArgumentParser(prog="server.py", description="Commands beside the server; without one it serves.",
                                     epilog=(__doc__ or "").partition("\n\n")[2].strip())
    parser.add_argument("--data", type=Path, default=Settings.__dataclass_fields__["data"].default, metavar="FOLDER",
                        help="where everything is kept (data/)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=help)
        command.add_argument("--data", type=Path, default=argparse.SUPPRESS, metavar="FOLDER", help=argparse.SUPPRESS)
        return command

    new = add("new", "write a plugin and its test")
    new.add_argument("title", help='what it is called, such as "Link check"')
    listed = add("list", "list the plugins, or the runs")
    listed.add_argument("--runs", action="store_true", help="the runs last worked on instead")
    listed.add_argument("--json", action="store_true", help="for programs")
    run = add("run", "run a workflow here; what is not given is asked for")
    run.add_argument("workflow", help="its name, the last part of its address")
    run.add_argument("--set", action="append", default=[], metavar="LABEL=ANSWER", dest="given",
                     help="an answer; LABEL[KEY]=... for a step with a key, LABEL.FIELD=... for a field of a form")
    run.add_argument("--set-file", action="append", default=[], metavar="LABEL=PATH", dest="files",
                     help="a file, or the answer out of one where none is asked for")
    run.add_argument("--run", type=storable, default="", metavar="KEY", dest="key", help="go on with this run")
    run.add_argument("--json", action="store_true", help="print the run as JSON; ask nothing")
    run.add_argument("--keep-failed", action="store_true", help="go on with the items that did not fail")
    run.add_argument("--out", type=Path, metavar="FOLDER", help="write what it exports there")
    for name, help in KEEPING.items():
        kept = add(name, help)
        if name == "import":
            kept.add_argument("file", type=Path, help="the .html file")
        else:
            kept.add_argument("run", type=storable, metavar="KEY", help="of the run, such as default-hello-01")
        if name == "compare":
            kept.add_argument("other", type=storable, metavar="KEY", help="of the other run")
        if name == "save":
            kept.add_argument("--out", type=Path, metavar="PATH", help="the file to write; else KEY.html here")
        if name == "rename":
            kept.add_argument("name", type=storable, metavar="NAME",
                              help='the new name; "" lets its workflow name it again')
        if name in ("revert", "fork"):
            kept.add_argument("name", type=storable, metavar="STEP", nargs=None if name == "revert" else "?",
                              help="the label or slug of a step" + ("" if name == "revert" else "; else at the end"))
        kept.add_argument("--json", action="store_true", help="for programs")
    check = add("check", "import every plugin, check what it declares, name each problem in one line")
    check.add_argument("plugin", nargs="?", default="", help="only this file, or this name")
    test = add("test", "run the tests that stand in the plugins and in their tests/ folder")
    test.add_argument("plugin", nargs="?", default="", help="only those of this file, or of this name")
    notebook = add("import-notebook", "write a plugin out of a Jupyter notebook")
    notebook.add_argument("file", type=Path, help="the .ipynb file")
    return parser.parse_args(words)


def main(words: list[str], saver: Saver | None = None) -> int:
    """Do what was typed. The exit code; a sentence on stderr where it is not 0. `saver`: draws a run as a file."""
    args = arguments(words)
    settings = Settings(data=args.data.absolute(), open_browser=False)
    settings = settings.with_plugins(os.environ.get("TREADLE_PLUGINS", ""))
    try:
        if args.command == "run":
            from .play import play

            return play(settings, args)
        if args.command in KEEPING:
            from .keep import keep

            return keep(settings, args, saver)
        if args.command == "list":
            from .play import listing

            return listing(settings, runs=args.runs, as_json=args.json)
        from . import author

        if args.command == "new":
            return author.new(settings, args.title)
        if args.command == "check":
            return author.check(settings, args.plugin)
        if args.command == "test":
            return author.test(settings, args.plugin)
        return author.import_notebook(settings, args.file)
    except TreadleError as error:
        say(_told(error))
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _told(error: TreadleError) -> str:
    """In one line: what happened, what to do next, and of an author's file where in it, as `check` says it."""
    if isinstance(error, PluginError):
        from ..plugins.checking import problem_of

        return str(problem_of(error))
    return f"{error.message} {error.hint}".strip()
