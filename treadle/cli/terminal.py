"""Questions in the terminal, and answers given as arguments."""

from __future__ import annotations

import getpass
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LINES = ("long_text", "markdown", "json")  # kinds of fields that take several
WIDEST = 60  # characters of a cell that are printed


_UNSEEN = "\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069"  # of a terminal, and what turns text round
_ACTS = re.compile(f"[\x00-\x08\x0b-\x1f{_UNSEEN}]")


def say(text: str) -> None:
    """A line for the person, beside the results: on stderr."""
    print(seen(text), file=sys.stderr, flush=True)


def seen(text: str) -> str:
    """A text that does nothing to the terminal it is printed on: a page that was fetched may have written it."""
    return _ACTS.sub("\ufffd", text)


def data(value: Any) -> None:
    """JSON on stdout; what a terminal would act on is escaped in it."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    print(re.sub(f"[{_UNSEEN}]", lambda found: f"\\u{ord(found[0]):04x}", text))


def table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as columns of text, on stdout."""
    if not rows:
        print("Nothing.")
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    texts = [[*map(_cell, columns)], *([_cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[n]) for line in texts) for n in range(len(columns))]
    for line in texts:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    text = "" if value is None else seen(" ".join(str(value).split()))
    return text if len(text) <= WIDEST else text[:WIDEST - 3] + "..."


class Given:
    """The answers of --set and --set-file. Each is used once, by the question of its name."""

    def __init__(self, texts: Sequence[str], files: Sequence[str]) -> None:
        self._given: list[tuple[str, str | Path]] = []
        for word in texts:
            name, _, value = word.partition("=")
            self._given.append((name.strip(), value))
        for word in files:
            name, _, path = word.partition("=")
            self._given.append((name.strip(), Path(path).expanduser()))

    def has(self, step: Mapping[str, Any]) -> bool:
        """Whether one of them answers this question."""
        return bool(self._of(step))

    def take(self, step: Mapping[str, Any]) -> Any:
        """The answer: a text; a path for a file; a list where it was given several times; a dict for a form."""
        found = self._of(step)
        for each in found:
            self._given.remove(each)
        schema = step["schema"]
        fields = schema.get("properties")
        if fields is None:
            return _one([_value(value, schema) for _, value in found])
        names = {name.casefold(): name for name in fields}  # as they are declared, however they are typed
        given: dict[str, list[Any]] = {}
        for typed, value in found:
            name = names[typed.rpartition(".")[2].casefold()]
            given.setdefault(name, []).append(_value(value, fields[name]))
        return {name: _one(values) for name, values in given.items()}

    def unused(self) -> list[str]:
        """The names of those that no question has taken."""
        return [name for name, _ in self._given]

    def _of(self, step: Mapping[str, Any]) -> list[tuple[str, str | Path]]:
        named = f"{step['label']}[{step['key']}]" if step["key"] else step["label"]
        names = {named.casefold(), str(step["step"]).casefold()}
        if "properties" in step["schema"]:
            names = {f"{name}.{field}".casefold() for name in names for field in step["schema"]["properties"]}
        return [each for each in self._given if each[0].casefold() in names]


def _one(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _value(value: str | Path, schema: Mapping[str, Any]) -> Any:
    """A path as the file itself where one is asked for, else as the text in it."""
    if isinstance(value, Path) and _plain(schema).get("format") != "binary":
        return value.read_text(encoding="utf-8")
    return Path(value).expanduser() if _plain(schema).get("format") == "binary" else value


def _plain(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema without its `or null`."""
    return schema["anyOf"][0] if "anyOf" in schema else schema


class Terminal:
    """Asks on stderr and reads stdin, so that results alone stand on stdout."""

    def ask(self, step: Mapping[str, Any]) -> Any:
        """One question, until there is something to check. Raises `KeyboardInterrupt` at Ctrl-C and at the end of
        the input."""
        say(f"\n{step['label']}" + (f" ({step['key']})" if step["key"] else ""))
        for thing in step.get("what", ()):
            if isinstance(thing, str):
                say(thing)
        schema = step["schema"]
        if "properties" not in schema:
            return self._field(schema, step.get("default"), several=step.get("field") in LINES)
        if schema.get("description"):
            say(schema["description"])
        defaults, values = step.get("default") or {}, {}
        for name, each in schema["properties"].items():
            say(str(each.get("title", name)))
            values[name] = self._field(each, defaults.get(name, _plain(each).get("default")))
        return values

    def failed(self, step: Mapping[str, Any]) -> str:
        """What to do after a failure: "go-on", "continue", or "" for leaving it."""
        more = ", c to continue with those there are" if step["kind"] == "each" else ""
        answer = self._read(f"t to try again{more}, Enter to leave it: ").strip().lower()
        return {"t": "go-on", "c": "continue" if more else ""}.get(answer, "")

    def _field(self, schema: Mapping[str, Any], default: Any, *, several: bool = False) -> Any:
        plain = _plain(schema)
        if plain.get("description"):
            say(str(plain["description"]))
        proposed = f" [{_shown(default)}]" if default not in (None, "", []) else ""
        options = plain.get("enum") or (plain.get("items") or {}).get("enum")
        if options:
            for number, option in enumerate(options, 1):
                say(f"  {number}  {option}")
            many = plain.get("type") == "array"
            text = self._read(f"{'Numbers, with commas' if many else 'Number'}{proposed}: ").strip()
            chosen = [_option(part.strip(), options) for part in text.split(",") if part.strip()] if many else text
            return (chosen if many else _option(text, options)) if text else default
        if plain.get("format") == "password":
            return getpass.getpass("Not shown while you type: ", stream=sys.stderr)
        if plain.get("format") == "binary":
            text = self._read(f"Path of the file{proposed if isinstance(default, Path) else ''}: ").strip()
            return Path(text).expanduser() if text else default if isinstance(default, Path) else None
        if plain.get("type") == "boolean":
            text = self._read(f"yes or no{proposed}: ").strip()
            return text if text or default is None else default
        if several:
            say(f"Several lines; a line with only a dot ends them{proposed}.")
            lines: list[str] = []
            while (line := self._read("")) != ".":
                lines.append(line)
            return "\n".join(lines) if lines or default is None else default
        text = self._read(f"{proposed.strip() or 'Answer'}: ")
        return text if text.strip() or default is None else default

    def _read(self, prompt: str) -> str:
        print(seen(prompt), end="", file=sys.stderr, flush=True)
        if not (line := sys.stdin.readline()):
            raise KeyboardInterrupt
        return line.rstrip("\n")


def _option(text: str, options: Sequence[Any]) -> Any:
    """An option by its number in the list, else what was typed, to be judged like any answer."""
    if text.isdecimal() and text not in map(str, options) and 0 < int(text) <= len(options):
        return options[int(text) - 1]
    return text


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return str(value.get("name", value))
    return ", ".join(map(str, value)) if isinstance(value, list) else _cell(value)
