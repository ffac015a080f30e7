"""What is drawn of a conversation: whole for a page, and as changes for a viewer at any cursor; the same in the end."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest

from tests.harness import until
from tests.partials import Page
from treadle.conversation import Place
from treadle.web.streaming import _THREAD
from treadle.web.viewport import NOTHING, PAGE, Frame, Position, Viewports, sse

SHELL = ('<div id="earlier"></div><div id="log-items">{}</div><span id="composer-action"></span><div id="model"></div>'
         '<div id="condition"></div><p id="announce"></p><div id="run-r-live"></div>')


class Look:
    """A viewer of conversation 1: a page, and the frames that keep it up to date."""

    def __init__(self, core) -> None:
        self.core = core
        self.view = Viewports(core).of(1)
        self.page, self.at = self.load()

    def load(self) -> tuple[Page, Position]:
        cursor, rows = self.view.page_rows(self.core.feed.rev)
        return Page(SHELL.format(rows)), self.view.position(cursor)

    def frame(self) -> Frame:
        """The next frame, applied."""
        frame = self.view.frame(self.at)
        self.at = frame.end
        if frame.data:
            self.page.apply(data_of(frame))
        return frame

    async def settle(self) -> None:
        """Until all is rendered and shown."""
        async with asyncio.timeout(5):
            while self.frame().data or self.at.text < self.at.rows:
                await asyncio.sleep(0.001)

    @property
    def log(self) -> str:
        return self.page["log-items"].html

    def ask(self, text: str = "?", *, waiting: bool = False, client_id: str = "") -> int:
        """A question with its reply; the id of the reply."""
        client_id = client_id or f"c{self.core.feed.rev}"
        return self.core.conversations.ask(1, text, client_id=client_id, place=Place(), waiting=waiting)[1].id

    def write(self, reply: int, text: str = "", thinking: str = "") -> None:
        self.core.conversations.write(reply, text=text, thinking=thinking, first=True)

    def end(self, reply: int, state="done", rest: str = "") -> None:
        self.core.conversations.settle(reply, state, rest=rest)

    def run(self) -> None:
        """A run called r."""
        with self.core.feed.change() as rev:
            self.core.db.execute("INSERT INTO runs (key, endpoint, number, title, state, version, created_at, "
                                 "updated_at, rev) VALUES ('r', 'hello', 1, 'r', 'open', 'v', 0, 0, ?)", (rev,))

    def same(self) -> bool:
        """Whether this viewer has what a page shows that is loaded now."""
        return self.log == self.load()[0]["log-items"].html


def data_of(frame: Frame) -> str:
    """The data of a frame, as an SSE reader puts it together."""
    lines = frame.data.decode().split("\n")
    assert lines[-2:] == ["", ""]
    return "\n".join(line[6:] for line in lines if line.startswith("data: "))


@pytest.fixture
def look(core):
    return Look(core)


@pytest.fixture
def held_up():
    """The render thread waits while the test is in here."""
    gate = threading.Event()
    _THREAD.run(gate.wait)
    yield gate
    gate.set()


# -- the format


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_data_is_split_at_each_end_of_line_of_the_format_and_sent_with_lf_only(end):
    assert sse(f"a{end}b", id="x-1") == b"id: x-1\ndata: a\ndata: b\n\n"


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\ufeff"])
def test_data_is_not_split_where_only_python_sees_an_end_of_line(sign):
    assert sse(f"a{sign}b", id="").decode() == f"data: a{sign}b\n\n"


def test_a_message_that_looks_like_a_frame_stays_data():
    assert sse("x\n\nid: 9\nevent: y", id="").count(b"\ndata: ") == 3


# -- frames


async def test_a_frame_brings_a_question_in_place_of_the_one_the_page_drew_itself(look):
    look.page["log-items"].append(Page('<article id="u-abc">?</article>').root.children[0])
    reply = look.ask("Why?", client_id="abc")
    assert look.frame().data.count(b"\ndata: ") == 1  # one message
    assert look.page.find("u-abc") is None
    assert look.page.count(f"m{reply - 1}") == look.page.count(f"m{reply}") == 1


@pytest.mark.parametrize("client_id", ['"]', "a b", "x,body", "</hx-partial>", "ä"])
async def test_a_client_id_that_is_no_name_becomes_no_selector(look, client_id):
    look.ask(client_id=client_id)
    assert "#u-" not in data_of(look.frame())


async def test_a_message_taken_back_disappears(look):
    reply = look.ask(waiting=True)
    look.frame()
    look.core.conversations.take_back(look.core.conversations.get(reply))
    look.frame()
    assert look.log == "" and look.same()


async def test_viewers_at_one_position_share_the_bytes(look):
    look.ask()
    assert look.view.frame(look.at) is look.view.frame(look.at)


async def test_nothing_new_is_no_frame_and_another_conversations_row_neither(look):
    assert look.frame() == Frame(b"", look.at)
    look.core.db.execute("INSERT INTO conversations (id, created_at, rev) VALUES (2, 0, 0)")
    look.core.conversations.ask(2, "?", client_id="other", place=Place(), waiting=False)
    assert look.frame().data == b""


async def test_a_reply_is_followed_to_its_end_and_settling_sends_no_text_again(look):
    reply = look.ask()
    look.frame()
    body = look.page[f"m{reply}-body"]
    for number in range(30):
        look.write(reply, f"word{number} ")
        look.frame()
    before = look.at
    look.end(reply, rest="end")
    await look.settle()
    assert look.page[f"m{reply}-body"] is body
    assert look.page[f"m{reply}"].attrs.get("aria-busy") is None and look.page.find(f"m{reply}-by")
    assert look.same()
    settling = data_of(look.view.frame(before))
    assert "word0" not in settling.split('hx-target="#announce"')[0]


async def test_thinking_appears_with_its_fold_and_grows_in_it(look):
    reply = look.ask()
    look.frame()
    for number in range(3):
        look.write(reply, thinking=f"step {number}, ")
        look.frame()
        assert look.page[f"m{reply}-thinking"].text == "".join(f"step {n}, " for n in range(number + 1))
    look.write(reply, "Answer.")
    look.end(reply)
    await look.settle()
    assert look.same()


async def test_a_cursor_that_is_too_low_does_no_harm(look):
    chance = random.Random(7)
    seen = [look.at]
    for _ in range(4):
        reply = look.ask()
        for number in range(5):
            look.write(reply, f"w{number} ", thinking="t " if number < 2 else "")
            look.frame()
            seen.append(look.at)
        look.end(reply, chance.choice(["done", "stopped", "failed"]))
        await look.settle()
        seen.append(look.at)
    right = look.log
    for at in seen:
        late = Page(SHELL.format(right))
        late.apply(data_of(look.view.frame(at)) if look.view.frame(at).data else "")
        assert late["log-items"].html == right


async def test_i4_a_page_of_any_instant_and_its_stream_give_the_whole(look):
    reply = look.ask()
    pages = [look.load()]
    for number in range(20):
        look.write(reply, f"w{number} ")
        pages.append(look.load())
    look.end(reply)
    pages.append(look.load())
    await look.settle()
    for page, at in pages:
        look.page, look.at = page, at
        await look.settle()
        assert look.same()


async def test_a_page_that_began_before_a_change_has_a_cursor_before_it(look):
    began = look.core.feed.rev
    look.ask()
    assert look.view.page_rows(began)[0] == f"{look.core.db.epoch}-{began}"


async def test_a_viewer_far_behind_gets_the_rows_of_a_page(look):
    for number in range(PAGE):
        look.end(look.ask(f"q{number}"))
    look.frame()
    rows = [row for row in look.page["log-items"].children if not isinstance(row, str)]
    assert len(rows) == PAGE
    assert look.same()
    assert "before=" in look.page["earlier"].html


async def test_a_snapshot_holds_all_and_says_which_runs_may_have_changed(look):
    look.run()
    look.ask()
    look.page, look.at = Page(SHELL.format("<p>old</p>")), NOTHING
    look.frame()
    assert "old" not in look.log and look.same()
    assert 'hx-get="/runs/r/body"' in look.page["run-r-live"].html


async def test_a_run_that_changed_is_one_constant_partial(look):
    look.run()
    look.ask()
    look.frame()
    assert 'hx-get="/runs/r/body"' in look.page["run-r-live"].html


async def test_the_button_follows_the_reply(look):
    for waiting, name in ((False, "Stop the reply"), (True, "Cancel")):
        reply = look.ask(waiting=waiting)
        look.frame()
        assert name in look.page["composer-action"].html
        look.end(reply)
        look.frame()
        assert 'aria-label="Send"' in look.page["composer-action"].html


# -- what a screen reader hears


async def test_replying_is_announced_and_then_the_reply_as_plain_text(look):
    reply = look.ask()
    look.frame()
    assert look.page["announce"].text == "Replying"
    look.write(reply, "It is **bold** & `code`.")
    look.frame()
    look.end(reply)
    await look.settle()
    assert look.page["announce"].html == "It is bold &amp; code."


async def test_a_long_reply_is_announced_by_its_beginning(look):
    reply = look.ask()
    look.frame()
    look.end(reply, rest="word " * 5000)
    await look.settle()
    assert 1_000 < len(look.page["announce"].text) < 1_600 and look.page["announce"].text.endswith(" …")


# -- rendering that is behind


async def test_while_the_rendering_is_behind_frames_carry_no_id_and_the_place_is_kept(look, held_up):
    reply = look.ask()
    look.frame()
    look.write(reply, "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 400)
    look.frame()
    low = look.at.text
    look.core.narrator.arrive_now(1, "home")
    frame = look.frame()
    assert frame.data and not frame.data.startswith(b"id:")
    assert look.at.rows > look.at.text == low
    assert int(look.view.page_rows(look.core.feed.rev)[0].rpartition("-")[2]) == low
    held_up.set()
    await until(lambda: look.view.frame(look.at).end.text > low)
    frame = look.frame()
    assert frame.data.startswith(f"id: {look.core.db.epoch}-{look.core.feed.rev}\n".encode())
    assert look.page[f"m{reply}-body"].html.count("<tr") == 401


async def test_a_viewer_behind_gets_the_text_also_when_its_rendering_was_let_go_meanwhile(look, held_up):
    first = look.ask()
    look.frame()
    look.end(first, rest="long " * 1000)
    look.frame()
    assert look.page[f"m{first}-body"].text == ""
    held_up.set()
    live = look.view._lives[first]
    await until(lambda: live.finished)
    look.ask()  # the next reply lets the finished one go
    await look.settle()
    assert look.page[f"m{first}-body"].text.count("long") == 1000
    assert look.same()


async def test_a_place_taken_while_the_rendering_is_behind_does_not_count_as_having_seen_it(look, held_up):
    reply = look.ask()
    look.frame()
    look.end(reply, rest="long " * 1000)
    newest = look.view.now()
    assert newest.text < newest.rows
    held_up.set()
    await until(lambda: look.view.frame(newest).data)


async def test_a_viewer_that_has_a_text_does_not_get_it_again_when_it_is_rendered_anew(look, held_up):
    reply = look.ask()
    look.write(reply, "long " * 1000)
    at = Position(look.core.feed.rev, look.core.feed.rev)
    assert look.view.frame(at) == Frame(b"", at)
    held_up.set()
    await until(lambda: not look.view._lives[reply].behind)
    look.core.feed.wake()
    assert b"long" not in look.view.frame(at).data


async def test_a_page_waits_a_moment_for_a_rendering_and_then_is_drawn_as_far_as_it_is(look, held_up):
    reply = look.ask()
    look.load()
    look.end(reply, rest="long " * 1000)
    look.load()
    preparing = asyncio.create_task(look.view.prepare())
    await look.core.clock.advance(1)
    await preparing
    look.page, look.at = look.load()
    assert look.page[f"m{reply}-body"].text == ""
    held_up.set()
    await look.settle()
    assert look.page[f"m{reply}-body"].text.count("long") == 1000


async def test_preparing_keeps_nothing_of_a_reply_that_is_being_written(look):
    look.end(look.ask(), rest="long " * 2000)
    reply = look.ask()
    view = Viewports(look.core).of(1)
    await view.prepare_after(Position(0, 0))
    assert view._kept.get(reply) is None and "long" in view._kept.get(2)


# -- nobody looks


async def test_i37_nothing_is_rendered_while_nobody_looks_and_all_of_it_when_somebody_comes(look):
    reply = look.ask()
    look.frame()
    look.view.rest()
    for number in range(50):
        look.write(reply, f"w{number} ")
    assert look.view._lives[reply].fed < look.core.feed.rev - 40
    look.page, look.at = look.load()
    await look.settle()
    assert look.page[f"m{reply}-body"].text.split() == [f"w{number}" for number in range(50)]


async def test_viewports_left_by_everybody_are_kept_for_a_reload_but_not_all_for_ever(core):
    views = Viewports(core)
    first = views.of(1)
    first.watched = 1
    for number in range(2, 40):
        views.of(number)
    assert views.of(1) is first
    assert len(views._open) < 12
