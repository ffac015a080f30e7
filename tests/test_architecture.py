"""What keeps the code readable in an afternoon and the promises of the pages true: imports, budgets, assets, pins."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TRACKED = [ROOT / name for name in subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
    check=True).stdout.split("\n") if name and (ROOT / name).is_file()]
PYTHON = [path for path in TRACKED if path.suffix == ".py"]
PARTS = ("llm", "shows", "cli", "importers", "testing")  # packages beside the core: what it serves, and what serves it
CORE = [path for path in PYTHON if ROOT / "treadle" in path.parents and ROOT / "treadle" / "web" not in path.parents]
WEB = [path for path in PYTHON if (ROOT / "treadle" / "web") in path.parents]
PLUGINS = [path for path in PYTHON if path.parent == ROOT / "plugins"]

# Each module imports only modules above it in this list: errors knows nothing, core knows all.
LAYERS = [
    "errors", "clock", "config", "text", "folder", "logs", "schema", "db", "feed", "tasks", "files", "llm",
    "jobs.progress", "fields.parse", "fields.spec", "fields.form", "fields.types", "fields.secrets", "calls", "results",
    "drawing", "threads", "worker", "shows", "workflow", "ui", "replay", "steps", "plugins.code", "jobs.results",
    "jobs.calls", "jobs.cluster", "jobs.processes", "jobs.executors", "jobs.run", "jobs.items", "jobs.llm",
    "jobs.watchdog", "jobs.engine", "plugins.folders", "plugins.declared", "plugins.registry", "plugins.watch",
    "plugins.checking", "fields.answers", "facts", "drawings", "run", "advance", "runs", "importers", "archive_files",
    "archive", "commands", "conversation", "narrator", "tools", "context", "fields.drafts", "replies", "core",
    "testing", "cli",
]
LATE = {"httpx", "ollama", "pydantic", "pygments", "nh3", "sqlite_utils", "markdown_it", "mdit_py_plugins"}
WEB_ONLY = {"fasthtml", "starlette", "uvicorn", "fastcore"}


def modules_of(path: Path) -> Iterator[tuple[str, bool]]:
    """The absolute names a file imports, each with whether that happens while the file itself is imported."""
    tree = ast.parse(path.read_text())
    package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
    late = {inner for function in ast.walk(tree) if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
            for inner in ast.walk(function)}
    late |= {inner for test in ast.walk(tree) if isinstance(test, ast.If) and "TYPE_CHECKING" in ast.unparse(test.test)
             for inner in ast.walk(test)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node not in late
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            if node.module is None:
                for alias in node.names:
                    yield f"{start}.{alias.name}", node not in late
            else:
                yield start, node not in late


def layer(path: Path) -> str:
    """A part is one layer; each module of the core is one, as it is named in `LAYERS`."""
    parts = path.relative_to(ROOT / "treadle").with_suffix("").parts
    return parts[0] if parts[0] in PARTS else ".".join(parts)


@pytest.mark.parametrize("path", [path for path in CORE if path.name != "__init__.py"], ids=layer)
def test_imports_point_only_downwards(path):
    own = LAYERS.index(layer(path))
    for name, _ in modules_of(path):
        if name.startswith("treadle."):
            parts = name.split(".")[1:]
            other = parts[0] if parts[0] in LAYERS else ".".join(parts[:2])
            assert other in LAYERS, f"{path.name} imports {name}; the core knows no web"
            assert LAYERS.index(other) <= own, f"{path.name} imports {name}, which lies above it"


def test_every_layer_exists():
    own = {layer(path) for path in CORE if path.name != "__init__.py" or layer(path) in PARTS}
    assert sorted(LAYERS) == sorted(own)


@pytest.mark.parametrize("path", [*CORE, *PLUGINS], ids=lambda path: path.stem)
def test_only_the_web_knows_http_frameworks(path):
    shown = {"fasthtml.common", "fasthtml.svg"} if path in PLUGINS else set()  # components, which a show takes
    assert not {name.split(".")[0] for name, _ in modules_of(path) if name not in shown} & WEB_ONLY


@pytest.mark.parametrize("path", [*CORE, *WEB], ids=lambda path: path.stem)
def test_costly_libraries_are_imported_when_first_used(path):
    if path.name == "schema.py":
        return  # itself imported only where there is something to migrate
    assert not {name.split(".")[0] for name, first in modules_of(path) if first} & LATE


def test_a_start_imports_no_costly_library():
    """On a folder that exists already; a new one is migrated with sqlite-utils."""
    code = "import sys, treadle.web.serve; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not set(loaded.split()) & LATE


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.stem)
def test_plugins_import_treadle_and_nothing_inside_it(path):
    assert not [name for name, _ in modules_of(path) if name.startswith("treadle.")]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_python_file_has_at_most_400_lines(path):
    assert len(path.read_text().splitlines()) <= 400


def code_lines(path: Path) -> int:
    """Lines that are not empty, no comment and no docstring."""
    text = path.read_text()
    told: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            told |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(number not in told and line.strip() != "" and not line.lstrip().startswith("#")
               for number, line in enumerate(text.splitlines(), 1))


# What one reads to understand Treadle is the spine. Beside it stand parts that each do one thing, with a budget of
# their own.
BUDGETS = {("jobs",): 1_350, ("fields",): 1_000, ("plugins",): 650, ("archive", "archive_files"): 350,
           ("commands", "tools"): 350}
SPINE = 3_300


def test_the_core_stays_small_enough_to_be_read_in_an_afternoon():
    left = {layer(path): code_lines(path) for path in CORE if layer(path) not in (*PARTS, "__init__")}
    for names, budget in BUDGETS.items():
        part = {name: left.pop(name) for name in list(left) if name.partition(".")[0] in names}
        assert sum(part.values()) <= budget, part
    assert sum(left.values()) <= SPINE, left


def test_the_script_and_the_styles_stay_small():
    script = ROOT / "static" / "js" / "app.js"
    assert script.stat().st_size <= 12_000
    assert max(len(line) for line in script.read_text().splitlines()) <= 100
    assert sum(len(path.read_text().splitlines()) for path in (ROOT / "static" / "css").glob("*.css")) <= 700


def test_the_public_names_exist_and_are_all_there_is():
    import treadle

    assert sorted(treadle.__all__) == treadle.__all__
    for name in treadle.__all__:
        assert getattr(treadle, name) is not None
    tree = ast.parse((ROOT / "treadle" / "__init__.py").read_text())
    shown = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
             and node.level for alias in node.names}
    assert shown == set(treadle.__all__)


def test_vendored_files_are_the_ones_that_were_recorded():
    table = (ROOT / "static" / "vendor" / "VENDOR.md").read_text()
    recorded = dict(re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", table, re.MULTILINE))
    for name, digest in recorded.items():
        assert hashlib.sha256((ROOT / "static" / name).read_bytes()).hexdigest() == digest, name
    present = {path.relative_to(ROOT / "static").as_posix() for folder in ("vendor", "fonts")
               for path in (ROOT / "static" / folder).rglob("*") if path.suffix in (".js", ".css", ".woff2")}
    assert present == set(recorded)


# A name of a language or a vocabulary, never fetched; and what a document says about where things come from.
NAMESPACES = ("http://www.w3.org/",)


def test_no_asset_names_another_host():
    for path in TRACKED:
        if path.name.startswith(("mermaid-", "d3-")):
            continue  # they name their documentation; their frames may ask nobody: tests/browser/test_shows.py
        if (ROOT / "static") in path.parents and path.suffix in (".js", ".css", ".svg", ".html", ".json"):
            for address in re.findall(r"(?:https?:)?//[a-z0-9-]+(?:\.[a-z0-9-]+)+[^\s\"'`)<]*", path.read_text()):
                assert address.startswith(NAMESPACES), f"{path.name}: {address}"


async def test_no_page_names_another_host(client):
    for path in ("/", "/hello", "/introduction", "/docs/", "/chat/1", "/login", "/nowhere"):
        page = (await client.get(path)).text
        for address in re.findall(r"(?:src|href|action|data|content|url\()=?[\"']?((?:https?:)?//[^\s\"'>)]+)", page):
            assert address.startswith(("http://127.0.0.1:", "http://localhost:", *NAMESPACES)), f"{path}: {address}"


def pinned(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return {line.split("==")[0]: line for line in text.splitlines() if line and not line.lstrip().startswith("#")}


def test_at_most_50_distributions_are_installed_to_run():
    assert len(pinned("requirements.txt")) <= 50


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_every_distribution_is_pinned_with_hashes_and_no_index(name):
    lines = pinned(name)
    for line in lines.values():
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==[^ ]+ ", line, re.IGNORECASE) and "--hash=sha256:" in line, line
    assert "http" not in "".join(line.split("--hash")[0].split("==")[1] for line in lines.values())


def test_the_tests_run_with_the_versions_treadle_runs_with():
    run, test = pinned("requirements.txt"), pinned("requirements-test.txt")
    assert {name: test[name].split("--hash")[0] for name in run} == {name: run[name].split("--hash")[0] for name in run}


def test_the_readme_fits_on_two_screens():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", "\n".join(lines)):
        assert (ROOT / picture).is_file()


def test_the_workflow_in_the_readme_loads(tmp_path, clock):
    from treadle.config import Settings
    from treadle.plugins.registry import Plugins
    from treadle.workflow import Workflow

    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    (tmp_path / "010_readme.py").write_text(code)
    plugins = Plugins(Settings(plugins=tmp_path, data=tmp_path / "data"))
    plugins.load()
    assert isinstance(plugins.get("hello"), Workflow)


def test_no_tracked_file_names_a_folder_of_this_computer():
    home = str(ROOT)
    for path in TRACKED:
        if path.suffix not in (".woff2", ".png"):
            assert home not in path.read_text(), path


@pytest.mark.parametrize("path", [path for path in PYTHON if path.name.startswith("test_")],
                         ids=lambda path: path.relative_to(ROOT).as_posix())
def test_tests_mock_nothing_of_ours_and_do_not_sleep(path):
    """A loop may look again a little later. The time of a browser cannot be moved."""
    tree = ast.parse(path.read_text())
    looped = {inner for loop in ast.walk(tree) if isinstance(loop, (ast.While, ast.For)) for inner in ast.walk(loop)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert "mock" not in ast.unparse(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "asyncio.sleep"):
            seconds = node.args[0].value if isinstance(node.args[0], ast.Constant) else 0
            assert seconds <= (0.05 if node in looped else 0) or path.parent.name == "browser", f"line {node.lineno}"


def test_the_names_of_tests_are_sentences():
    for path in PYTHON:
        if path.name.startswith("test_") and (ROOT / "tests") in path.parents:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                    assert node.name.count("_") >= 3, f"{path.name}: {node.name}"


def test_every_first_segment_of_a_route_is_reserved(core):
    from treadle.plugins.registry import RESERVED
    from treadle.web.app import create_app

    first = {route.path.split("/")[1] for route in create_app(core).app.routes}
    assert {name for name in first if name and not name.startswith("{")} <= set(RESERVED)
