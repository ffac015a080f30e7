"""What is done to runs that are there: fork, compare, save and import, rename, delete, lock, revert."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any

from ..commands import MISSING
from ..config import Settings
from ..errors import InvalidAnswer
from .codes import REFUSED
from .doors import Saver, open_door
from .play import state
from .terminal import data, say, table

WIDEST = 60  # characters of an answer that are printed


def keep(settings: Settings, args: argparse.Namespace, saver: Saver | None) -> int:
    """Do what `args.command` says, and print what came of it. Raises what the commands raise."""
    try:
        with redirect_stdout(sys.stderr), closing(open_door(settings, saver)) as door:  # a plugin may print
            if args.command == "save":
                out: Path = args.out or Path(f"{args.run}.html")
                out.write_bytes(door.save(args.run))
                found: Any = {"run": args.run, "file": str(out)}
            elif args.command == "import":
                if args.file.exists() and not args.file.is_file():  # a device would be read for ever
                    raise InvalidAnswer(f"{args.file} is no file.")
                found = door.bring_in(args.file)
            elif args.command == "compare":
                found = door.compare(args.run, args.other)
            else:
                found = door.change(args.run, args.command, getattr(args, "name", "") or "")
    except OSError as error:
        say(f"{error.filename} cannot be read or written: {error.strerror}.")
        return REFUSED
    except InvalidAnswer as error:
        say(f"{error.message} {error.hint}".strip())
        return REFUSED
    if args.json:
        data(found)
    elif args.command == "compare":
        table([{"step": " ".join([step["label"], step["key"]]).strip(), "differs": "yes" if step["differs"] else "",
                "left": _cut(step["left"]), "right": _cut(step["right"])} for step in found["steps"]])
        if found["shown"]:
            print()
            table([{"shown": number, "differs": "yes" if each["differs"] else "", "left": _cut(each["left"]),
                    "right": _cut(each["right"])} for number, each in enumerate(found["shown"], 1)])
    elif args.command == "save":
        print(found["file"])
    else:
        print(f"{found['run']}: {'deleted; restore brings it back for a day' if 'deleted' in found else state(found)}")
    return 0


def _cut(value: Any) -> str:
    text = "not there" if value == MISSING else value if isinstance(value, str) else (
        "" if value is None else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= WIDEST else f"{text[:WIDEST - 3]}..."
