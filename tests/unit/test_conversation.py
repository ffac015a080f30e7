"""Rows of a conversation: asked once, written by the current reply only, settled once."""

from __future__ import annotations

import sqlite3

import pytest

from tests.clock import ManualClock
from treadle.conversation import FIRST, MAX_TEXT, SWEEP, Conversations, Message, Place
from treadle.db import Database
from treadle.errors import Conflict, InvalidAnswer, NotFound, TooLarge
from treadle.feed import Feed
from treadle.text import storable

HELLO = Place("hello", "default-hello-01")
AWKWARD = "a\0b\x85c\u2028d\re\r\nf\x1b[31m e\u0301 \U0001f600 \u202e"  # NUL, NEL, LS, CR, ESC, combining, astral, bidi


@pytest.fixture
def db():
    database = Database(":memory:")
    yield database
    database.close()


@pytest.fixture
def conversations(db):
    return Conversations(db, Feed(db), ManualClock())


def ask(conversations: Conversations, text: str = "Why?", *, client_id: str = "c1",
        waiting: bool = False) -> tuple[Message, Message]:
    return conversations.ask(FIRST, text, client_id=client_id, place=HELLO, waiting=waiting, model="qwen3:8b")


def ended(conversations: Conversations, state: str, text: str = "Because", client_id: str = "c1") -> Message:
    _, reply = ask(conversations, client_id=client_id)
    assert conversations.settle(reply.id, state, rest=text)
    return conversations.get(reply.id)


# -- asking


def test_a_question_and_its_reply_are_one_change_with_ids_and_place(conversations):
    question, reply = ask(conversations)
    assert (question.role, question.state, question.text, question.place) == ("user", "done", "Why?", HELLO)
    assert (reply.role, reply.state, reply.question, reply.place) == ("assistant", "streaming", question.id, HELLO)
    assert question.rev == reply.rev == question.born
    assert [message.id for message in conversations.messages(FIRST)] == [question.id, reply.id]


@pytest.mark.parametrize("text", [AWKWARD, "data: x\n\n</script>", "  kept  \n"])
def test_a_question_is_stored_letter_for_letter(conversations, text):
    question, _ = ask(conversations, text)
    assert conversations.get(question.id).text == text


def test_halves_of_surrogate_pairs_are_joined_and_lone_ones_replaced():
    assert storable("\ud83d\ude00 \ud83d x \ude00") == "\U0001f600 \ufffd x \ufffd"
    assert storable(AWKWARD) == AWKWARD


def test_i24_the_same_client_id_is_the_same_question_with_one_reply(conversations):
    first = ask(conversations)
    assert ask(conversations) == first
    conversations.settle(first[1].id, "done", rest="x")
    question, reply = ask(conversations)
    assert (question, reply.id) == (first[0], first[1].id)
    assert len(conversations.messages(FIRST)) == 2


def test_an_id_a_page_made_up_stands_in_the_way_of_none_of_ours(conversations, db):
    _, reply = ask(conversations, client_id="arrival-7")
    conversations.settle(reply.id, "stopped", rest="x")
    with Feed(db).change() as rev:
        conversations.say(FIRST, endpoint="hello", title="Hello", text="Welcome", arrival=7, rev=rev)
    _, other = ask(conversations, client_id="retry-6")
    conversations.settle(other.id, "stopped", rest="y")
    assert other.id == 5 and conversations.again(conversations.get(5), waiting=True).id == 6
    conversations.settle(6, "stopped", rest="z")
    assert conversations.again(conversations.get(6), waiting=True).role == "assistant"


def test_what_a_page_sends_along_may_hold_half_a_character(conversations):
    question, _ = conversations.ask(FIRST, "x", client_id="c\ud83d", place=Place("a\ud83d", "\ude00"), waiting=True)
    assert (question.client_id, question.place) == ("c\ufffd", Place("a\ufffd", "\ufffd"))


def test_while_a_reply_is_active_another_question_leaves_no_row(conversations):
    ask(conversations)
    with pytest.raises(Conflict, match="A reply is running in another tab"):
        ask(conversations, "Another", client_id="c2")
    assert [message.text for message in conversations.messages(FIRST)] == ["Why?", ""]


def test_the_index_itself_refuses_a_second_active_reply(conversations, db):
    _, reply = ask(conversations)
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("INSERT INTO messages (conversation, role, state, created_at, born, rev) "
                   "VALUES (1, 'assistant', 'waiting', 0, 0, 0)")
    conversations.settle(reply.id, "done")
    ask(conversations, client_id="c2")


