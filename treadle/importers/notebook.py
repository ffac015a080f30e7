"""A Jupyter notebook as a plugin: a draft that runs, for its author to make better.

Markdown becomes text, `input()` and cells tagged `parameters` become questions. Every other cell becomes a job for each
value that a later cell uses, and one for what it shows; both run in a process of their own. Imports, functions and
constants go to the top of the file. Magics and shell lines stay as comments that say what was left out.
"""

from __future__ import annotations

import ast
import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import Refused
from ..text import one_line, storable
from .cells import Cell, Names, constant, names_of, question, read_cell

HELPER = '''

def seen(value: Any) -> Any:
    """What a notebook shows under a cell: pictures and frames as they are, texts letter for letter, data as JSON."""
    if value is None or isinstance(value, File):
        return value or ""
    return Code(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False), "text")
'''
HEAD = '''"""{title}: written from a notebook by `python server.py import-notebook`.

Each cell is a job: what it gives is data, a frame, a figure or bytes, and is stored. Make better names and one file of
it as you like; `python server.py check` looks it over.
"""
'''


@dataclass
class Written:
    """The plugin, and what could not be translated, a line each."""

    code: str
    left_out: list[str] = field(default_factory=list)


def translate(text: str, *, title: str, name: str) -> Written:
    """A notebook's text as the code of a plugin. `name`: of its function. Raises `Refused` for what is no notebook."""
    return _Writer(_cells(text), title, name).write()


