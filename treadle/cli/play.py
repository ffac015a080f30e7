"""`run` and `list`: a workflow played in the terminal, with the same checks and the same words as in the browser."""

from __future__ import annotations

import argparse
import secrets
import shlex
import sys
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from ..config import Settings
from ..errors import InvalidAnswer, TooLarge
from .codes import FAILED, INTERRUPTED, REFUSED, STOPPED, WAITS
from .doors import Door, open_door
from .terminal import Given, Terminal, data, say, seen, table

POLL_S = 0.2  # between two looks at a job
WORKS = ("job", "each", "llm")


def listing(settings: Settings, *, runs: bool, as_json: bool) -> int:
    """Print the plugins, or the runs."""
    with redirect_stdout(sys.stderr), closing(open_door(settings)) as door:  # a plugin may print
        rows = door.runs() if runs else door.workflows()
    if as_json:
        data(rows)
    elif runs:
        table([{"run": row["run"], "title": row["title"], "state": state(row)} for row in rows])
    else:
        table([{"name": row["workflow"], "title": row["title"], "file": row["file"],
                "about": _broken(row) if "error" in row else row["about"]} for row in rows])
    return 0


def _broken(row: dict[str, Any]) -> str:
    return f"does not load: {row['error']}" + (f" (line {row['line']})" if row["line"] else "")


def state(row: dict[str, Any]) -> str:
    """What a run is, in a few words."""
    if row["locked"]:
        return "finished"
    return "complete" if row["complete"] else f"waits for {row['waiting_for']}" if row["waiting_for"] else "open"


def play(settings: Settings, args: argparse.Namespace) -> int:
    """Play a workflow to its end. The exit code says how it ended; see the head of this package."""
    given, out = Given(args.given, args.files), sys.stdout
    with redirect_stdout(sys.stderr), closing(open_door(settings)) as door:  # only what it gives is on stdout
        return _Play(door, args, given, out).play()


