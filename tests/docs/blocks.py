"""The code in the documentation, found and written to the disk as an author would save it.

A fence is ```language name: what has a name is saved under it, and later blocks of the page see it. Every block
of `python` is a plugin that loads, and whose tests pass; `py` is only read. Of `sh`, the lines that call server.py are
run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from treadle.config import ROOT

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"]
FENCE = re.compile(r"^```([a-z]*)(?: (\S+))?\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One fence. `number`: its place among all of the page, from 1."""

    page: Path
    number: int
    language: str
    name: str
    code: str

    @property
    def id(self) -> str:
        """By which a test is called."""
        return f"{name_of(self.page)}-{self.number}"

    @property
    def file(self) -> str:
        """What it is saved as."""
        return self.name or f"010_example_{self.number}.py"


def name_of(page: Path) -> str:
    """A page as a test says it: how-to/files."""
    return page.relative_to(ROOT).with_suffix("").as_posix().removeprefix("docs/")


def blocks(page: Path) -> list[Block]:
    """All fences of a page, in their order."""
    found = FENCE.finditer(page.read_text())
    return [Block(page, number, *(part or "" for part in match.groups())) for number, match in enumerate(found, 1)]


def plugins() -> Iterator[Block]:
    """The blocks that are plugins or their helpers."""
    for page in PAGES:
        yield from (block for block in blocks(page) if block.language == "python")


def save(block: Block, folder: Path) -> Path:
    """A folder of plugins of its own: this block, and what the page had saved before it."""
    folder = folder / block.id.replace("/", "-")
    folder.mkdir(parents=True)
    for before in blocks(block.page)[:block.number - 1]:
        if before.name and not before.name[0].isdigit():
            (folder / before.name).write_text(before.code)
    (folder / block.file).write_text(block.code)
    return folder


def outcomes(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """What pytest says of the plugins in the folders below: by folder the tests, and "" or why one failed."""
    report = folder / "report.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "treadle.testing", "-p", "no:cacheprovider", "-c", os.devnull,
         "--rootdir", str(folder), "--import-mode=importlib", f"--junitxml={report}", "-o", "junit_family=xunit1",
         "--basetemp", str(folder / "temporary"), *sorted(str(path) for path in folder.glob("*/[0-9]*.py"))],
        capture_output=True, text=True, cwd=ROOT, timeout=120,
        env={name: value for name, value in os.environ.items() if name != "TREADLE_PLUGINS"})
    found: dict[str, list[tuple[str, str]]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        where = (case.get("file") or (case.get("classname") or "").replace(".", "/")).split("/")[0]
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        found.setdefault(where or case.get("name", "").split("/")[0], []).append(
            (case.get("name", ""), "" if bad is None else bad.text or bad.get("message") or "it failed"))
    return found


def author_lines(code: str) -> int:
    """Lines an author writes: without imports, docstring, comments, blank lines and tests."""
    import ast

    left_out: set[int] = set()
    for node in ast.parse(code).body:
        told = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        test = isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        if told or test or isinstance(node, ast.Import | ast.ImportFrom):
            left_out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(number not in left_out and bool(line.strip()) and not line.lstrip().startswith("#")
               for number, line in enumerate(code.splitlines(), 1))
