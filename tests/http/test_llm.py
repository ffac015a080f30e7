"""Replies and states over a real socket: the fake Ollama, our reader, and a clock that only the test moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from tests.clock import ManualClock
from tests.fakes import FakeOllama, Gate, Model, Pull, Script
from tests.harness import free_port, until
from treadle.clock import Clock
from treadle.config import Settings
from treadle.db import Database
from treadle.errors import Conflict, InvalidAnswer, ModelError, ModelMissing, OllamaDown
from treadle.feed import Feed
from treadle.llm import Llm, Piece
from treadle.tasks import Tasks

MODEL = "qwen3:8b"


@asynccontextmanager
async def an_llm(clock: Clock, host: str = "", *, default: str = "", demo: bool = False, db: Any = None):
    """A model as the core has it, on a database in memory. `default`: as if Ollama's usual address were this one."""
    own, tasks = db or Database(":memory:"), Tasks()
    llm = Llm(Settings(ollama_host=host, demo=demo), own, Feed(own), clock, tasks, default=default or "http://127.0.0.1:9")
    try:
        yield llm
    finally:
        await tasks.close()
        if db is None:
            own.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    async with FakeOllama() as server:
        yield server


@pytest.fixture
async def llm(fake: FakeOllama, clock: ManualClock) -> AsyncIterator[Llm]:
    """A model whose Ollama is `fake`, at its usual address."""
    async with an_llm(clock, default=fake.url) as llm:
        yield llm


async def reply(llm: Llm, said: str = "hello", model: str = MODEL, *, into: list[Piece] | None = None) -> list[Piece]:
    """All pieces of a reply; each is in `into` as soon as it has come."""
    came = [] if into is None else into
    async with aclosing(llm.chat([{"role": "user", "content": said}], model=model)) as pieces:
        async for piece in pieces:
            came.append(piece)
    return came


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def words(n: int) -> str:
    return "".join(f"w{i:05d} " for i in range(1, n + 1))


# --- replies


async def test_a_reply_comes_whole_and_ends_with_its_speed(llm, fake):
    pieces = await reply(llm, "n=2000 speed=37.5")
    assert text(pieces) == words(2000)
    assert [piece.done for piece in pieces[-2:]] == [False, True]
    assert pieces[-1].tokens_per_s == pytest.approx(37.5) and pieces[-1].reason == "stop"
    sent = fake.chats[0].body
    assert sent["model"] == MODEL and sent["stream"] is True and sent["options"] == {"num_ctx": 8192}
    assert sent["messages"] == [{"role": "user", "content": "n=2000 speed=37.5"}]


async def test_the_first_piece_is_given_on_before_the_second_exists(llm, fake):
    gate = Gate()
    gate.allow()
    fake.script = Script(n=3, gate=gate)
    async with aclosing(llm.chat([], model=MODEL)) as pieces:
        assert (await anext(pieces)).text == "w00001 "
        assert fake.chats[0].sent <= 1
        gate.open()
        assert text([piece async for piece in pieces]) == "w00002 w00003 "


async def test_thinking_is_kept_apart_from_the_text(llm):
    pieces = await reply(llm, "n=2 think=3")
    assert "".join(piece.thinking for piece in pieces) == "t00001 t00002 t00003 "
    assert text(pieces) == words(2)


@pytest.mark.parametrize("said", ["nel=1 n=3", "blank=1 n=3"])
async def test_what_is_legal_and_breaks_others_is_read(llm, said):
    assert text(await reply(llm, said)).replace("\x85", "") == words(3)


async def test_characters_split_over_lines_of_every_kind_arrive_as_sent(llm, fake):
    chunks = ("é", "日本", "👩‍👩‍👧", "\u2028\r\n", "</script>", '"\\', "\t\x0b", "data: x\n\n")
    fake.next(Script(chunks=chunks))
    assert text(await reply(llm)) == "".join(chunks)


async def test_a_line_of_200_kb_is_read(llm):
    assert len(text(await reply(llm, "big=200000 n=1"))) == 200_001


async def test_a_reply_that_has_no_room_left_says_so(llm, fake):
    fake.next(Script(n=2, reason="length"))
    assert (await reply(llm))[-1].reason == "length"


@pytest.mark.parametrize(("script", "message"), [
    (Script(n=50, die=40), "The connection to the model broke off."),
    (Script(die=0), "The connection to the model broke off."),
    (Script(n=5, done=False), "The model ended in the middle of its reply."),
    (Script(n=0, done=False), "The model ended in the middle of its reply."),
    (Script(n=5, malformed=3), "The model sent something that cannot be read."),
    (Script(n=5, error="CUDA ran out of memory"), "The model failed: CUDA ran out of memory."),
    (Script(status=500, error="it needs more\nmemory"), "The model failed: it needs more memory."),
    (Script(status=400, error=f"{MODEL} does not support chat"), f"The model failed: {MODEL} does not support chat."),
    (Script(big=1_200_000), "The model sent a line of more than 1 MB."),
])
async def test_every_fault_is_one_sentence_and_keeps_what_came(llm, fake, script, message):
    fake.next(script)
    came: list[Piece] = []
    with pytest.raises(ModelError) as caught:
        await reply(llm, into=came)
    assert caught.value.message == message
    assert text(came) == words(len(came))
    assert len(came) == {40: 40, 0: 0}.get(script.die, len(came))
    await fake.until(lambda: fake.chats[0].ended)
    assert text(await reply(llm)) == words(20)  # the next one works


