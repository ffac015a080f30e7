"""Replies, from the question to their end, with a model that is a real server on a real socket."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager

import pytest

from tests.clock import ManualClock
from tests.fakes import Gate, Script
from tests.harness import soak, until
from treadle.conversation import FIRST, Message, Place
from treadle.core import Core
from treadle.errors import Conflict, StorageError
from treadle.replies import CUT, MAX_REPLY, NO_ROOM, NO_TEXT, WINDOW_S

NUMBER = iter(range(1, 1_000_000))


@pytest.fixture
async def ready(core, ollama):
    """A core whose model is ready."""
    await until(lambda: core.llm.status.ready)
    return core


async def ask(core: Core, text: str = "Why?") -> Message:
    return await core.replies.send(FIRST, text, client_id=f"c{next(NUMBER)}", place=Place())


def so_far(core: Core, reply: Message) -> str:
    return core.conversations.so_far(core.conversations.get(reply.id))[0]


async def ended(core: Core, reply: Message, *, within: float = 5) -> Message:
    """The reply once it has ended; the time of the core stands still meanwhile."""
    await until(lambda: not core.conversations.get(reply.id).active, within=within)
    return core.conversations.get(reply.id)


async def holds(core: Core, reply: Message, words: int) -> None:
    """Wait until so many words are in the rows, letting the time of the core pass in flushes."""
    async with asyncio.timeout(5):
        while so_far(core, reply).count("w") < words:
            await core.clock.advance(WINDOW_S)
            await asyncio.sleep(0.001)


def words(n: int) -> str:
    return "".join(f"w{number:05d} " for number in range(1, n + 1))


# -- to the end


async def test_a_reply_is_written_to_its_end(ready):
    reply = await ended(ready, await ask(ready, "n=50"))
    assert (reply.state, reply.text, reply.model) == ("done", words(50), "qwen3:8b")
    assert (reply.error, reply.note, reply.tokens_per_s) == ("", "", pytest.approx(38))


async def test_a_reply_needs_nobody_who_looks_and_its_ids_exist_when_send_returns(ready, ollama):
    ollama.next(Script(stall=0))
    reply = await ask(ready)
    assert ready.conversations.get(reply.id).state == "streaming"
    assert [row.role for row in ready.conversations.messages(FIRST)] == ["user", "assistant"]


async def test_the_first_token_is_flushed_at_once_and_the_others_25_times_a_second(ready, ollama):
    gate = Gate()
    ollama.next(Script(n=9, gate=gate))
    reply = await ask(ready)
    gate.allow(1)
    await until(lambda: so_far(ready, reply) == words(1))
    gate.allow(5)
    await until(lambda: ollama.chats[-1].sent == 6)
    await until(lambda: ready.replies._live[reply.id].size == len(words(6)))
    assert so_far(ready, reply) == words(1)
    await ready.clock.advance(WINDOW_S)
    assert so_far(ready, reply) == words(6)
    assert len(ready.conversations.pieces(reply.id)) == 2
    gate.open()
    assert (await ended(ready, reply)).text == words(9)  # and the end waits for no window


@pytest.mark.parametrize("chunks", [
    ("a", "\0", "\x85", "\u2028", "\r", "\n", "e", "\u0301", "\ufeff", "\x1b[0m", "\u202e"),
    ("\ud83d", "\ude00", " x"), ("x \ud83d", " y"), ("end \ud83d",),
])
async def test_what_the_model_says_is_kept_letter_for_letter_and_pairs_are_joined(ready, ollama, chunks):
    ollama.next(Script(chunks=chunks))
    reply = await ended(ready, await ask(ready))
    whole = "".join(chunks).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert (reply.state, reply.text) == ("done", whole)


async def test_thinking_is_kept_apart_with_its_time(ready, ollama):
    gate = Gate()
    ollama.next(Script(think=3, n=2, gate=gate))
    reply = await ask(ready)
    await until(lambda: ready.replies._live[reply.id].size == 21)
    row = ready.conversations.get(reply.id)
    assert row.answered_at is not None and row.thinking_s is None
    await ready.clock.advance(6)
    gate.allow(1)
    await holds(ready, reply, 1)
    assert ready.conversations.get(reply.id).thinking_s == pytest.approx(6, abs=0.2)
    gate.open()
    reply = await ended(ready, reply)
    assert (reply.text, reply.thinking) == (words(2), "t00001 t00002 t00003 ")
    assert reply.thinking_s == pytest.approx(6, abs=0.2)


@pytest.mark.parametrize(("script", "note"), [
    (Script(n=3, reason="length"), NO_ROOM), (Script(n=0), NO_TEXT), (Script(n=0, think=2), NO_TEXT),
])
async def test_an_end_that_is_not_the_models_own_is_noted(ready, ollama, script, note):
    ollama.next(script)
    reply = await ended(ready, await ask(ready))
    assert (reply.state, reply.note, reply.error) == ("done", note, "")


async def test_a_reply_is_cut_at_its_limit_between_two_characters_and_the_model_is_freed(ready, ollama):
    ollama.next(Script(text="é€" * 250_000, chunk=9_999, stall=45))
    reply = await ended(ready, await ask(ready), within=20)
    assert (reply.state, reply.note) == ("done", CUT)
    assert MAX_REPLY - 4 < len(reply.text.encode()) <= MAX_REPLY
    assert ("é€" * 250_000).startswith(reply.text)
    await until(lambda: ollama.chats[-1].client_gone or ollama.chats[-1].ended)


async def test_a_model_that_is_not_in_memory_is_said_to_be_loading_until_it_answers(ready, ollama):
    ollama.loaded.clear()
    ollama.next(Script(n=2, ttft=60), Script(n=2))
    reply = await ask(ready)
    await until(lambda: ready.conversations.get(reply.id).note == "Loading qwen3:8b into memory")
    await ready.replies.stop(FIRST)
    assert ready.conversations.get(reply.id).note == ""
    assert (await ended(ready, await ask(ready))).note == ""


# -- Stop


@pytest.mark.parametrize(
    "script", [Script(n=700, tps=20), Script(ttft=60), Script(stall=3), Script(think=9_999, tps=20)],
    ids=["mid-stream", "before the first token", "silent", "thinking"])
async def test_i43_stop_is_answered_within_200_ms_and_frees_the_model_within_500(ready, ollama, script):
    for _ in range(soak(2, 100)):
        ollama.next(script)
        before = len(ollama.chats)
        reply = await ask(ready)
        await until(lambda: len(ollama.chats) > before)  # noqa: B023 - awaited here
        if not script.ttft:
            await until(lambda: ready.conversations.get(reply.id).answered_at)  # noqa: B023
        asked = time.monotonic()
        await ready.replies.stop(FIRST)
        assert time.monotonic() - asked < 0.2
        assert ready.conversations.get(reply.id).state == "stopped"
        gone = await until(lambda: ollama.chats[-1].client_gone)
        assert gone - asked < 0.5


async def test_i44_stop_keeps_what_had_come_also_for_the_next_turn(ready, ollama):
    gate = Gate()
    ollama.next(Script(n=100, gate=gate), Script(n=1))
    reply = await ask(ready, "First?")
    gate.allow(40)
    await until(lambda: so_far(ready, reply))
    await until(lambda: ready.replies._live[reply.id].size == len(words(40)))
    shown = so_far(ready, reply)
    await ready.replies.stop(FIRST)
    stopped = ready.conversations.get(reply.id)
    assert (stopped.state, stopped.text) == ("stopped", words(40))  # with the piece that was not flushed yet
    assert stopped.text.startswith(shown)
    await ended(ready, await ask(ready, "Second?"))
    turns = [(turn["role"], turn["content"]) for turn in ollama.chats[-1].body["messages"] if turn["role"] != "system"]
    assert turns == [("user", "First?"), ("assistant", words(40)), ("user", "Second?")]


async def test_i45_stop_around_the_last_token_has_one_outcome(ready, ollama):
    outcomes = set()
    for _ in range(soak(25, 200)):
        gate = Gate()
        ollama.next(Script(n=3, gate=gate))
        reply = await ask(ready)
        gate.allow(2)
        await until(lambda: so_far(ready, reply))  # noqa: B023 - awaited here
        gate.open()
        await asyncio.sleep(random.uniform(0, 0.01))  # the jitter is what is tested
        await ready.replies.stop(FIRST)
        first = ready.conversations.get(reply.id)
        await until(lambda: reply.id not in ready.replies._live)  # noqa: B023
        assert ready.conversations.get(reply.id) == first
        assert first.state in ("done", "stopped") and words(3).startswith(first.text)
        assert first.state != "done" or first.text == words(3)
        outcomes.add(first.state)
    assert outcomes == {"done", "stopped"}
    assert ready.conversations.active(FIRST) is None


async def test_i18_a_stopped_reply_that_goes_on_speaking_harms_not_the_next(ready, ollama):
    for _ in range(soak(10, 200)):
        ollama.next(Script(n=500, tps=2_000, deaf=0.2), Script(text="abc " * 50, chunk=8))
        old = await ask(ready)
        await until(lambda: so_far(ready, old))  # noqa: B023 - awaited here
        await ready.replies.stop(FIRST)
        new = await ask(ready)
        assert (await ended(ready, new)).text == "abc " * 50
        assert words(500).startswith(ready.conversations.get(old.id).text)
        await until(lambda: not ready.db.rows("SELECT 1 FROM pieces"))


async def test_i23_after_stop_the_next_question_is_taken_in_the_same_instant(ready, ollama):
    ollama.next(Script(ttft=60, deaf=3), Script(n=2))
    old = await ask(ready)
    await until(lambda: ollama.chats)
    await ready.replies.stop(FIRST)
    new = await ask(ready)
    assert ready.conversations.active(FIRST).id == new.id
    assert (await ended(ready, new)).state == "done"
    assert ready.conversations.get(old.id).state == "stopped"


async def test_stop_after_the_end_changes_nothing(ready):
    reply = await ended(ready, await ask(ready))
    await ready.replies.stop(FIRST)
    assert ready.conversations.get(reply.id) == reply


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


# -- nothing slow at the end


async def test_i16_a_hook_after_the_reply_holds_back_neither_its_end_nor_the_next_question(ready, ollama):
    came, done = asyncio.Event(), []

    async def hook(reply: Message) -> None:
        await ready.clock.sleep(10)
        await came.wait()
        done.append(reply.id)

    ready.replies.after_reply.append(hook)
    for _ in range(soak(3, 30)):
        reply = await ask(ready)
        await until(lambda: ollama.chats and ollama.chats[-1].ended)
        last = ollama.chats[-1].ended
        await until(lambda: not ready.conversations.get(reply.id).active)  # noqa: B023 - awaited here
        assert time.monotonic() - last < 0.2
        asked = time.monotonic()
        after = await ask(ready)
        assert time.monotonic() - asked < 0.2
        await ended(ready, after)
    assert done == []
    await ready.clock.advance(10)
    came.set()
    await until(lambda: len(done) == 2 * soak(3, 30))


async def test_a_hook_that_fails_changes_nothing_about_the_reply(ready):
    async def hook(reply: Message) -> None:
        raise RuntimeError("a hook")

    ready.replies.after_reply.append(hook)
    assert (await ended(ready, await ask(ready))).state == "done"
    assert (await ended(ready, await ask(ready))).state == "done"


# -- one at a time


async def test_i20_of_many_questions_at_once_one_is_taken_and_the_others_leave_no_row(ready, ollama):
    for round_ in range(1, soak(5, 50) + 1):
        ollama.next(Script(stall=0))
        answers = await asyncio.gather(*(ask(ready) for _ in range(20)), return_exceptions=True)
        assert sum(isinstance(answer, Message) for answer in answers) == 1
        assert sum(isinstance(answer, Conflict) for answer in answers) == 19
        assert len(ready.conversations.messages(FIRST)) == 2 * round_
        await ready.replies.stop(FIRST)


async def test_i24_a_question_sent_twice_is_asked_once(ready, ollama):
    async def send() -> Message:
        return await ready.replies.send(FIRST, "Once?", client_id="same", place=Place())

    first, second = await asyncio.gather(send(), send())
    assert first.id == second.id
    await ended(ready, first)
    assert (await send()).id == first.id  # its first answer never came
    assert len(ready.conversations.messages(FIRST)) == 2
    assert len(ollama.chats) == 1


async def test_i24_retry_pressed_twice_is_one_new_reply(ready, ollama):
    ollama.next(Script(die=2), Script(stall=0))
    old = await ended(ready, await ask(ready))
    first, second = await asyncio.gather(ready.replies.retry(old.id), ready.replies.retry(old.id))
    assert first.id == second.id
    assert len(ready.conversations.messages(FIRST)) == 2


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
            await asyncio.sleep(0.005)
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


async def test_what_send_returns_for_is_on_the_disk(ready):
    before = ready.db.sync_count
    await ask(ready)
    assert ready.db.sync_count > before
