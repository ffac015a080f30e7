"""The states of the model, noticed over a real socket; choosing and downloading one. Only the test moves the clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.clock import ManualClock
from tests.fakes import FakeOllama, Gate, Model, Pull
from tests.harness import free_port, until
from tests.models import MODEL, an_llm, reply
from treadle.db import Database
from treadle.errors import Conflict, InvalidAnswer, ModelMissing
from treadle.llm import Llm


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    async with FakeOllama() as server:
        yield server


@pytest.fixture
async def llm(fake: FakeOllama, clock: ManualClock) -> AsyncIterator[Llm]:
    """A model whose Ollama is `fake`, at its usual address."""
    async with an_llm(clock, default=fake.url) as llm:
        yield llm


async def test_at_the_start_nothing_is_said(llm):
    assert llm.status.kind == "checking" and llm.status.chosen == ""


async def test_ready_names_what_is_installed_with_its_size(llm, fake):
    fake.models["tiny:1b"] = Model(size=1_000)
    await llm.check()
    assert llm.status.kind == "ready" and not llm.status.was_down
    assert [(model.name, model.size) for model in llm.status.models] == [(MODEL, 5_200_000_000), ("tiny:1b", 1_000)]
    assert llm.status.chosen == MODEL


async def test_not_installed_and_not_running_differ_by_what_is_on_this_computer(clock, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    async with an_llm(clock, default=f"http://127.0.0.1:{free_port()}") as llm:
        await llm.check()
        assert llm.status.kind == "not_installed"
        (tmp_path / "ollama").touch(0o755)
        await llm.check()
        assert llm.status.kind == "not_running"


async def test_an_ollama_without_a_model_is_known_as_such(llm, fake):
    fake.models.clear()
    await llm.check()
    assert llm.status.kind == "no_model"


async def test_wrong_address_is_named(clock):
    port = free_port()
    async with an_llm(clock, f"localhost:{port}") as llm:
        await llm.check()
        assert (llm.status.kind, llm.status.host) == ("wrong_address", f"localhost:{port}")


@pytest.mark.parametrize("fault", [{"not_ollama": True}, {"not_ollama": b"[" * 100_000}, {"tags_status": 503}],
                         ids=["a page", "nested without end", "503"])
async def test_something_else_at_the_address_is_a_wrong_address(llm, fake, fault):
    for name, value in fault.items():
        setattr(fake, name, value)
    await llm.check()
    assert llm.status.kind == "wrong_address"


async def test_an_unreadable_ollama_host_is_named_as_it_stands(clock):
    async with an_llm(clock, "box:port") as llm:
        await llm.check()
        assert (llm.status.kind, llm.status.host) == ("wrong_address", "box:port")


async def test_a_busy_ollama_may_be_silent_twice(llm, fake, clock):
    await llm.check()
    fake.silent = True
    for kind in ("ready", "ready", "wrong_address"):
        count = len(fake.requests)
        looking = asyncio.create_task(llm.check())
        await fake.until(lambda count=count: len(fake.requests) > count)
        await clock.advance(5)
        await looking
        assert llm.status.kind == kind
    fake.silent = False
    await llm.check()
    assert llm.status.kind == "ready"


async def test_the_states_are_noticed_by_themselves_and_wake_every_viewer(llm, fake, clock):
    await asyncio.to_thread(fake.stop)
    llm.start()
    await until(lambda: llm.status.kind in ("not_installed", "not_running"))
    fake.models.clear()
    fake.start()
    tick = llm._feed.tick
    await clock.advance(1)
    await until(lambda: llm.status.kind == "no_model")
    assert llm._feed.tick > tick
    fake.models["tiny:1b"] = Model()
    await clock.advance(1)
    await until(lambda: llm.status.kind == "ready")
    assert llm.status.was_down  # said once
    await clock.advance(6)
    await until(lambda: not llm.status.was_down)
    del fake.models["tiny:1b"]
    await clock.advance(5)
    await until(lambda: llm.status.kind == "no_model")


async def test_ready_from_the_start_is_not_said(llm, clock):
    llm.start()
    await until(lambda: llm.status.kind == "ready")
    assert not llm.status.was_down


async def test_a_failed_reply_is_looked_into_at_once(llm, fake, clock):
    llm.start()
    await until(lambda: llm.status.kind == "ready")
    fake.models.clear()
    with pytest.raises(ModelMissing):
        await reply(llm)
    await until(lambda: llm.status.kind == "no_model")  # although the clock stands still


async def test_a_change_moves_the_rev_of_its_row_and_no_change_moves_nothing(llm):
    rev = llm._feed.rev
    await llm.check()
    assert llm._db.one("SELECT rev FROM settings WHERE key = 'model.status'")["rev"] == rev + 1
    await llm.check()
    assert llm._feed.rev == rev + 1


async def test_whoever_waits_for_a_model_goes_on_when_there_is_one(llm, fake):
    models = dict(fake.models)
    fake.models.clear()
    await llm.check()
    waiting = asyncio.create_task(llm.wait_ready())
    await asyncio.sleep(0)
    assert not waiting.done()
    fake.models.update(models)
    await llm.check()
    await asyncio.wait_for(waiting, 5)
    await asyncio.wait_for(llm.wait_ready(), 5)


async def test_what_is_loaded_is_known(llm, fake):
    assert not await llm.in_memory(MODEL)
    await reply(llm)
    assert await llm.in_memory(MODEL)
    await asyncio.to_thread(fake.stop)
    assert not await llm.in_memory(MODEL)


# --- choosing


async def test_the_choice_is_remembered_by_the_next_server(fake, clock):
    fake.models["tiny:1b"] = Model()
    db = Database(":memory:")
    async with an_llm(clock, default=fake.url, db=db) as llm:
        await llm.check()
        await llm.choose("tiny:1b")
        assert llm.status.chosen == "tiny:1b"
    async with an_llm(clock, default=fake.url, db=db) as llm:
        assert llm.status.chosen == "tiny:1b"  # the picker's name, before anything has answered
        await llm.check()
        assert llm.status.chosen == "tiny:1b"
    db.close()


async def test_a_chosen_model_that_vanished_gives_way_and_comes_back(llm, fake):
    fake.models["tiny:1b"] = Model()
    await llm.check()
    await llm.choose("tiny:1b")
    tiny = fake.models.pop("tiny:1b")
    await llm.check()
    assert llm.status.chosen == MODEL
    fake.models["tiny:1b"] = tiny
    await llm.check()
    assert llm.status.chosen == "tiny:1b"


async def test_only_what_is_installed_can_be_chosen(llm):
    await llm.check()
    with pytest.raises(InvalidAnswer, match=r"gone:1b is not installed."):
        await llm.choose("gone:1b")


async def test_an_address_is_used_at_once_and_remembered(fake, clock):
    db = Database(":memory:")
    async with an_llm(clock, db=db) as llm:
        await llm.check()
        assert not llm.status.ready
        await llm.set_address(f" localhost:{fake.port}/ ")
        assert llm.status.ready and llm.status.was_down
    async with an_llm(clock, "box:1", db=db) as llm:  # the setting goes before OLLAMA_HOST
        assert llm.status.address == f"http://localhost:{fake.port}"
        await llm.set_address("")
        assert llm.status.host == "box:1"
    db.close()


async def test_no_address_changes_nothing(llm):
    await llm.check()
    with pytest.raises(InvalidAnswer) as caught:
        await llm.set_address("a b")
    assert caught.value.field == "address"
    assert llm.status.ready


async def test_ollama_host_goes_before_the_usual_address(fake, clock):
    async with an_llm(clock, f"127.0.0.1:{fake.port}") as llm:
        await llm.check()
        assert llm.status.ready


# --- downloads


async def test_a_download_tells_how_far_it_is_and_ends_ready(llm, fake, clock):
    fake.models.clear()
    await llm.check()
    gate = Gate()
    fake.pulls = Pull(total=5_200_000_000, steps=10, gate=gate)
    llm.pull(MODEL)
    assert (llm.status.kind, llm.status.pull.done, llm.status.pull.total) == ("pulling", 0, 5_200_000_000)
    gate.allow()
    await until(lambda: llm.status.pull.done == 520_000_000)
    assert llm.status.pull.left_s is None  # nobody can tell yet
    await clock.advance(4)
    gate.allow()
    await until(lambda: llm.status.pull.done == 1_040_000_000)
    assert llm.status.pull.left_s == pytest.approx(4_160 / 520 * 4)
    await llm.check()
    assert llm.status.kind == "pulling"
    with pytest.raises(Conflict):
        llm.pull("tiny:1b")
    gate.open()
    await until(lambda: llm.status.kind == "ready")
    assert llm.status.chosen == MODEL and llm.status.was_down and llm.status.pull is None


async def test_stop_ends_a_download_at_once_and_the_next_goes_on_from_there(llm, fake, clock):
    fake.models.clear()
    await llm.check()
    fake.pulls = Pull(total=1_000, steps=10, stall=3)
    llm.pull("tiny:1b")
    await fake.until(lambda: fake.partial.get("tiny:1b") == 300)
    llm.stop_pull()
    assert llm.status.kind == "no_model" and llm.status.pull is None
    llm.stop_pull()  # harmless
    await fake.until(lambda: fake.requests[-1].client_gone)
    gate = Gate()
    gate.allow()
    fake.pulls = Pull(total=1_000, steps=10, gate=gate)
    llm.pull("tiny:1b")
    await until(lambda: llm.status.pull.done == 400)
    gate.open()
    await until(lambda: llm.status.kind == "ready")


async def test_a_failed_download_says_why_until_the_next_try(llm, fake):
    fake.models.clear()
    await llm.check()
    fake.pulls = Pull(steps=3, error="no space left on device")
    llm.pull("tiny:1b")
    await until(lambda: llm.status.problem)
    assert (llm.status.kind, llm.status.problem) == (
        "no_model", "tiny:1b was not downloaded: no space left on device.")
    fake.pulls = Pull(steps=1)
    llm.pull("tiny:1b")
    assert llm.status.problem == ""
    await until(lambda: llm.status.ready)


async def test_a_download_cut_off_is_told(llm, fake):
    fake.models.clear()
    await llm.check()
    fake.pulls = Pull(stall=2)
    llm.pull("tiny:1b")
    await fake.until(lambda: fake.partial)
    await asyncio.to_thread(fake.stop)
    await until(lambda: llm.status.problem)
    assert "broke off" in llm.status.problem and not llm.status.ready


async def test_nothing_can_be_downloaded_where_nothing_answers(clock):
    async with an_llm(clock) as llm:
        await llm.check()
        with pytest.raises(Conflict):
            llm.pull(MODEL)