async def test_a_model_that_is_not_there_has_an_error_of_its_own(llm):
    with pytest.raises(ModelMissing, match="gone:1b is not installed") as caught:
        await reply(llm, model="gone:1b")
    assert "ollama pull gone:1b" in caught.value.hint


async def test_something_else_than_ollama_is_told_as_such(llm, fake):
    fake.not_ollama = True
    with pytest.raises(ModelError):
        await reply(llm)


async def test_a_refused_connection_is_known_as_a_state_before_the_error_is(llm, fake, monkeypatch, tmp_path):
    await llm.check()
    assert llm.status.kind == "ready"
    await asyncio.to_thread(fake.stop)
    with pytest.raises(OllamaDown, match=r"No Ollama answers at 127\.0\.0\.1"):
        await reply(llm)
    assert not llm.status.ready


async def test_a_proxy_of_the_environment_is_not_asked(llm, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert text(await reply(llm)) == words(20)


# --- time: the clock is moved, nobody sleeps


@pytest.mark.parametrize(("said", "silence", "message"), [
    ("ttft=3600", 600, "The model did not begin to answer within 10 minutes."),
    ("stall=0", 600, "The model did not begin to answer within 10 minutes."),
    ("n=9 stall=3", 60, "The model stopped answering for 60 seconds."),
])
async def test_i47_a_silent_model_is_given_up_in_time_and_its_connection_closed(llm, fake, clock, said, silence,
                                                                                message):
    came: list[Piece] = []
    task = asyncio.create_task(reply(llm, said, into=came))
    await until(lambda: fake.chats and len(came) == (3 if "stall=3" in said else 0) and clock.sleeping)
    await clock.advance(silence - 1)
    assert not task.done()
    await clock.advance(2)
    with pytest.raises(ModelError) as caught:
        await task
    assert caught.value.message == message
    await fake.until(lambda: fake.chats[0].client_gone)


# --- closing


@pytest.mark.parametrize("said", ["ttft=3600", "stall=0", "n=100000 tps=20", "endless=1"])
async def test_i43_cancelling_frees_the_model_within_half_a_second(llm, fake, said):
    task = asyncio.create_task(reply(llm, said))
    await fake.until(lambda: fake.chats and (said in ("ttft=3600", "stall=0") or fake.chats[0].sent > 2))
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 0.2
    await fake.until(lambda: fake.chats[0].client_gone)
    assert fake.chats[0].client_gone - began < 0.5


async def test_closing_in_the_middle_frees_the_model(llm, fake):
    async with aclosing(llm.chat([{"role": "user", "content": "endless=1 tps=50"}], model=MODEL)) as pieces:
        await anext(pieces)
    await fake.until(lambda: fake.chats[0].client_gone)


async def test_with_real_time_cancelling_is_as_quick(fake):
    async with an_llm(Clock(), default=fake.url) as llm:
        for said in ("ttft=3600", "endless=1 tps=50"):
            count = len(fake.chats)
            task = asyncio.create_task(reply(llm, said))
            await fake.until(lambda count=count: len(fake.chats) > count)
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await fake.until(lambda: fake.chats[-1].client_gone)
            assert fake.chats[-1].client_gone - began < 0.5


# --- states


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


async def test_no_model(llm, fake):
    fake.models.clear()
    await llm.check()
    assert llm.status.kind == "no_model"


async def test_wrong_address_is_named(clock):
    port = free_port()
    async with an_llm(clock, f"localhost:{port}") as llm:
        await llm.check()
        assert (llm.status.kind, llm.status.host) == ("wrong_address", f"localhost:{port}")


@pytest.mark.parametrize("fault", [{"not_ollama": True}, {"tags_status": 503}])
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


# --- the canned model


async def test_the_demo_says_that_it_is_canned_and_shows_a_table_a_list_and_code(clock):
    async with an_llm(clock, demo=True) as llm:
        llm.start()
        assert (llm.status.kind, llm.status.chosen) == ("demo", "canned demo")
        await llm.wait_ready()
        task = asyncio.create_task(reply(llm))
        while not task.done():
            await clock.advance(1)
        said = text(task.result())
    assert said.startswith("**This answer is canned.**")
    assert "|---|" in said and "1. Install" in said and "```bash" in said and "- [x]" in said
    assert task.result()[-1].done and len(task.result()) > 50