class _Play:
    def __init__(self, door: Door, args: argparse.Namespace, given: Given, out: TextIO) -> None:
        self._door, self._args, self._given, self._out = door, args, given, out
        self._client_id = secrets.token_urlsafe(12)
        self._key: str = args.key
        self._terminal = Terminal() if not args.json and sys.stdin.isatty() else None
        self._line = ""

    def play(self) -> int:
        """From the first question to the end, or to what nobody answers."""
        try:
            view = self._door.read(self._key) if self._key else self._door.workflow(self._args.workflow)
            if self._key and view["workflow"] != self._args.workflow:
                say(f"{self._key} is a run of {view['workflow']}.")
                return REFUSED
            if self._key and (view["open"] or {}).get("state") in ("failed", "stopped"):
                view = self._door.change(self._key, "go-on", view["open"]["step"])
            return self._to_the_end(view)
        except KeyboardInterrupt:
            return self._interrupted()

    def _to_the_end(self, view: dict[str, Any]) -> int:
        while True:
            step = view["open"]
            if view["error"] is not None:
                error = view["error"]
                say(f"{error['error']} ({error['file']}, line {error['line']}) {error['hint']}")
                return self._ended(view, FAILED)
            if step is None and self._key:
                return self._ended(view, 0)
            if not self._key and (step is None or step["kind"] in WORKS):
                view = self._kept(self._door.begin(self._args.workflow, None, self._client_id))
            elif step["kind"] not in WORKS:
                answered = self._question(step)
                if isinstance(answered, int):
                    return self._ended(view, answered)
                view = answered
            elif view["changed"] or step["state"] == "waiting":
                say("The code has changed since this run began. Open it in the browser to say how it goes on, or begin "
                    "a new one." if view["changed"] else "This run is finished and locked.")
                return self._ended(view, STOPPED)
            elif step["state"] == "running":
                self._progress(step)
                self._door.pause(POLL_S)
                view = self._door.read(self._key)
            else:
                self._progress(step)
                say(step["error"] or f"{step['label']} was stopped.")
                if self._args.keep_failed and step["kind"] == "each":
                    view = self._door.change(self._key, "continue", step["step"])
                elif self._terminal is not None and (what := self._terminal.failed(step)):
                    view = self._door.change(self._key, what, step["step"])
                else:
                    say(f"Try again: {self._again()}")
                    return self._ended(view, STOPPED)

    def _question(self, step: dict[str, Any]) -> dict[str, Any] | int:
        """Answer one question from what was given, else from the terminal. The run, or an exit code."""
        asked = not self._given.has(step)
        if asked and self._terminal is None:
            say(f"It waits for {step['label']}: give it with --set, or go on with: {self._again()}")
            return WAITS
        while True:
            try:
                typed = self._terminal.ask(step) if asked and self._terminal is not None else self._given.take(step)
                value = typed
                if isinstance(value, Path):
                    value = self._door.send(self._key, self._args.workflow, value, self._client_id)
                elif isinstance(value, dict):
                    value = {name: self._door.send(self._key, self._args.workflow, each, self._client_id, name)
                             if isinstance(each, Path) else each for name, each in value.items()}
                if self._key:
                    return self._door.answer(self._key, step["step"], value, step["rev"])  # type: ignore[no-any-return]
                return self._kept(self._door.begin(self._args.workflow, value, self._client_id))
            except (InvalidAnswer, TooLarge, OSError, UnicodeDecodeError) as error:
                said = getattr(error, "message", f"{getattr(error, 'filename', None) or 'The file'} cannot be read: "
                                                 f"{getattr(error, 'strerror', None) or 'it is no text'}.")
                say(f"{step['label']}: {said} {getattr(error, 'hint', '')}".rstrip())
                for name, problem in getattr(error, "fields", {}).items():
                    say(f"  {name or step['label']}: {problem}")
                if not asked:
                    return REFUSED
                if isinstance(typed, dict):  # what was good need not be typed again
                    bad = getattr(error, "fields", None) or [n for n, each in typed.items() if isinstance(each, Path)]
                    good = {name: each for name, each in typed.items() if name not in bad}
                    step = {**step, "default": {**(step.get("default") or {}), **good}}

    def _kept(self, view: dict[str, Any]) -> dict[str, Any]:
        self._key = view["run"]
        return view

    def _progress(self, step: dict[str, Any]) -> None:
        """How far a job is, on stderr: one line that changes where that is a terminal, else one at its beginning."""
        told = step.get("progress") or {}
        line = step["label"]
        if told.get("total"):
            line += f": {told['done']:,} of {told['total']:,}"
        if told.get("text"):
            line += f", {told['text']}"
        if told.get("eta_s"):
            line += f", {told['eta_s']:.0f} s left"
        if sys.stderr.isatty():
            print(f"\r\x1b[K{seen(line)}", end="\n" if step["state"] != "running" else "", file=sys.stderr, flush=True)
        elif self._line != step["step"]:
            say(line)
        self._line = step["step"]

    def _interrupted(self) -> int:
        """Ctrl-C: nothing that was answered is lost; a job is stopped and can go on."""
        say("")
        if not self._key:
            return INTERRUPTED
        step = self._door.read(self._key)["open"]
        if step is not None and step["kind"] in WORKS and step["state"] == "running":
            self._door.change(self._key, "stop", step["step"])
            say(f"{step['label']} was stopped.")
        say(f"Go on: {self._again()}")
        return INTERRUPTED

    def _again(self) -> str:
        words = ["python server.py run", self._args.workflow]
        if self._args.data != Settings.__dataclass_fields__["data"].default:
            words += ["--data", shlex.quote(str(self._args.data))]
        return " ".join([*words, *(["--run", self._key] if self._key else [])])

    def _ended(self, view: dict[str, Any], code: int) -> int:
        with redirect_stdout(self._out):
            if self._args.json:
                data(view)
            else:
                for thing in view["shown"]:
                    self._show(thing)
                if view["result"] is not None:
                    data(view["result"])
        if self._key:
            say(f"{self._key}: {state(view)}")
            self._exports(view)
        if code in (0, WAITS) and (left := self._given.unused()):
            say(f"Never asked for: {', '.join(left)}")
            return code or REFUSED
        return code

    def _show(self, thing: Any) -> None:
        if isinstance(thing, str):
            print(f"{seen(thing)}\n")
        elif "table" in thing:
            table(thing["table"])
            more = thing["rows"] - len(thing["table"])
            print(f"... and {more:,} more rows\n" if more > 0 else "")

    def _exports(self, view: dict[str, Any]) -> None:
        out: Path | None = self._args.out
        for export in view["exports"]:
            if out is None:
                say(f"exports {export['name']}; --out FOLDER writes it")
                continue
            out.mkdir(parents=True, exist_ok=True)
            (out / Path(export["name"]).name).write_bytes(self._door.export(self._key, export["name"]))
            say(f"written: {out / Path(export['name']).name}")
