"""One code cell of a notebook: its statements, the names they use, what it asks, what it shows, what is left out."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

PLAIN_MAGICS = ("%%time", "%%timeit", "%%capture")  # what stands under these is Python
CHANGES = {"append", "extend", "insert", "update", "add", "remove", "discard", "pop", "clear", "sort", "reverse",
           "setdefault", "write", "close"}
PLOTS = {"plot", "hist", "boxplot", "scatter", "bar", "barh"}
MAGIC = re.compile(r"[%!]|[\w.]+\s*=\s*[%!]|\?[\w.]+$|[\w.]+\?{1,2}$")  # ls = !ls, %time x, ?print, df.head?
BUILTINS = frozenset(dir(builtins))


@dataclass
class Names:
    """Names of variables. `free`: read before they are set; `stored`: set; `changed`: set, or changed in place."""

    free: set[str]
    stored: set[str]
    changed: set[str]


@dataclass
class Question:
    """A statement that asks: the variable, the label, the type as it is written, and more arguments."""

    name: str
    label: str
    type: str
    more: str = ""
    needs: set[str] = field(default_factory=set)


@dataclass
class Cell:
    """A code cell. `label`: its first comment, else its number. `shows`: value, text, figure, or "" for nothing."""

    number: int
    label: str
    source: str
    statements: list[ast.stmt]
    left_out: list[str]
    parameters: bool
    quiet: bool  # it ends with a semicolon

    def text(self, statement: ast.stmt) -> str:
        """A statement as it was written, with the comments above it; parsed and written again where moving the lines
        would change a text in it."""
        several = any(getattr(node, "end_lineno", 0) != getattr(node, "lineno", 0) for node in ast.walk(statement)
                      if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant)
                                                             and isinstance(node.value, str | bytes)))
        lines = self.source.split("\n")
        first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", []))])
        end = statement.end_lineno or first
        behind = lines[end - 1].encode()[statement.end_col_offset:].decode().strip(" \t;")
        if several or statement.col_offset or (behind and not behind.startswith("#")):
            return ast.unparse(statement)
        while first > 1 and lines[first - 2].startswith("#"):
            first -= 1
        return "\n".join(lines[first - 1:end]).rstrip("; ")

    @property
    def shows(self) -> str:
        """What the cell shows, by what is called in it."""
        for node in (each for statement in self.statements for each in ast.walk(statement)):
            if isinstance(node, ast.Attribute) and (node.attr in PLOTS or _root(node) in ("plt", "sns")):
                return "figure"
        for node in (each for statement in self.statements for each in ast.walk(statement)):
            if isinstance(node, ast.Name) and node.id == "print":
                return "text"
        return "value"

    def output(self, part: list[ast.stmt]) -> tuple[ast.expr | bool | None, list[ast.stmt]]:
        """What `part` shows (an expression, True for text or a figure, None), and the statements without it."""
        statements = [statement for statement in part if not _only_shows(statement)]
        last = statements[-1] if statements else None
        displayed = [call.args[0] for statement in part if (call := _call(statement)) is not None
                     and isinstance(call.func, ast.Name) and call.func.id == "display" and call.args]
        own = Cell(self.number, self.label, self.source, part, [], False, False)
        if own.shows == "figure":
            return True, statements
        if isinstance(last, ast.Expr) and not _changes(last) and not self.quiet:
            call = _call(last)
            if call is None or not (isinstance(call.func, ast.Name) and call.func.id == "print"):
                return last.value, statements[:-1]
        if own.shows == "text":
            return True, statements
        return (displayed[-1] if displayed else None), statements


def read_cell(source: str, number: int, *, parameters: bool) -> Cell:
    """Read one cell. What is no Python is left out, and named."""
    left_out: list[str] = []
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%"):
        plain = first.split()[0] in PLAIN_MAGICS
        left_out += [first] if plain else lines
        lines = [line for line in lines if line is not first] if plain else []
    kept = []
    for line in lines:
        bare = line.strip()
        if MAGIC.match(bare):
            left_out.append(bare)
            kept.append(re.match(r"\s*", line)[0] + "pass" if line[:1] in (" ", "\t") else "")  # type: ignore[index]
        else:
            kept.append(line)
    text = "\n".join(kept)
    try:
        compile(text, f"cell {number}", "exec", dont_inherit=True)  # sees more than the parser: an await, a return
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError) as error:
        left_out += [f"the cell, which is no Python here ({getattr(error, 'msg', error)}):",
                     *(line for line in lines if line.strip())]
        statements, text = [], ""
    comment = next((line.strip("# ").strip() for line in kept if line.startswith("#") and line.strip("# ")), "")
    label = comment if 0 < len(comment) <= 60 else f"Cell {number}"
    quiet = text.rstrip().endswith(";")
    return Cell(number, label, text, statements, left_out, parameters, quiet)


def names_of(statements: Iterable[ast.AST]) -> Names:
    """The names of variables in statements, in their order. Those of comprehensions and inner functions are local."""
    free: set[str] = set()
    stored: set[str] = set()
    changed: set[str] = set()
    for statement in statements:
        local = {name for node in ast.walk(statement) for name in _locals(node)}
        named = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        loads = {node.id for node in named if isinstance(node.ctx, ast.Load)}
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            loads.add(statement.target.id)
        sets = {node.id for node in named if isinstance(node.ctx, ast.Store)} - local
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            local |= sets
            sets = {statement.name}
        if isinstance(statement, ast.Import | ast.ImportFrom):
            sets = {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
        bound = sets if isinstance(statement, ast.For | ast.AsyncFor | ast.With | ast.AsyncWith) else set()
        free |= loads - stored - local - bound - BUILTINS
        stored |= sets
        changed |= sets
        for node in ast.walk(statement):
            if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
                changed.add(_root(node))
            if isinstance(node, ast.Expr) and _changes(node):
                changed.add(_root(node.value))
    return Names(free, stored, changed - BUILTINS - {""})


def constant(statement: ast.stmt) -> str:
    """The name of a variable that is set to a literal; "" for anything else."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        try:
            value = ast.literal_eval(statement.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return ""
        if value is None or isinstance(value, str | int | float | bool | bytes | tuple):
            return statement.targets[0].id
    return ""


def question(statement: ast.stmt, *, parameter: bool) -> Question | None:
    """What a statement asks a person: a parameter with its value as the default, or `input()`."""
    if not (isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None):
        return None
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    if len(targets) != 1 or not isinstance(targets[0], ast.Name):
        return None
    name, value = targets[0].id, statement.value
    label = name.replace("_", " ").strip().capitalize() or name
    if parameter:
        try:
            default = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return None
        kind = {bool: "bool", int: "int", float: "float", str: "str"}.get(type(default), "Json")
        if default is None:
            return Question(name, label, "str | None")
        if isinstance(default, str) and "\n" in default:
            kind = "LongText"
        if kind == "Json" and not isinstance(default, list | dict):
            return None
        needs = {kind} if kind in ("Json", "LongText") else set()
        return Question(name, label, kind, f", default={default!r}", needs)
    kind, call = "str", value
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("int", "float", "str") and \
            len(call.args) == 1:
        kind, call = call.func.id, call.args[0]
    while isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ("strip", "lower"):
        call = call.func.value
    if not isinstance(call, ast.Call):
        return None
    asked = ast.unparse(call.func)
    if asked not in ("input", "getpass", "getpass.getpass"):
        return None
    prompt = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else ""
    said = " ".join(str(prompt).split()).rstrip(" :?>")[:100] or label
    secret = asked != "input"
    return Question(name, said, "Secret" if secret else kind, needs={"Secret"} if secret else set())


def _locals(node: ast.AST) -> set[str]:
    if isinstance(node, ast.comprehension):
        return {each.id for each in ast.walk(node.target) if isinstance(each, ast.Name)}
    if isinstance(node, ast.arguments):
        every = [*node.posonlyargs, *node.args, *node.kwonlyargs, *filter(None, (node.vararg, node.kwarg))]
        return {arg.arg for arg in every}
    return {node.name} if isinstance(node, ast.ExceptHandler) and node.name else set()


def _call(statement: ast.stmt) -> ast.Call | None:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return value if isinstance(value, ast.Call) else None


def _root(node: ast.AST) -> str:
    """The name of the variable an expression begins with: df of df.loc[0].x; "" where it begins with none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _changes(statement: ast.Expr) -> bool:
    """Whether an expression stands there for what it does to a variable."""
    call = _call(statement)
    if call is None or not isinstance(call.func, ast.Attribute):
        return False
    return call.func.attr in CHANGES or any(
        word.arg == "inplace" and isinstance(word.value, ast.Constant) and word.value.value is True
        for word in call.keywords)


def _only_shows(statement: ast.stmt) -> bool:
    """`plt.show()` and `display(...)`: showing is done by the workflow."""
    call = _call(statement)
    return call is not None and ast.unparse(call.func) in ("plt.show", "fig.show", "display")
