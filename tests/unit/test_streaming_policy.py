"""What is drawn on the loop and what in the thread; and plain text that grows."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.growing import Viewer
from tests.harness import until
from tests.partials import parse
from treadle.web import markdown, streaming
from treadle.web.markdown import render_reply
from treadle.web.streaming import LiveMarkdown, LivePlain, LiveReply

# -- plain text

def test_a_plain_text_grows_without_being_drawn_again():
    live, viewer = LivePlain("m1-thinking"), Viewer("m1-thinking")
    text = "\n".join(f"<{n}> & thoughts" for n in range(900))
    sizes = []
    for rev, at in enumerate(range(0, len(text), 19), 1):
        live.feed(text[at:at + 19], rev)
        sizes.append(len(viewer.follow(live)))
    assert viewer.html == parse(live.html()).html
    live.close(rev + 1)
    viewer.follow(live)
    assert viewer.page["m1-thinking"].text == text
    assert viewer.html == parse(live.html()).html
    assert max(sizes[3:]) < 600


def test_a_plain_text_has_its_signs_seen_and_its_line_ends_kept():
    live = LivePlain("m1-thinking")
    live.feed("a\r", 1)
    live.feed("\n\x1bb\u202e", 2)
    live.close(3)
    assert live.html() == '<div id="m1-thinking-b1">a\n\u241bb\ufffd</div>'


# -- the loop and the thread

class Wakes:
    def __init__(self) -> None:
        self.count = 0
        self.threads: set[threading.Thread] = set()

    def __call__(self) -> None:
        self.count += 1
        self.threads.add(threading.current_thread())


@pytest.fixture(autouse=True)
def warm():
    if not markdown.is_warm():
        markdown.warm()


async def test_what_is_quick_is_drawn_at_once():
    wakes = Wakes()
    live = LiveReply("m1", wake=wakes)
    live.update("Some **text**", 1)
    assert live.html() == streamed("Some **text**")
    assert (live.rev, wakes.count) == (1, 0)


def streamed(text: str) -> str:
    live = LiveMarkdown("m1")
    live.feed(text, 1)
    return live.html()


@pytest.mark.parametrize("text", ["word " * 400, "[" * 90, "| a " * 90, "> > > > " * 20, "- " * 60, "a\n" * 99],
                         ids=["long", "brackets", "cells", "quotes", "items", "lines"])
async def test_what_is_costly_is_drawn_in_the_one_thread(text, monkeypatch):
    drawn_in = []
    feed = LiveMarkdown.feed

    def noted(*args):
        drawn_in.append(threading.current_thread().name)
        feed(*args)

    monkeypatch.setattr(LiveMarkdown, "feed", noted)
    wakes = Wakes()
    live = LiveReply("m1", wake=wakes)
    live.update(text, 1)
    await live.settled()
    assert (live.rev, drawn_in, wakes.count) == (1, ["render"], 1)
    assert wakes.threads == {threading.current_thread()}


async def test_what_is_given_while_the_thread_draws_is_drawn_next_and_together():
    live = LiveReply("m1", wake=lambda: None)
    for rev in range(1, 9):
        live.update("word " * 400, rev)
    live.close(9)
    await live.settled()
    assert live.rev == 9
    assert live.html() == render_reply("m1", "word " * 400 * 8)


async def test_changes_are_those_of_the_last_publication_while_the_thread_draws(monkeypatch):
    entered, go_on = threading.Event(), threading.Event()
    publish = streaming.Shown.publish

    def slow(*args, **options):
        entered.set()
        assert go_on.wait(5)
        publish(*args, **options)

    live = LiveReply("m1", wake=lambda: None)
    viewer = Viewer()
    live.update("Quick. ", 1)
    viewer.follow(live)
    before = live.html()
    monkeypatch.setattr(streaming.Shown, "publish", slow)
    live.update("slow " * 400, 2)
    await asyncio.to_thread(entered.wait, 5)
    assert (live.html(), live.rev, live.changes(1)) == (before, 1, "")
    go_on.set()
    await live.settled()
    viewer.follow(live)
    assert viewer.html == parse(live.html()).html


async def test_what_cost_much_is_not_drawn_again_at_once(monkeypatch):
    live = LiveReply("m1", wake=lambda: None)
    monkeypatch.setattr(streaming, "QUICK_S", 0.0)
    monkeypatch.setattr(streaming, "REST_TIMES", 1e9)
    live.update("word " * 400, 1)
    await until(lambda: live.rev == 1)
    live.update("more", 2)
    assert live._timer is not None
    assert live.rev == 1
    live.close(3)  # the end waits for nothing
    await live.settled()
    assert live.rev == 3


async def test_the_rest_ends_by_itself(monkeypatch):
    wakes = Wakes()
    live = LiveReply("m1", wake=wakes)
    monkeypatch.setattr(streaming, "QUICK_S", 0.0)
    live.update("word " * 400, 1)
    await until(lambda: live.rev == 1)
    live.update("more", 2)
    await live.settled()
    assert live.rev == 2
    assert wakes.count >= 2


async def test_a_failure_in_the_thread_is_told_and_ends_nothing(monkeypatch):
    def broken(*_):
        raise ValueError("broken")
    monkeypatch.setattr(LiveMarkdown, "feed", broken)
    live = LiveReply("m1", wake=lambda: None)
    live.update("word " * 400, 1)
    await live.settled()
    monkeypatch.undo()
    other = LiveReply("m2", wake=lambda: None)
    other.update("word " * 400, 1)
    await other.settled()
    assert other.rev == 1


def test_without_a_loop_everything_is_drawn_at_once():
    live = LiveReply("m1", wake=lambda: None)
    live.update("word " * 400, 1)
    live.close(2)
    assert live.html() == render_reply("m1", "word " * 400)
