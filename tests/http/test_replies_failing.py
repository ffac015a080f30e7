"""Replies when something fails: the model, the connection, the disk, the server itself."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from tests.clock import ManualClock
from tests.fakes import Gate, Script
from tests.harness import until
from tests.replying import ask, ended, holds, so_far, words
from treadle.conversation import FIRST
from treadle.core import Core
from treadle.errors import Conflict, StorageError
from treadle.replies import WINDOW_S


@pytest.fixture
async def ready(core, ollama):
    """A core whose model is ready."""
    await until(lambda: core.llm.status.ready)
    return core


# -- failures


@pytest.mark.parametrize(("script", "text", "reason"), [
    (Script(n=50, die=40), words(40), "The connection to the model broke off."),
    (Script(n=3, done=False), words(3), "The model ended in the middle of its reply."),
    (Script(n=3, malformed=2), words(2), "The model sent something that cannot be read."),
    (Script(n=2, error="out of memory"), words(2), "The model failed: out of memory."),
    (Script(status=500, error="no"), "", "The model failed: no."),
    (Script(status=404, error="model not found"), "", "qwen3:8b is not installed."),
])
async def test_i46_a_model_that_fails_leaves_its_words_and_a_reason_with_retry(ready, ollama, script, text, reason):
    ollama.next(script)
    reply = await ended(ready, await ask(ready, "Say it."))
    assert (reply.state, reply.text, reply.error) == ("failed", text, reason)
    assert reply.retryable
    assert [row.text for row in ready.conversations.messages(FIRST)] == ["Say it.", text]
    again = await ready.replies.retry(reply.id)
    assert (await ended(ready, again)).state == "done"
    assert [row.text for row in ready.conversations.messages(FIRST)] == ["Say it.", words(20)]


@pytest.mark.parametrize(("script", "silence", "reason"), [
    (Script(stall=0), 600, "The model did not begin to answer within 10 minutes."),
    (Script(stall=3), 60, "The model stopped answering for 60 seconds."),
])
async def test_i47_a_silent_model_is_given_up_after_a_time_and_not_before(ready, ollama, script, silence, reason):
    ollama.next(script)
    reply = await ask(ready)
    await until(lambda: ollama.chats)
    if script.stall:
        await holds(ready, reply, 3)
        await ready.clock.advance(silence - 5)
    else:
        await until(lambda: ready.clock.sleeping >= 2)
        await ready.clock.advance(silence - 1)
    assert ready.conversations.get(reply.id).state == "streaming"
    await ready.clock.advance(6)
    reply = await ended(ready, reply)
    assert (reply.state, reply.error) == ("failed", reason)
    await until(lambda: ollama.chats[-1].client_gone)


async def test_a_disk_that_is_full_while_a_reply_comes_ends_it_when_there_is_room_again(ready, ollama):
    gate = Gate()
    ollama.next(Script(n=500, gate=gate))
    reply = await ask(ready)
    gate.allow(1)
    await until(lambda: so_far(ready, reply))
    pages = ready.db.one("PRAGMA page_count")[0]
    ready.db.execute(f"PRAGMA max_page_count = {pages}")
    gate.open()
    await until(lambda: ready.replies._live[reply.id].size > 3_000)
    for _ in range(200):
        await ready.clock.advance(WINDOW_S)
    ready.db.execute("PRAGMA max_page_count = 1000000")
    await ready.clock.advance(2)
    reply = await ended(ready, reply)
    assert words(500).startswith(reply.text)
    assert reply.state == "done" or "disk" in reply.error


# -- endings


@pytest.mark.parametrize(("script", "state"), [
    (Script(n=3), "done"), (Script(n=3, reason="length"), "done"), (Script(die=2), "failed"),
    (Script(stall=2), "stopped"), (Script(stall=2), "failed"), (Script(stall=2), "interrupted"),
], ids=["done", "no room", "broken off", "stopped", "silent", "server down"])
async def test_i15_each_ending_is_one_terminal_change_and_the_conversation_is_free(settings, ollama, script, state):
    clock = ManualClock()
    async with Core.open(settings, clock=clock) as core:
        await until(lambda: core.llm.status.ready)
        ollama.next(script)
        reply = await ask(core)
        if script.stall >= 0:
            await holds(core, reply, 2)
        if state == "stopped":
            await core.replies.stop(FIRST)
        elif state == "failed" and script.stall >= 0:
            await clock.advance(61)
        if state != "interrupted":
            await ended(core, reply)
    async with Core.open(settings, clock=clock) as core:
        row = core.conversations.get(reply.id)
        assert row.state == state
        assert bool(row.error) == (state == "failed")  # i50: no error after a good answer, none without a reason
        assert core.conversations.active(FIRST) is None
        assert (await ask(core)).state in ("waiting", "streaming")


async def test_a_server_that_goes_down_keeps_what_had_come_and_continue_goes_on_from_it(settings, ollama):
    clock, gate = ManualClock(), Gate()
    async with Core.open(settings, clock=clock) as core:
        await until(lambda: core.llm.status.ready)
        ollama.next(Script(n=9, gate=gate))
        reply = await ask(core, "Tell me.")
        gate.allow(4)
        await until(lambda: core.replies._live[reply.id].size == len(words(4)))
    await until(lambda: ollama.chats[-1].client_gone)
    async with Core.open(settings, clock=clock) as core:
        await until(lambda: core.llm.status.ready)
        old = core.conversations.get(reply.id)
        assert (old.state, old.text, old.continuable) == ("interrupted", words(4), True)
        ollama.next(Script(text="and more"))
        new = await ended(core, await core.replies.continue_(old.id))
        assert (new.text, new.continues) == ("and more", old.id)
        turns = [(turn["role"], turn["content"]) for turn in ollama.chats[-1].body["messages"]
                 if turn["role"] != "system"]
        assert turns == [("user", "Tell me."), ("assistant", words(4))]


# -- without a model


@asynccontextmanager
async def stopped(ollama):
    await asyncio.to_thread(ollama.stop)
    try:
        yield
    finally:
        ollama.start()


async def test_a_question_asked_without_a_model_waits_across_a_restart_and_is_sent_once(settings, ollama):
    clock = ManualClock()
    async with stopped(ollama), Core.open(settings, clock=clock) as core:
        reply = await ask(core, "Still there?")
        assert (reply.state, core.conversations.active(FIRST)) == ("waiting", reply)
        with pytest.raises(Conflict):
            await ask(core)
    async with Core.open(settings, clock=clock) as core:
        answered = await ended(core, reply)
        assert (answered.id, answered.state, answered.model) == (reply.id, "done", "qwen3:8b")
    assert len(ollama.chats) == 1


async def test_a_connection_refused_before_the_first_token_waits_and_goes_on_by_itself(ready, ollama):
    async with stopped(ollama):
        reply = await ask(ready)
        assert reply.state == "streaming"  # nobody knew
        await until(lambda: ready.conversations.get(reply.id).state == "waiting")
    async with asyncio.timeout(5):
        while ready.conversations.get(reply.id).active:
            await ready.clock.advance(1)
    assert ready.conversations.get(reply.id).text == words(20)


async def test_cancel_gives_the_text_back_and_again_when_its_answer_was_lost(core):
    reply = await ask(core, "Take it back")
    assert await core.replies.cancel(FIRST) == "Take it back"
    assert core.conversations.messages(FIRST) == []
    assert await core.replies.cancel(FIRST, reply.id) == "Take it back"
    assert await core.replies.cancel(FIRST) == ""
    await until(lambda: reply.id not in core.replies._live)
    await ask(core, "Another")
    assert await core.replies.cancel(FIRST, reply.id) == ""


async def test_cancel_of_a_reply_that_has_begun_to_speak_stops_it_and_takes_no_question_away(ready, ollama):
    ollama.next(Script(stall=2))
    reply = await ask(ready, "Mine")
    await holds(ready, reply, 2)
    assert await ready.replies.cancel(FIRST, reply.id) == ""
    assert [(row.text, row.state) for row in ready.conversations.messages(FIRST)] == [
        ("Mine", "done"), (words(2), "stopped")]


# -- the disk


async def test_i48_a_question_that_does_not_reach_the_disk_is_refused_and_leaves_nothing_running(ready, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", full)
        with pytest.raises(StorageError):
            await ask(ready)
    assert ready.conversations.active(FIRST) is None
    assert (await ended(ready, await ask(ready))).state == "done"


async def test_i48_a_question_the_disk_has_no_room_for_leaves_no_row(ready):
    pages = ready.db.one("PRAGMA page_count")[0]
    ready.db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError):
        await ask(ready, "x" * 90_000)
    assert ready.conversations.messages(FIRST) == []
    ready.db.execute("PRAGMA max_page_count = 1000000")
    assert (await ended(ready, await ask(ready))).state == "done"


async def test_a_request_cancelled_while_the_disk_is_busy_leaves_a_reply_that_comes_to_its_end(ready):
    asking = asyncio.create_task(ask(ready))
    await asyncio.sleep(0)  # it has written its rows and waits for the disk
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await ended(ready, ready.conversations.active(FIRST))).state == "done"


async def test_what_send_returns_for_is_on_the_disk(ready):
    before = ready.db.sync_count
    await ask(ready)
    assert ready.db.sync_count > before
