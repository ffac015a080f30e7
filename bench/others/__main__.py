"""`python -m bench.others`: the same workflow in Treadle, Streamlit, Gradio and NiceGUI, and what of it survives.

Installs the three into a virtual environment of their own, runs each in Chromium and writes docs/explanation/others.md.
Takes about five minutes. Lines are counted without imports, docstrings, comments and blank lines.
"""

from __future__ import annotations

import ast
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from bench.browser import ARGS
from tests.harness import free_port

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REPORT = ROOT / "docs" / "explanation" / "others.md"
VENV = ROOT / ".build" / "others"
PINS = ("streamlit==1.67.0", "gradio==6.31.0", "nicegui==3.18.0")
LINKS = 20
URL = "https://example.org/"


@dataclass
class Framework:
    """How one of them is started and used."""

    name: str
    file: str
    command: list[str]

    @property
    def lines(self) -> int:
        """Lines an author writes."""
        text = (HERE / self.file).read_text()
        left_out: set[int] = set()
        for node in ast.walk(ast.parse(text)):
            told = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
            if told or isinstance(node, (ast.Import, ast.ImportFrom)):
                left_out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        return sum(number not in left_out and bool(line.strip()) and not line.lstrip().startswith("#")
                   for number, line in enumerate(text.splitlines(), 1))


def frameworks() -> list[Framework]:
    """All four; Treadle first."""
    python = str(VENV / "bin" / "python")
    return [
        Framework("Treadle", "link_check_treadle.py",
                  [sys.executable, str(ROOT / "server.py"), "--no-open", "--no-token", "--port", "{port}", "--data", "{runs}"]),
        Framework("Streamlit", "link_check_streamlit.py",
                  [python, "-m", "streamlit", "run", str(HERE / "link_check_streamlit.py"), "--server.port", "{port}",
                   "--server.address", "127.0.0.1", "--server.headless", "true", "--browser.gatherUsageStats", "false"]),
        Framework("Gradio", "link_check_gradio.py", [python, str(HERE / "link_check_gradio.py")]),
        Framework("NiceGUI", "link_check_nicegui.py", [python, str(HERE / "link_check_nicegui.py")]),
    ]


class Server:
    """One of them, running, with its folder of runs and its list of calls."""

    def __init__(self, framework: Framework, folder: Path) -> None:
        self.framework, self.folder, self.port = framework, folder, free_port()
        self.calls_file = folder / "calls.txt"
        self.runs = folder / "runs"
        self.runs.mkdir()
        plugins = folder / "plugins"
        plugins.mkdir()
        (plugins / "100_link_check.py").write_text((HERE / "link_check_treadle.py").read_text())
        self.url = f"http://127.0.0.1:{self.port}{'/link_check' if framework.name == 'Treadle' else '/'}"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        env = {**os.environ, "PORT": str(self.port), "RUNS": str(self.runs), "CALLS": str(self.calls_file),
               "PYTHONPATH": f"{HERE}{os.pathsep}{ROOT}", "TREADLE_PLUGINS": str(self.folder / "plugins"),
               "GRADIO_ANALYTICS_ENABLED": "False", "OLLAMA_HOST": "127.0.0.1:9"}
        command = [part.format(port=self.port, runs=self.runs) for part in self.framework.command]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True, cwd=self.folder)
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=2).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def kill(self) -> None:
        """End it and all its processes at once, as a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def calls(self) -> list[str]:
        """Every check that was begun."""
        return self.calls_file.read_text().split() if self.calls_file.exists() else []


async def until(condition: Any, within: float = 40) -> bool:
    """Whether it became true within so many seconds."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        found = condition()
        if await found if asyncio.iscoroutine(found) else found:
            return True
        await asyncio.sleep(0.1)
    return False


async def give(page: Page, label: str, value: str) -> None:
    """Type into the field with this label and save it."""
    field = page.get_by_label(label, exact=True).last
    await field.wait_for(timeout=20_000)
    await field.fill(value)
    await field.press("Tab")
    for name in ("Save note", "Save", "Start"):
        button = page.get_by_role("button", name=name, exact=True)
        for number in range(await button.count()):
            if await button.nth(number).is_visible():
                await button.nth(number).click()
                return


