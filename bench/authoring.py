"""Figures 19 and 21: the replay of a run of 200 steps; what a plugin costs at the start."""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import Row, cpu_s, paired
from treadle import workflow
from treadle.drawing import Stored
from treadle.replay import replay

ROOT = Path(__file__).resolve().parent.parent
STEPS, TIMES = 200, 20
PLUGINS = 40
ROUNDS = 5

START = """
import sys, time
import treadle.core, treadle.web.app, treadle.web.serve
from pathlib import Path
from treadle.config import Settings
from treadle.plugins.registry import Plugins
plugins = Plugins(Settings(plugins=Path(sys.argv[1]), data=Path(sys.argv[2])))
before = time.process_time()
plugins.load()
print(time.process_time() - before)
assert len(plugins.all()) == int(sys.argv[3]) and not [item for item in plugins.all() if item.kind == "broken"]
"""


@workflow("Many", message="m")
async def many(ui):  # type: ignore[no-untyped-def]
    for number in range(STEPS):
        await ui.ask("Price", int, key=number)


def rows() -> list[Row]:
    """Replay: the drawing of a run with 200 answers. Plugins: Hello under 40 names, new, and known from the last start."""
    stored = [Stored("Price", str(number), "ask", str(number), "", "done") for number in range(STEPS)]

    def no_file(id: str) -> None:
        raise AssertionError(id)

    async def drawn() -> None:
        for _ in range(TIMES):
            drawing = await replay(many, stored, open_file=no_file)  # type: ignore[arg-type]
            assert drawing.finished and len(drawing.items) == STEPS

    async def raw() -> None:
        async def ask(answers: dict[str, str], number: int) -> int:
            return int(answers[f"Price {number}"])

        answers = {f"Price {number}": str(number) for number in range(STEPS)}
        for _ in range(TIMES):
            for number in range(STEPS):
                await ask(answers, number)

    played = paired(lambda: cpu_s(lambda: asyncio.run(drawn())), lambda: cpu_s(lambda: asyncio.run(raw())))
    one = played[0] / TIMES
    known, new = plugin_s()
    return [
        Row("19", f"replay of a run of {STEPS} steps", f"{one * 1e3:.2f} ms", f"{played[1] / TIMES * 1e3:.2f} ms the loop alone", "",
            "5 ms", one <= 0.005),
        Row("21", "a plugin at the start", f"{known * 1e3:.2f} ms", f"{new * 1e3:.2f} ms one that is new", "", "1 ms", known <= 0.001),
    ]


def plugin_s() -> tuple[float, float]:
    """CPU seconds for one plugin that is known from the last start, and for one whose file was never seen."""
    text = (ROOT / "plugins" / "040_hello.py").read_text()
    found = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            plugins, data = Path(folder) / "plugins", Path(folder) / "data"
            plugins.mkdir()
            data.mkdir()

            def start() -> float:
                done = subprocess.run([sys.executable, "-c", START, str(plugins), str(data), str(len([*plugins.iterdir()]))],  # noqa: B023
                                      cwd=ROOT, capture_output=True, text=True, check=True)
                return float(done.stdout)

            none = start()
            for number in range(PLUGINS):
                name = f"{number + 100}_hello_{number}.py"
                (plugins / name).write_text(re.sub("def hello", f"def hello_{number}", text))
            new = start()
            found.append(((start() - none) / PLUGINS, (new - none) / PLUGINS))
    return statistics.median(known for known, _ in found), statistics.median(new for _, new in found)
