"""A Dask cluster, with a real scheduler and two worker processes: killed in the middle, nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.test_jobs_killed import begin, complete, results, rows, site  # noqa: F401 - a fixture
from tests.harness import ROOT, free_port, until, until_now

pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(os.environ.get("TREADLE_SOAK") != "1", reason="12 s: in make soak")

PLUGIN = '''
import os, time
from pathlib import Path
from treadle import workflow
from ._squares import square

HERE = Path(__file__).parent

@workflow("Twenty", message="Twenty things.")
async def twenty(ui):
    await ui.ask("Start", str)
    done = await ui.each("Work", range(40), work, workers=4, on="cluster")
    total = await ui.job("Total", sum, [d for d in done])


def work(n: int) -> int:
    with open(HERE / "ran.txt", "a") as ran:
        ran.write(f"{n} {os.getpid()}\\n")
    time.sleep(0.2)
    return square(n)
'''


class Dask:
    """A scheduler and two workers, each a process that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._run("scheduler", "--port", str(self.port), "--no-dashboard", "--host", "127.0.0.1")
        for _ in range(2):
            self.add_worker()

    def add_worker(self) -> None:
        """One more."""
        self.workers.append(self._run("worker", self.address, "--nthreads", "2", "--no-dashboard", "--no-nanny",
                                      "--local-directory", str(self.folder), "--death-timeout", "60"))

    def restart_scheduler(self) -> None:
        """kill -9, and another one at the same address, with workers of its own."""
        kill(self.scheduler)
        for worker in self.workers:
            kill(worker)
        self.workers = []
        self.scheduler = self._run("scheduler", "--port", str(self.port), "--no-dashboard", "--host", "127.0.0.1")
        for _ in range(2):
            self.add_worker()

    def _run(self, *args: str) -> subprocess.Popen[bytes]:
        with open(self.folder / "dask.log", "ab") as log:
            return subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_" + args[0], *args[1:]], cwd=ROOT,
                                    stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def close(self) -> None:
        """End all of it."""
        for process in [*self.workers, self.scheduler]:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture
def dask(tmp_path):
    cluster = Dask(tmp_path)
    yield cluster
    cluster.close()


def ran(site) -> list[str]:  # noqa: F811
    path = site.folder / "plugins" / "ran.txt"
    return path.read_text().splitlines() if path.exists() else []


async def test_a_worker_killed_then_the_scheduler_killed_and_started_again(site, dask):  # noqa: F811
    (site.folder / "plugins" / "010_twenty.py").write_text(PLUGIN)
    (site.folder / "plugins" / "_squares.py").write_text("def square(n):\n    return n * n\n")
    site.env["TREADLE_CLUSTER"] = dask.address
    site.start()
    key = await begin(site, "twenty", "go")
    await until(lambda: len(ran(site)) > 6, within=30)
    kill(dask.workers.pop(0))
    await until(lambda: len(ran(site)) > 14, within=30)
    dask.restart_scheduler()
    await until(lambda: complete(site, key), within=60)
    assert results(site, key) == [(n, "done", str(n * n)) for n in range(40)]
    assert len({line.split()[1] for line in ran(site)}) >= 3, "several worker processes have worked"
    assert [row["value"] for row in rows(site, "SELECT value FROM steps WHERE slug = 'total'")] == ["20540"]
    until_now(lambda: len(ran(site)) <= 40 + 4 + 4)  # what ran on the killed worker, and on the killed cluster
