"""Replies over a real socket: the fake Ollama, our reader, and a clock that only the test moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from tests.clock import ManualClock
from tests.fakes import FakeOllama, Gate, Script
from tests.harness import until
from tests.models import MODEL, an_llm, reply, text
from treadle.clock import Clock
from treadle.errors import ModelError, ModelMissing, OllamaDown
from treadle.llm import Llm, Piece


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    async with FakeOllama() as server:
        yield server


@pytest.fixture
async def llm(fake: FakeOllama, clock: ManualClock) -> AsyncIterator[Llm]:
    """A model whose Ollama is `fake`, at its usual address."""
    async with an_llm(clock, default=fake.url) as llm:
        yield llm


def words(n: int) -> str:
    return "".join(f"w{i:05d} " for i in range(1, n + 1))


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