def _cells(text: str) -> list[dict[str, Any]]:
    try:
        book = json.loads(text)
        language = book.get("metadata", {}).get("kernelspec", {}).get("language", "python")
        cells = [{"type": str(cell["cell_type"]), "source": _lines_of("".join(cell["source"])),
                  "tags": list(cell.get("metadata", {}).get("tags") or [])} for cell in book["cells"]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Refused("This is no notebook of format 4.", hint="Save it again with a newer Jupyter.") from error
    if language.lower() != "python":
        raise Refused(f"This notebook is written in {language}.", hint="Only Python can be translated.")
    return cells


def _lines_of(source: str) -> str:
    """A cell whose lines end as Python's own do in every system. What stands after another end of a line, in what
    becomes a comment, would be code of the plugin."""
    return storable(source.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd"))


class _Writer:
    """Puts the file together: what stands at the top, the functions of the jobs, the workflow."""

    def __init__(self, cells: Sequence[dict[str, Any]], title: str, name: str) -> None:
        self._title, self._name = title, name
        self._left_out: list[str] = []
        self._top: dict[str, None] = {}       # imports and constants, in their order, each once
        self._defs: list[str] = []
        self._functions: list[str] = []
        self._body: list[str] = []
        self._labels: set[str] = set()
        self._made: set[str] = set()          # names that jobs have given
        self._known: set[str] = set()         # and those that were asked for
        self._hoisted: set[str] = set()       # names that stand at the top
        self._asked: set[str] = {"Markdown"}  # what has to be imported from treadle, by the types that are asked for
        self._cells: list[str | Cell] = []
        for number, cell in enumerate(cells, 1):
            if cell["type"] == "markdown":
                self._cells.append(cell["source"])
            elif cell["type"] == "code":
                self._cells.append(read_cell(cell["source"], number, parameters="parameters" in cell["tags"]))

    def write(self) -> Written:
        codes = [cell for cell in self._cells if isinstance(cell, Cell)]
        self._hoist(codes)
        for n, cell in enumerate(self._cells):
            if isinstance(cell, str):
                self._text(cell)
            else:
                self._code(cell, later=[each for each in self._cells[n + 1:] if isinstance(each, Cell)])
        return Written(self._file(), self._left_out)

    # what stands at the top

    def _hoist(self, cells: Sequence[Cell]) -> None:
        """Imports always; a constant that is set once; functions and classes that use nothing but what is hoisted."""
        statements = [statement for cell in cells for statement in cell.statements]
        stored = [name for statement in statements for name in names_of([statement]).changed]
        for cell in cells:
            for statement in list(cell.statements):
                if isinstance(statement, ast.Import | ast.ImportFrom):
                    if getattr(statement, "module", "") == "__future__":
                        pass
                    else:
                        self._top[ast.unparse(statement)] = None
                        self._hoisted |= names_of([statement]).stored
                    cell.statements.remove(statement)
                elif not cell.parameters and (name := constant(statement)) and stored.count(name) == 1:
                    self._top[cell.text(statement).strip()] = None
                    self._hoisted.add(name)
                    cell.statements.remove(statement)
        again = True
        while again:
            again = False
            for cell in cells:
                for statement in list(cell.statements):
                    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and \
                            stored.count(statement.name) == 1 and \
                            names_of([statement]).free <= self._hoisted | {statement.name}:
                        self._defs.append(cell.text(statement).strip("\n"))
                        self._hoisted.add(statement.name)
                        cell.statements.remove(statement)
                        again = True

    # the workflow

    def _text(self, markdown: str) -> None:
        if markdown.strip():
            self._body.append(f"ui.show({_literal(markdown.strip())})")

    def _code(self, cell: Cell, later: Sequence[Cell]) -> None:
        for problem in cell.left_out:
            self._not_done(cell, problem)
        part: list[ast.stmt] = []
        parts = 0
        for statement in cell.statements:
            asked = question(statement, parameter=cell.parameters)
            if asked is None:
                part.append(statement)
                continue
            if part:
                parts += 1
                self._jobs(cell, part, f"_{parts}", [statement, *_rest(cell.statements, statement)], later)
                part = []
            label = self._label(asked.label)
            self._asked |= asked.needs
            self._known.add(asked.name)
            self._body.append(f"{asked.name} = await ui.ask({label!r}, {asked.type}{asked.more})")
        if part:
            self._jobs(cell, part, f"_{parts + 1}" if parts else "", [], later)

    def _not_done(self, cell: Cell, problem: str) -> None:
        self._left_out.append(f"cell {cell.number}: {one_line(problem, 100)}")
        self._body.append(f"# left out of cell {cell.number}: {problem}")

    def _jobs(self, cell: Cell, part: list[ast.stmt], suffix: str, after: Sequence[ast.stmt],
              later: Sequence[Cell]) -> None:
        """The jobs of one cell: one for each value that is used later, one for what it shows."""
        names = names_of(part)
        calls = (node.func for each in part for node in ast.walk(each) if isinstance(node, ast.Call))
        if any(isinstance(called, ast.Name) and called.id in ("input", "getpass") for called in calls):
            self._not_done(cell, "input() inside other code, which nobody answers in a job; ask before it, with ui.ask")
        wanted = names_of([*after, *(statement for each in later for statement in each.statements)]).free
        given = sorted((names.changed | names.stored) & wanted - self._hoisted)
        label, function = cell.label, f"cell_{cell.number}{suffix}"
        shown, statements = cell.output(part)
        early: list[str] = []
        alone = isinstance(shown, ast.expr) and cell.shows == "value" and bool(given) and \
            names_of([ast.Expr(shown)]).free <= set(given) | (names.free - names.changed) | self._hoisted
        output = (cell, f"{function}_output", f"{label}: output" if given else label)
        if shown is not None and not alone:
            early += self._shown(*output, statements, shown)
        elif not given and statements:
            early.append(self._job(function, label, statements, "", cell))
        if len(given) > 1:
            early.append(f"# cell {cell.number} sets {len(given)} values that are used later: a job gives one of them, "
                         f"so {len(given)} jobs run it")
        states = [f"{name} = " + self._job(f"{function}_{name}" if len(given) > 1 else function,
                                           f"{label}: {name}" if len(given) > 1 else label, statements, name, cell)
                  for name in given]
        if len(given) > 1:  # all of them are run with what was there before
            held = [f"new_{name}" for name in given]
            states = [f"new_{line}" for line in states]
            states.append(f"{', '.join(given)} = {', '.join(held)}")
        self._made |= set(given)
        self._known |= set(given)
        self._body += [*early, *states, *(self._shown(*output, [], shown) if alone else [])]

    def _shown(self, cell: Cell, function: str, label: str, statements: list[ast.stmt],
               shown: ast.expr | bool | None) -> list[str]:
        if cell.shows == "figure":
            lines = ['plt.close("all")', *self._lines(cell, statements), "return plt.gcf()"]
            self._top["import matplotlib"] = None
            self._top["import matplotlib.pyplot as plt"] = None
            self._hoisted.add("plt")
        elif cell.shows == "text":
            inner = self._lines(cell, statements) + ([f"print({ast.unparse(shown)})"]
                                                     if isinstance(shown, ast.expr) else [])
            lines = ["printed = io.StringIO()", "with redirect_stdout(printed):",
                     *(f"    {line}" if line else "" for line in inner), "return printed.getvalue()"]
        else:
            assert isinstance(shown, ast.expr)
            lines = [*self._lines(cell, statements), f"return {ast.unparse(shown)}"]
        nodes = [*statements, *([ast.Expr(shown)] if isinstance(shown, ast.expr) else [])]
        args = self._function(function, lines, names_of(nodes), cell)
        return [f"ui.show(seen(await ui.job({self._label(label)!r}, {function}{args}, on=\"process\")))"]

    def _job(self, function: str, label: str, statements: list[ast.stmt], name: str, cell: Cell) -> str:
        names = names_of(statements)
        if name:  # what is only changed is given, and given back
            names = Names(names.free | ({name} if name not in names.stored else set()), names.stored, names.changed)
        lines = [*self._lines(cell, statements), *([f"return {name}"] if name else [])]
        args = self._function(function, lines, names, cell)
        return f"await ui.job({self._label(label)!r}, {function}{args}, on=\"process\")"

    def _function(self, function: str, lines: Sequence[str], names: Names, cell: Cell) -> str:
        args = sorted(names.free & self._known)
        frames = self._made if "import pandas as pd" in self._top else set()
        typed = ", ".join(f"{arg}: pd.DataFrame" if arg in frames else arg for arg in args)
        self._functions.append(f"def {function}({typed}):\n"
                               + "\n".join(f"    {line}" if line else "" for line in lines or ["pass"]))
        return "".join(f", {arg}" for arg in args)

    def _lines(self, cell: Cell, statements: Iterable[ast.stmt]) -> list[str]:
        return [line for statement in statements for line in cell.text(statement).split("\n")]

    def _label(self, text: str) -> str:
        label, n = text, 2
        while label in self._labels:
            label, n = f"{text} ({n})", n + 1
        self._labels.add(label)
        return label

    # the file

    def _file(self) -> str:
        empty = all(line.startswith("#") for line in self._body)
        body = [*self._body, *(['ui.show("This notebook is empty.")'] if empty else [])]
        workflow = "\n".join(f"    {line}" if line else "" for line in body)
        told = "Written from a notebook: its questions, its jobs, and what it shows."
        code = (f"\n\n@workflow({self._title!r}, message={told!r})\n"
                f"async def {self._name}(ui: Ui) -> None:\n{workflow}\n")
        parts = [code, *(f"\n\n{each}\n" for each in (*self._defs, *self._functions))]
        rest = "".join(parts)
        jobs = "seen(" in rest
        std = [line for line, used in (("import io", "io.StringIO()" in rest), ("import json", jobs)) if used]
        std += [line for line, used in (("from contextlib import redirect_stdout", "redirect_stdout(" in rest),
                                        ("from typing import Any", jobs)) if used and line not in self._top]
        own = sorted({"Ui", "workflow"} | (self._asked - {"Markdown"}) | ({"Code", "File"} if jobs else set()))
        imports = [line for line in self._top if line.startswith(("import ", "from ")) and line not in std]
        constants = [line for line in self._top if line not in imports and line not in std]
        head = "\n".join([*std, *imports, *(['\nmatplotlib.use("Agg")  # no window is opened']
                                            if "import matplotlib" in self._top else [])])
        names = f"from treadle import {', '.join(own)}"
        title = self._title.replace('"', "'").replace("\\", "/")
        text = HEAD.format(title=title) + "\n" + (f"{head}\n\n" if head else "")
        text += names + "\n" + ("\n" + "\n".join(constants) + "\n" if constants else "")
        return text + rest + (HELPER if jobs else "")


def _rest(statements: Sequence[ast.stmt], after: ast.stmt) -> Sequence[ast.stmt]:
    return statements[statements.index(after) + 1:]


def _literal(text: str) -> str:
    """A text as a literal that can be read: lines of it on lines of their own."""
    if "\n" not in text and len(text) < 90:
        return repr(text)
    lines = [repr(line + "\n") for line in text.split("\n")]
    lines[-1] = repr(text.split("\n")[-1])
    return "\n" + textwrap.indent("\n".join(lines), "        ")