async def says(page: Page, text: str) -> bool:
    """Whether a text can be seen."""
    return text.lower() in (await page.locator("body").inner_text()).lower()  # a style may write it in capitals


async def asks(page: Page, label: str) -> bool:
    """Whether this field can be seen."""
    field = page.get_by_label(label, exact=True).last
    return bool(await field.count()) and await field.is_visible()


async def tried(framework: Framework, context: Any) -> dict[str, str]:
    """What survives a reload, a second tab and a kill."""
    found = {"lines": str(framework.lines)}
    with tempfile.TemporaryDirectory() as name:
        server = Server(framework, Path(name))
        try:
            page = await context.new_page()
            await page.goto(server.url)
            await give(page, "URL", URL)
            await until(lambda: len(server.calls()) >= 5)
            address = page.url
            await page.reload()
            kept = await until(lambda: says(page, URL.rstrip("/")), 10)
            await until(lambda: asks(page, "Note"))
            found["reload in the middle"] = ("goes on" if kept and len(server.calls()) == LINKS else
                                             f"{len(server.calls())} checks for {LINKS} links")
            other = await context.new_page()
            await other.goto(server.url)
            await give(other, "URL", "https://other.example/")
            await until(lambda: sum("other.example" in call for call in server.calls()) == LINKS)
            await page.reload()
            found["two tabs, two runs"] = "apart" if await until(lambda: says(page, "example.org"), 10) else "mixed"
            await other.close()
            server.calls_file.unlink()
            third = await context.new_page()
            await third.goto(server.url)
            await give(third, "URL", "https://third.example/")
            await until(lambda: len(server.calls()) >= 10)
            server.kill()
            before = len(server.calls())
            server.start()
            if framework.name != "Treadle":
                await third.goto(third.url)  # nothing goes on before somebody looks
            done = await until(lambda: len(set(server.calls())) == LINKS)
            await asyncio.sleep(1)
            again = len(server.calls()) - LINKS
            found["server killed after 10 of 20"] = (f"{again} run again" if done else "never ends")
            found["without anybody looking"] = "goes on" if framework.name == "Treadle" and done else "waits for a page"
            await third.goto(third.url)
            await until(lambda: asks(third, "Note"))
            await give(third, "Note", "ok")
            found["to its end afterwards"] = "yes" if await until(lambda: says(third, "links.json"), 15) else "no"
            assert before >= 10
            await page.goto(address)
            found["take an answer back"] = ("Revert, and Undo" if await page.get_by_role("button", name="Revert").count()
                                            else "not without more lines")
            await page.close(), await third.close()
        finally:
            server.kill()
    return found


def installed() -> None:
    """The three others, in a virtual environment of their own."""
    if not (VENV / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    subprocess.run([str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PINS], check=True)


async def main() -> None:
    """Try all four, one after the other, and write the table."""
    installed()
    results: dict[str, dict[str, str]] = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        for framework in frameworks():
            context = await browser.new_context()
            print(framework.name, "...", file=sys.stderr, flush=True)
            results[framework.name] = await tried(framework, context)
            print(results[framework.name], file=sys.stderr, flush=True)
            await context.close()
        await browser.close()
    names = list(results)
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {what} | " + " | ".join(results[name][what] for name in names) + " |" for what in results[names[0]]]
    table = "\n".join(lines)
    REPORT.write_text(
        "# The same workflow elsewhere\n\nA page is asked for, its twenty links are checked with a bar, a note is asked "
        "for, and the whole can be downloaded. The others keep every run in a file of its own and its name in the address, "
        "as a careful author would. `python -m bench.others` runs all four in Chromium and writes this page; the programs "
        f"are in `bench/others/` ({', '.join(PINS)}).\n\n{table}\n\nLines are those an author writes, without imports, "
        "docstrings, comments and blank lines. A check takes a quarter of a second; a killed server has one of them under "
        "way, which runs again.\n")
    print(table)


asyncio.run(main())
