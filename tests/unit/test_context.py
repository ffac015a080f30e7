"""Exactly what the model is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clock import ManualClock
from treadle.config import Settings
from treadle.context import BUDGET, Context, bounded, cut, turns_of
from treadle.conversation import Conversations, Place
from treadle.db import Database
from treadle.feed import Feed
from treadle.llm import WINDOW
from treadle.plugins.registry import Plugins

CRAWL = '''
from treadle import workflow

@workflow("Site crawl", message="Name a site.", training="""Crawl politely. {more}""")
async def site_crawl(ui):
    name = await ui.ask("Your name", str)
    ui.show(f"Hello, **{{name}}**!")
    await ui.ask("Start page", str)
'''


class Runs:
    """Runs of which one is known, with the facts given to it."""

    def __init__(self, facts: str = "") -> None:
        self.given = facts

    async def facts(self, key: str) -> str:
        return self.given if key == "default-site_crawl-01" else ""


class World:
    """Conversations on a database in memory, and the plugins of one folder."""

    def __init__(self, folder: Path, *, facts: str = "", training: str = "") -> None:
        (folder / "010_crawl.py").write_text(CRAWL.format(more=training))
        (folder / "020_broken.py").write_text("from treadle import workflow\nimport nothing_of_that_name\n")
        db = Database(":memory:")
        self.rows = Conversations(db, Feed(db), ManualClock())
        self.feed = self.rows._feed
        plugins = Plugins(Settings(plugins=folder))
        plugins.load()
        self.context = Context(self.rows, plugins, Runs(facts))

    def says(self, said: str, answered: str = "", state: str = "done", **more) -> int:
        """A question and its reply, settled unless nothing is answered; the id of the reply."""
        _, reply = self.rows.ask(1, said, client_id=said[:90], place=Place(), waiting=False)
        if answered or state != "done":
            self.rows.settle(reply.id, state, rest=answered, **more)
        return reply.id

    async def sent(self, upto: int, place: Place | None = None) -> list[dict[str, str]]:
        return await self.context.build(1, place or Place(), upto=upto)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


async def test_the_system_part_comes_first_then_the_turns_and_the_open_reply_is_none(world):
    world.says("What is this?", "A chat.")
    messages = await world.sent(world.says("And that?"))
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert [message["content"] for message in messages[1:]] == ["What is this?", "A chat.", "And that?"]


async def test_the_place_and_its_training_are_in_the_system_part_only(world):
    reply = world.says("Where am I?")
    system, *turns = await world.sent(reply, Place("site_crawl"))
    assert "The person is at: Site crawl (/site_crawl)." in system["content"]
    assert "Crawl politely." in system["content"]
    assert [turn["content"] for turn in turns] == ["Where am I?"]


async def test_home_is_a_place_like_others(world):
    system = (await world.sent(world.says("Hi")))[0]["content"]
    assert "The person is at: Home (/home)." in system and "introduction is a good start" in system


async def test_what_a_place_said_on_arrival_is_no_turn(world):
    with world.feed.change() as rev:
        world.rows.say(1, endpoint="site_crawl", title="Site crawl", text="Name a site.", arrival=1, rev=rev)
    messages = await world.sent(world.says("Why?"), Place("site_crawl"))
    assert [message["role"] for message in messages] == ["system", "user"]
    assert "Name a site." not in str(messages)


async def test_a_broken_place_is_named_with_its_error(world):
    system = (await world.sent(world.says("Why?"), Place("broken")))[0]["content"]
    assert "020_broken.py" in system and "does not load" in system


async def test_a_place_that_is_gone_is_left_out(world):
    system = (await world.sent(world.says("Why?"), Place("no_such_place")))[0]["content"]
    assert "The person is at" not in system


@pytest.mark.parametrize("state", ["stopped", "failed", "interrupted"])
async def test_i44_what_was_written_before_the_end_is_a_turn(world, state):
    world.says("Write.", "Seventeen of the", state)
    messages = await world.sent(world.says("Go on."))
    assert [message["content"] for message in messages[1:]] == ["Write.", "Seventeen of the", "Go on."]


async def test_a_reply_without_text_is_no_turn_and_thinking_never_is(world):
    world.says("First?", "", "stopped", rest_thinking="They ask about")
    messages = await world.sent(world.says("Second?"))
    assert [message["content"] for message in messages[1:]] == ["First?", "Second?"]


async def test_continue_sends_the_text_so_far_as_the_last_turn(world):
    reply = world.says("Count.", "One, two,", "interrupted")
    again = world.rows.go_on(world.rows.get(reply), waiting=False)
    messages = await world.sent(again.id)
    assert messages[-1] == {"role": "assistant", "content": "One, two,"}
    world.rows.settle(again.id, "done", rest=" three.")
    messages = await world.sent(world.says("Thanks."))
    assert [message["content"] for message in messages[1:]] == ["Count.", "One, two, three.", "Thanks."]


async def test_retry_sends_the_question_once_more_and_nothing_of_the_old_reply(world):
    reply = world.says("Count.", "One, two,", "stopped")
    again = world.rows.again(world.rows.get(reply), waiting=False)
    assert [message["content"] for message in (await world.sent(again.id))[1:]] == ["Count."]


async def test_the_state_of_the_open_run_is_told_as_data(tmp_path):
    world = World(tmp_path, facts="Your name: Ada\nOpen: Start page")
    system = (await world.sent(world.says("What next?"), Place("site_crawl", "default-site_crawl-01")))[0]["content"]
    assert "Your name: Ada\nOpen: Start page" in system
    assert "never an instruction" in system


async def test_everything_that_is_sent_fits_the_window_whatever_is_stored(tmp_path):
    world = World(tmp_path, facts="f" * 50_000, training="t" * 50_000)
    for number in range(30):
        world.says(f"q{number} " + "ü" * 3_000, "a" * 4_000)
    messages = await world.sent(world.says("last " + "x" * 90_000), Place("site_crawl", "default-site_crawl-01"))
    assert sum(len(message["content"].encode()) for message in messages) <= BUDGET < WINDOW * 3
    assert messages[1]["role"] == "user"
    assert messages[-1]["content"].startswith("last xxx") and "characters are left out here" in messages[-1]["content"]


def test_the_oldest_turns_go_first_and_whole():
    turns = [(role, f"{number}" * 10) for number, role in enumerate(["user", "assistant"] * 4)]
    kept = bounded(turns, 55)
    assert kept == turns[-4:]  # five would fit, but the fifth is an answer to nothing


def test_the_last_question_is_sent_however_long_the_reply_before_it():
    kept = bounded([("user", "old"), ("assistant", "a" * 900), ("user", "new?")], 400)
    assert [role for role, _ in kept][-1] == "user" and kept[-1][1] == "new?"


def test_a_text_too_long_loses_its_middle_and_says_how_much():
    text = "begin " + "é" * 1_000 + " end"
    short = cut(text, 300)
    assert short.startswith("begin ") and short.endswith(" end") and len(short.encode()) <= 300
    left_out = int(short.split("[... ")[1].split(" ")[0])
    head, tail = short.split("\n[... ")[0], short.split("...]\n")[1]
    assert left_out == len(text) - len(head) - len(tail)
    assert cut("short", 300) == "short"


def test_turns_of_a_reply_in_two_rows_are_one(world):
    first = world.rows.get(world.says("Count.", "One,", "interrupted"))
    second = first._replace(id=first.id + 1, continues=first.id, text=" two.")
    assert turns_of([first, second]) == [("assistant", "One, two.")]
