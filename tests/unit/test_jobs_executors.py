"""Where functions run: pools that stay, pools that go, files that travel."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

import pytest

from tests import working
from treadle.jobs.calls import Over
from treadle.jobs.cluster import arrived
from treadle.jobs.executors import Executors
from treadle.jobs.processes import Processes, packed
from treadle.jobs.progress import Said


async def test_a_call_alone_that_cannot_be_sent_leaves_the_pool_of_the_others(tmp_path):
    executors = Executors(str(tmp_path), "")

    async def run(what, *, alone=False):
        await executors.ready("process", Said())
        return await executors.run("process", working.double, (what,), Said(), Over(), alone=alone)

    try:
        assert (await run(1)).value == "2"
        assert "cannot be sent" in (await run(lambda: 1, alone=True)).error
        assert (await run(2)).value == "4"
    finally:
        executors.close()


def test_a_pool_that_was_closed_meanwhile_is_broken_to_whoever_still_has_it(tmp_path):
    pool = Processes(1, str(tmp_path))
    pool.close()
    with pytest.raises(BrokenExecutor):
        pool.submit(packed(working.double, (1,)), Said(), Over())


def test_a_file_arrives_once_for_all_threads_of_a_worker(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data, together = b"0123456789" * 500_000, threading.Barrier(8)

    def arrive(number):
        together.wait()
        return arrived("f", "data.txt", len(data), hashlib.sha256(data).hexdigest(), data).path.read_bytes() == data

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(arrive, range(8)))