@pytest.mark.parametrize(("text", "error", "words"), [
    ("", InvalidAnswer, "empty"), (" \n\t", InvalidAnswer, "empty"),
    ("é" * (MAX_TEXT // 2) + "x", TooLarge, "101 KB; the limit is 100 KB"),
])
def test_a_question_that_cannot_be_asked_is_refused_without_a_row(conversations, text, error, words):
    with pytest.raises(error, match=words):
        ask(conversations, text)
    assert conversations.messages(FIRST) == []


def test_the_longest_question_is_taken(conversations):
    question, _ = ask(conversations, "x" * MAX_TEXT)
    assert len(question.text) == MAX_TEXT


def test_an_unknown_conversation_is_not_found(conversations):
    with pytest.raises(NotFound):
        conversations.ask(7, "x", client_id="c", place=Place(), waiting=False)
    with pytest.raises(NotFound):
        conversations.get(7)
    assert not conversations.exists(7)


# -- writing and settling


def test_pieces_are_joined_with_the_rest_in_their_order(conversations):
    _, reply = ask(conversations)
    for letter in AWKWARD:
        assert conversations.write(reply.id, text=letter)
    assert conversations.so_far(conversations.get(reply.id)) == (AWKWARD, "")
    assert conversations.settle(reply.id, "done", rest="!", tokens_per_s=38.0)
    settled = conversations.get(reply.id)
    assert (settled.text, settled.state, settled.tokens_per_s) == (AWKWARD + "!", "done", 38.0)
    assert not conversations.sweep(reply.id)
    assert conversations.pieces(reply.id) == []


def test_a_flush_adds_a_piece_with_its_rev_and_leaves_the_row_alone(conversations):
    _, reply = ask(conversations)
    conversations.write(reply.id, thinking="hm", first=True)
    first = conversations.get(reply.id)
    conversations.write(reply.id, thinking="m", text="So", thinking_s=6.0)
    second = conversations.get(reply.id)
    conversations.write(reply.id, text=" it is")
    assert first.answered_at is not None and first.rev > reply.rev
    assert (second.thinking_s, second.text) == (6.0, "") and second.rev > first.rev
    assert conversations.get(reply.id) == second
    assert [(piece.kind, piece.text) for piece in conversations.pieces(reply.id, after=first.rev)] == [
        ("text", "So"), ("thinking", "m"), ("text", " it is")]


@pytest.mark.parametrize("state", ["done", "stopped", "failed", "interrupted"])
def test_i15_a_reply_ends_once_whatever_comes_later(conversations, db, state):
    reply = ended(conversations, state)
    before = db.one("SELECT rev FROM counter")["rev"]
    for late in ("done", "stopped", "failed", "interrupted"):
        assert not conversations.settle(reply.id, late, rest="late", error="late")
    assert not conversations.write(reply.id, text="late")
    assert not conversations.begin(reply.id, model="m") and not conversations.hold(reply.id)
    assert conversations.get(reply.id) == reply
    assert db.one("SELECT rev FROM counter")["rev"] == before  # nobody is woken for nothing
    assert db.rows("SELECT * FROM pieces") == []


def test_the_pieces_of_a_long_reply_are_swept_in_turns_so_that_nothing_stands_still(conversations):
    _, reply = ask(conversations)
    for _ in range(SWEEP + 1):
        conversations.write(reply.id, text="x")
    conversations.settle(reply.id, "done")
    assert conversations.get(reply.id).text == "x" * (SWEEP + 1)
    assert conversations.sweep(reply.id)
    assert not conversations.sweep(reply.id)
    assert conversations.pieces(reply.id) == []


def test_i18_a_reply_writes_only_while_it_is_the_current_one(conversations):
    old = ended(conversations, "stopped")
    _, new = ask(conversations, client_id="c2")
    assert not conversations.write(old.id, text="late")
    assert conversations.write(new.id, text="mine")
    assert conversations.so_far(new) == ("mine", "") and conversations.get(old.id).text == "Because"


def test_a_restart_interrupts_what_was_being_written_and_lets_waiting_questions_wait(conversations, db):
    second = db.one("INSERT INTO conversations (created_at, rev) VALUES (0, 0) RETURNING id")["id"]
    _, written = ask(conversations)
    conversations.write(written.id, text="So fa")
    _, waits = conversations.ask(second, "x", client_id="c", place=Place(), waiting=True)
    conversations.recover()
    settled = conversations.get(written.id)
    assert (settled.state, settled.text, settled.continuable) == ("interrupted", "So fa", True)
    assert conversations.waiting() == [waits]
    assert db.rows("SELECT * FROM pieces") == []


# -- waiting


def test_a_question_that_waits_is_sent_later_and_waits_again_when_nobody_is_there(conversations):
    _, reply = ask(conversations, waiting=True)
    assert (reply.state, reply.model, reply.started_at) == ("waiting", "", None)
    assert not conversations.write(reply.id, text="x")
    assert conversations.begin(reply.id, model="gemma3:12b")
    assert conversations.get(reply.id).model == "gemma3:12b"
    assert conversations.hold(reply.id)
    assert conversations.get(reply.id).state == "waiting"
    conversations.begin(reply.id, model="qwen3:8b")
    conversations.write(reply.id, text="So", first=True)
    assert not conversations.hold(reply.id)


def test_a_question_taken_back_leaves_tombstones_and_gives_its_text_until_the_next_is_asked(conversations, db):
    question, reply = ask(conversations, AWKWARD, waiting=True)
    assert conversations.take_back(reply) == AWKWARD
    assert conversations.messages(FIRST) == []
    assert [(row.id, row.deleted) for row in conversations.messages(FIRST, after=reply.rev)] == [
        (question.id, 1), (reply.id, 1)]
    assert conversations.take_back(conversations.get(reply.id)) == AWKWARD  # its answer was lost on the way
    again, _ = ask(conversations, "Other")  # the client's id is free again
    assert again.id > reply.id
    assert conversations.take_back(conversations.get(reply.id)) == ""
    assert db.rows("SELECT 1 FROM messages WHERE deleted = 1 AND text != ''") == []


# -- Retry and Continue


@pytest.mark.parametrize("state", ["stopped", "failed", "interrupted"])
def test_retry_is_a_new_row_and_the_old_one_a_tombstone(conversations, state):
    old = ended(conversations, state)
    new = conversations.again(old, waiting=False, model="m")
    assert (new.question, new.place, new.state) == (old.question, old.place, "streaming")
    buried = conversations.get(old.id)
    assert (buried.deleted, buried.text, buried.rev) == (1, "", new.rev)
    assert conversations.again(buried, waiting=False) == new  # a double click


def test_continue_is_a_new_row_after_the_old_one(conversations):
    old = ended(conversations, "interrupted")
    new = conversations.go_on(old, waiting=False, model="m")
    assert new.continues == old.id
    kept = conversations.get(old.id)
    assert (kept.text, kept.retryable, kept.continuable, kept.rev) == ("Because", False, False, new.rev)
    conversations.settle(new.id, "failed", error="x")
    assert conversations.again(conversations.get(new.id), waiting=False).continues == old.id


def test_a_continuation_taken_back_offers_continue_again_and_keeps_the_question(conversations):
    old = ended(conversations, "interrupted")
    new = conversations.go_on(old, waiting=True)
    assert conversations.take_back(new) == ""
    assert conversations.get(old.id).continuable
    assert [message.id for message in conversations.messages(FIRST)] == [old.question, old.id]
    assert conversations.go_on(conversations.get(old.id), waiting=True).id > new.id


@pytest.mark.parametrize(("state", "text"), [("done", "x"), ("interrupted", "")])
def test_what_has_nothing_to_go_on_from_cannot_be_continued(conversations, state, text):
    with pytest.raises(Conflict):
        conversations.go_on(ended(conversations, state, text), waiting=False)


def test_a_newer_question_ends_the_offer_of_a_retry_and_viewers_are_told(conversations):
    old = ended(conversations, "failed")
    question, _ = ask(conversations, client_id="c2")
    followed = conversations.get(old.id)
    assert not followed.retryable and followed.rev == question.rev
    with pytest.raises(Conflict, match="running"):
        conversations.again(followed, waiting=False)


def test_a_reply_that_is_done_stays_as_it_was_when_the_next_question_comes(conversations):
    old = ended(conversations, "done")
    ask(conversations, client_id="c2")
    assert conversations.get(old.id) == old


# -- arrivals and pages


def test_an_arrival_is_said_in_the_callers_change_and_never_twice(conversations, db):
    feed = Feed(db)
    with feed.change() as rev:
        said = conversations.say(FIRST, endpoint="hello", title="Hello", text="Tell me.", arrival=3, rev=rev)
    row = conversations.get(said)
    assert (row.role, row.title, row.text, row.endpoint, row.rev) == ("arrival", "Hello", "Tell me.", "hello", rev)
    with pytest.raises(sqlite3.IntegrityError), feed.change() as rev:
        conversations.say(FIRST, endpoint="hello", title="Hello", text="Tell me.", arrival=3, rev=rev)


def test_pages_of_rows_lead_back_to_the_first_without_gap_or_repeat(conversations):
    for number in range(5):
        ended(conversations, "done", client_id=f"c{number}")
    newest = conversations.messages(FIRST, limit=4)
    oldest = conversations.oldest(FIRST, shown=4)
    assert [message.id for message in newest] == [7, 8, 9, 10] and oldest == 7
    assert [message.id for message in conversations.messages(FIRST, before=oldest, limit=4)] == [3, 4, 5, 6]
    assert conversations.oldest(FIRST, shown=4, before=7) == 3
    assert conversations.oldest(FIRST, shown=4, before=3) == 0
    assert conversations.oldest(FIRST, shown=10) == 0
