"""`new`, `check`, `test` and `import-notebook`: what an author does beside the editor."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Settings
from ..errors import Conflict, NotFound, Refused
from ..text import install
from ..workflow import Workflow
from .codes import FAILED, REFUSED
from .terminal import seen

if TYPE_CHECKING:
    from ..plugins.checking import Problem
    from ..plugins.registry import Plugins

STEP = 10  # between the numbers of two plugins, so that one fits between them

TEMPLATE = '''"""{about}: say here, in one line, what it is for."""

from treadle import Ui, plain, workflow


@workflow({title!r}, message="Tell me a name, and I say what is in it.",
          about="What stands on the home page. Markdown.", steps=["Name", "Count", "Keep it"])
async def {name}(ui: Ui) -> None:
    name = await ui.ask("Name", str, max_length=80)
    letters = await ui.job("Count", count, name)
    ui.show(f"**{{plain(name)}}** has {{letters}} letters.")
    if await ui.approve("Keep it", f"{{letters}} letters", yes="Keep", no="Drop"):
        ui.export("letters.json", name=name, letters=letters)


def count(text: str) -> int:
    """What costs time or has an effect stands in a job: it runs once, and its result is stored."""
    return sum(char.isalpha() for char in text)


def test_{name}(run):  # type: ignore[no-untyped-def]
    r = run({name}, answers={{"Name": "Ada", "Keep it": True}})
    assert r["Count"] == 3
    assert r.exports["letters.json"] == {{"name": "Ada", "letters": 3}}
'''


def new(settings: Settings, title: str) -> int:
    """Write a plugin with its test under the next free number, and say where."""
    if not title.strip():
        raise Refused("A workflow has a title.", hint='For example: python server.py new "Link check"')
    name = identifier(title)
    path = free_path(settings.plugins, name)
    said = " ".join(title.split())
    about = re.sub(r'[\\"]', "", said)  # it stands in a docstring
    path.write_text(TEMPLATE.format(about=about, title=said, name=name), encoding="utf-8")
    print(f"{path}\nIt is in the menu of a running server at once, at /{name}.\n"
          f"Its test: python server.py test {name}")
    return 0


def identifier(title: str) -> str:
    """A title as the name of a function: Link check becomes link_check."""
    from keyword import iskeyword

    plain = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:60].strip("_")
    if not name or name[0].isdigit() or iskeyword(name):
        name = f"workflow_{name}".strip("_")
    return name


def free_path(folder: Path, name: str) -> Path:
    """Where a new plugin goes: behind the last number. Raises `Conflict` when there is one of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    names = re.compile(r"(?:xx_)?(?:(\d+)_)?(.+)\.py")
    found = {path: match for path in folder.glob("*.py") if (match := names.fullmatch(path.name))}
    for path, match in found.items():
        if match[2] == name:
            raise Conflict(f"{path} is there already.", hint="Choose another title.")
    last = max((int(match[1]) for match in found.values() if match[1] and len(match[1]) < 6), default=0)
    return folder / f"{(last // STEP + 1) * STEP:03d}_{name}.py"


def _named(settings: Settings, plugin: str) -> list[Path]:
    """The files a name means: a path, the name of a file, or that of a workflow. Raises `NotFound`."""
    path = Path(plugin)
    if path.suffix == ".py" and path.is_file():
        return [path.absolute()]
    stem = re.compile(rf"(?:xx_)?(?:\d+_)?{re.escape(path.stem)}")
    folders = (settings.plugins, *settings.more_plugins)
    files = [each for folder in folders for each in sorted(folder.glob("*.py")) if stem.fullmatch(each.stem)
             or re.search(rf"^(?:async +)?def +{re.escape(plugin)}\(", each.read_text(errors="replace"), re.M)]
    if not files:
        raise NotFound(f"There is no plugin {plugin}.", hint="python server.py list names them.")
    return files


def check(settings: Settings, plugin: str) -> int:
    """Name each problem of the plugins in one line. The exit code is 1 where there is one."""
    from ..plugins.checking import check as problems_of
    from ..plugins.registry import Plugins

    only = [path.name for path in _named(settings, plugin)] if plugin else []
    plugins = Plugins(settings)
    with redirect_stdout(sys.stderr):  # a plugin may print
        problems = [*problems_of(plugins), *_icons(plugins)]
    problems = [each for each in problems if not only or Path(each.file).name in only]
    for problem in problems:
        print(problem)
    if not problems:
        print("No problem was found.")
    return FAILED if problems else 0


def _icons(plugins: Plugins) -> list[Problem]:
    """The icons that are declared and that nothing can draw."""
    from ..config import ROOT
    from ..plugins.checking import Problem

    known = [name for sprite in ("icons.svg", "signs.svg")
             for name in re.findall('<symbol id="([^"]+)"', (ROOT / "static" / sprite).read_text())]
    return [Problem(item.file, 0, f"icon= of {item.endpoint} is {item.icon!r}, which is none of: {', '.join(known)}.")
            for item in plugins.all() if isinstance(item, Workflow) and item.icon not in known]

# pytest-asyncio complains without, where it is installed, and pytest where it is not
QUIET = ["-o", "asyncio_default_fixture_loop_scope=function", "-W", "ignore::pytest.PytestConfigWarning"]


def test(settings: Settings, plugin: str) -> int:
    """Run the tests of the plugins with pytest. Its exit code; 0 also where there are none."""
    try:
        import pytest
    except ModuleNotFoundError:
        print(f"This needs pytest, which is not installed; install it with: {install('pytest')}", file=sys.stderr)
        return FAILED
    targets = [str(folder) for folder in (settings.plugins, *settings.more_plugins)]
    if plugin:
        files = _named(settings, plugin)
        names = {re.sub(r"^(?:xx_)?\d+_", "", path.stem) for path in files}
        beside = [path for name in names for path in (files[0].parent / "tests").glob(f"test_{name}*.py")]
        targets = [str(path) for path in [*files, *beside]]
    code = pytest.main(["-q", "-p", "treadle.testing", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir",
                        str(settings.plugins), "--import-mode=importlib", *QUIET, *targets])
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)


def import_notebook(settings: Settings, file: Path) -> int:
    """Write a plugin out of a notebook, and say where and what was left out."""
    from ..importers.notebook import translate

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.", file=sys.stderr)
        return REFUSED
    title = " ".join(re.sub(r"[_-]+", " ", file.stem).split()).capitalize() or "Notebook"
    written = translate(text, title=title, name=identifier(title))
    path = free_path(settings.plugins, identifier(title))
    path.write_text(written.code, encoding="utf-8")
    print(path)
    for line in written.left_out:
        print(f"left out: {seen(line)}")
    return 0
