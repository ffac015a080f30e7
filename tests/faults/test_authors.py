"""Plugins that never end, swallow everything, block or break: error cards at their own address, and nothing else."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.harness import Server

HEAD = "import os, sys, time\nfrom treadle import workflow\n\n\n"
BODIES = {
    "endless": "while True:\n        pass",
    "swallows": "while True:\n        try:\n            await ui.ask('Name', str)\n        except:\n            pass",
    "stubborn": "while True:\n        try:\n            sum(range(100))\n        except:\n            print(end='')",
    "blocks": "time.sleep(600)",
    "leaves": "sys.exit(3)",
    "healthy": "await ui.ask('Your name', str)",
}
SAID = {"endless": "took too long to draw", "swallows": "The stop signal of this step was caught",
        "stubborn": "took too long to draw", "blocks": "took too long to draw", "leaves": "SystemExit: 3"}


@pytest.fixture
def server(tmp_path: Path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    for number, (name, body) in enumerate(BODIES.items(), 1):
        declared = f'@workflow("{name.capitalize()}", message="m")\nasync def {name}(ui):\n    {body}\n'
        (folder / f"{number:03}_{name}.py").write_text(HEAD + declared)
    (folder / "900_broken.py").write_text("import sys\nsys.stdout.close()\nsys.exit(1)\n")
    with Server(tmp_path, plugins=folder) as server:
        yield server


async def test_a_workflow_that_never_ends_is_a_card_within_two_seconds_while_other_pages_stay_quick(server):
    async with server.client() as client, server.client() as other:
        await other.get("/healthy")  # the first page pays for what is imported late
        for name, said in SAID.items():
            slow = asyncio.create_task(_timed(client, f"/{name}"))
            waits = []
            while not slow.done():
                waits.append((await _timed(other, "/healthy"))[0])
                await asyncio.sleep(0.02)
            took, text = await slow
            assert said in text, f"{name}: {text[:2000]}"
            assert took < 2, f"{name} took {took:.2f} s"
            assert max(waits, default=0) < 0.5, f"while {name} was drawn another page took {max(waits):.2f} s"
        assert "SystemExit: 1" in (await client.get("/broken")).text
        assert (await _timed(client, "/endless"))[0] < 0.5  # not replayed again


async def test_a_blocked_workflow_does_not_hold_the_end_of_the_server(server):
    async with server.client() as client:
        assert "took too long" in (await client.get("/blocks")).text
    assert server.terminate() < 2
    assert server.returncode == 0


async def _timed(client, path: str) -> tuple[float, str]:
    began = time.perf_counter()
    response = await client.get(path)
    return time.perf_counter() - began, response.text
