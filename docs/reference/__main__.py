"""`python -m docs.reference`: write the reference out of the code, its docstrings and docs/reference/examples/.

With `--check` nothing is written; the exit code is 1 where a page is stale.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import re
import sys
import typing
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NewType
from unittest.mock import patch

import treadle
from treadle.config import ROOT, Settings
from treadle.fields.types import field
from treadle.web.assets import icon_names

from .words import AFTER_TYPES, CONTROLS, ENVIRONMENT, GIVEN, HELP, MEMBERS, PAGES, SET, SETTINGS, Entries

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE / "examples"
MADE = "This page is made from the code by `python -m docs.reference`. Its examples are run as tests."
FACTS = MADE.partition(". ")[0] + "."
WIDEST = 100  # characters of a signature on one line


@cache
def made() -> dict[Path, str]:
    """Every page by its path, as it should be."""
    pages = {HERE / f"{name}.md": _page(entries) for name, entries in PAGES.items()}
    pages[HERE / "command-help.md"] = _helps()
    pages[HERE / "settings.md"] = _settings()
    return pages


def stale() -> list[Path]:
    """The pages that are not as they should be."""
    return [path for path, text in made().items() if not path.exists() or path.read_text() != text]


def _page(entries: Entries) -> str:
    icons = ", ".join(f"`{name}`" for name in sorted(icon_names()))
    parts = [f"# {entries.title}", entries.text.replace("ICONS", icons), MADE]
    parts += [types()] if "Range" in entries.names else []
    parts += [part for name in entries.names.split() for part in _entry(name)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _entry(name: str) -> Iterator[str]:
    short = name.removeprefix("ui.")
    thing = getattr(treadle.Ui, short) if name.startswith("ui.") else getattr(treadle, name)
    yield f"## {name}"
    if name not in GIVEN.split() and not isinstance(thing, NewType):
        yield f"```py\n{signature(thing, name)}\n```"
    yield _told(name, thing)
    for member in MEMBERS.get(name, ()):
        found = inspect.getattr_static(thing, member)
        call = name.lower() if member == "__call__" else f".{member}"
        is_value = isinstance(found, property | cached_property)
        text = f".{member}" if is_value else signature(getattr(thing, member), call)
        yield f"`{text}`: {_doc(getattr(thing, member))}"
    path = EXAMPLES / f"{name.lower().replace('.', '_')}.py"
    yield f"```python\n{path.read_text().strip()}\n```"


def _told(name: str, thing: Any) -> str:
    """Its docstring; of a NewType, which has none, the comment behind it."""
    if not isinstance(thing, NewType):
        return _doc(thing)
    types = (ROOT / "treadle" / "fields" / "types.py").read_text()
    found = re.search(rf"^{name} = NewType\(.*\)  # (.+)$", types, re.M)
    assert found is not None, f"{name} has no comment behind it in types.py"
    return f"{found[1][0].upper()}{found[1][1:]}. The answer is a `str`."


def _doc(thing: Any) -> str:
    told = inspect.getdoc(thing)
    assert told, f"{thing} has no docstring"
    return told


def signature(thing: Any, name: str) -> str:
    """A call as an author writes it, with the annotations of the source; over several lines where it is long."""
    found = inspect.signature(thing)
    parts: list[str] = []
    star = False
    for parameter in found.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            star = True
        elif parameter.kind is parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        parts.append(_parameter(parameter))
    one = f"{name}({', '.join(parts)})"
    if len(one) <= WIDEST:
        return one
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}"
    known = parameter.annotation is not parameter.empty
    if known:
        hint = parameter.annotation
        text += f": {hint if isinstance(hint, str) else getattr(hint, '__name__', str(hint))}"
    if parameter.default is not parameter.empty:
        text += f" = {parameter.default!r}" if known else f"={parameter.default!r}"
    return text


def types() -> str:
    """A table of the types, each with its control and its JSON schema."""
    scope: dict[str, Any] = {**vars(typing), **{name: getattr(treadle, name) for name in treadle.__all__}}
    exec("from datetime import date, datetime\nfrom enum import Enum\nfrom pathlib import Path\n"
         "class Size(Enum):\n    SMALL = 'small'\n    LARGE = 'large'", scope)
    lines = ["| type | a person sees | JSON schema |", "| --- | --- | --- |"]
    for hint, control in CONTROLS.items():
        schema = field("x", eval(hint, scope)).json_schema()  # our own texts, above
        schema.pop("title", None)
        lines.append(f"| `{_cell(hint)}` | {control} | `{_cell(json.dumps(schema))}` |")
    return "\n".join([*lines, "", AFTER_TYPES])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _helps() -> str:
    from treadle.cli import arguments

    commands = next(action for action in _parser(arguments, [])._actions if isinstance(action.choices, dict)).choices
    parts = ["# Help of every command", HELP, FACTS]
    for name, parser in commands.items():
        parts += [f"## {name}", f"{parser.description[0].upper()}{parser.description[1:]}.", _options(parser)]
    return "\n\n".join(parts) + "\n"


def _parser(arguments: Callable[..., Any], *words: list[str]) -> argparse.ArgumentParser:
    """The parser that a function makes and uses."""
    with patch.object(argparse.ArgumentParser, "parse_args", lambda parser, *_: parser):
        found = arguments(*words)
    assert isinstance(found, argparse.ArgumentParser)
    return found


def _options(parser: argparse.ArgumentParser) -> str:
    lines = ["| argument | what it is |", "| --- | --- |"]
    for action in parser._actions:
        if action.help is argparse.SUPPRESS or "--help" in action.option_strings:
            continue
        value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        names = ", ".join(f"`{name}{value}`" for name in action.option_strings)
        told = (action.help or "") % {**vars(action), "prog": parser.prog}
        lines.append(f"| {names or f'`{action.metavar or action.dest}`'} | {_cell(told)} |")
    return "\n".join(lines)


def _settings() -> str:
    import server

    lines = ["| name | default | what it is |", "| --- | --- | --- |"]
    comments = dict(re.findall(r"^    (\w+): .*?  # (.+)$", inspect.getsource(Settings), re.M))
    for each in dataclasses.fields(Settings):
        default = each.default if each.default is not dataclasses.MISSING else ""
        shown = f"{default.relative_to(ROOT)}/" if isinstance(default, Path) else default if default != () else ""
        named = f"`{shown}`" if shown != "" else ""
        lines.append(f"| `{each.name}` | {named} | {SET[each.name] or comments[each.name]} |")
    told = [f"| `{name}` | {text} |" for name, text in ENVIRONMENT.items()]
    return "\n\n".join([
        "# Settings and environment", SETTINGS, FACTS, "## Options of server.py", _options(_parser(server.arguments)),
        "## Environment", "\n".join(["| variable | what it is |", "| --- | --- |", *told]), "## All settings",
        "The options and variables above set these; the others are constants of `treadle/config.py`.",
        "\n".join(lines)]) + "\n"


def variables() -> set[str]:
    """The environment variables that Treadle's code reads."""
    files = [ROOT / "server.py", *(ROOT / "treadle").rglob("*.py")]
    return {name for path in files for name in re.findall(r'os\.(?:environ\.get|getenv)\(\s*"(\w+)"', path.read_text())}


def main() -> int:
    """Write what is stale, or say so. The exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.reference", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a page is stale")
    check = parser.parse_args().check
    pages = made()
    for path in stale():
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(pages[path])
    return int(check and bool(stale()))


if __name__ == "__main__":
    sys.exit(main())
