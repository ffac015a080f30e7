"""The endpoint-message queue: said once, in the order of the clicks, whatever happens in between."""

from __future__ import annotations

import pytest

from tests.clock import ManualClock
from treadle.config import Settings
from treadle.conversation import Conversations
from treadle.db import Database
from treadle.errors import NotFound, PluginError, StorageError
from treadle.feed import Feed
from treadle.narrator import Narrator
from treadle.plugins.registry import Plugins
from treadle.tasks import Tasks
from treadle.workflow import Broken

PLUGIN = '''"""A place."""
from treadle import workflow

@workflow("{title}", message="You are at **{title}**.")
async def {name}(ui):
    pass
'''
PLACES = ("alpha", "beta", "gamma")


@pytest.fixture(scope="module")
def plugins(tmp_path_factory) -> Plugins:
    folder = tmp_path_factory.mktemp("plugins")
    for number, name in enumerate(PLACES):
        (folder / f"{number}0_{name}.py").write_text(PLUGIN.format(name=name, title=name.title()))
    (folder / "90_broken.py").write_text("def broken(:\n")
    plugins = Plugins(Settings(plugins=folder, data=folder / "data"))
    plugins.load()
    return plugins


class Desk:
    """A narrator and what it works on. `restart` is a new process on the same rows."""

    def __init__(self, plugins: Plugins) -> None:
        self.clock, self.plugins = ManualClock(), plugins
        self.db = Database(":memory:")
        self.begin()

    def begin(self) -> None:
        self.feed, self.tasks = Feed(self.db), Tasks()
        self.conversations = Conversations(self.db, self.feed, self.clock)
        self.narrator = Narrator(self.db, self.feed, self.clock, self.tasks, self.plugins, self.conversations,
                                 settle_s=0.3)
        self.narrator.recover()
        self.narrator.start()

    async def restart(self) -> None:
        await self.tasks.close()
        self.begin()

    def click(self, endpoint: str, conversation: int = 1) -> None:
        self.narrator.arrive(conversation, endpoint)

    @property
    def said(self) -> list[str]:
        return [message.endpoint for message in self.conversations.messages(1)]


@pytest.fixture
async def desk(plugins):
    desk = Desk(plugins)
    yield desk
    await desk.tasks.close()
    desk.db.close()


def expected(clicks: list[tuple[float, str]]) -> list[str]:
    """What is to be said after these clicks: each, but where the place is pending or was written under 5 s ago."""
    said: list[str] = []
    written: dict[str, float] = {}
    for at, place in clicks:
        if place in written and at - written[place] < 5:
            continue  # written in the future is pending
        said.append(place)
        written[place] = at + 0.3
    return said


@pytest.mark.parametrize("gap", [0.05, 0.1, 1, 3])
@pytest.mark.parametrize("tabs", [1, 3])
async def test_twenty_clicks_of_each_tab_are_said_once_each_in_order_and_within_a_second(desk, gap, tabs):
    clicks = []
    begin = desk.clock.monotonic()
    for number in range(20):
        for tab in range(tabs):
            place = PLACES[(number + tab) % 3]
            clicks.append((desk.clock.monotonic() - begin, place))
            desk.click(place)
            await desk.clock.advance(gap / tabs)
    await desk.clock.advance(1)
    assert desk.said == expected(clicks)
    arrivals = desk.db.rows("SELECT a.created_at AS clicked, m.created_at AS said FROM arrivals a "
                            "JOIN messages m ON m.id = a.message ORDER BY a.id")
    assert len(arrivals) == len(desk.said)
    assert max(row["said"] - row["clicked"] for row in arrivals) <= 0.31


async def test_an_arrival_is_due_one_delay_after_its_own_click_and_not_after_the_one_before(desk):
    desk.click("alpha")
    await desk.clock.advance(0.2)
    desk.click("beta")
    await desk.clock.advance(0.11)
    assert desk.said == ["alpha"]
    await desk.clock.advance(0.2)
    assert desk.said == ["alpha", "beta"]


async def test_i61_the_lock_is_stamped_when_written_so_three_triggers_are_one_effect_and_one_trigger_is_one(desk):
    for _ in range(3):
        desk.click("alpha")
        await desk.clock.advance(0.1)
    await desk.clock.advance(4.9)  # 5.2 s after the first click, 4.9 s after it was written
    desk.click("alpha")
    await desk.clock.advance(0.2)  # judged at the click: this one comes 5.1 s after
    assert desk.said == ["alpha"]
    desk.click("alpha")
    await desk.clock.advance(1)
    assert desk.said == ["alpha", "alpha"]


@pytest.mark.parametrize("hours", [-1, 1])
async def test_i61_a_wall_clock_that_is_moved_changes_nothing(desk, hours):
    desk.click("alpha")
    desk.clock.jump(hours * 3600)
    await desk.clock.advance(0.4)
    desk.clock.jump(-hours * 3600)
    desk.click("alpha")
    await desk.clock.advance(1)
    assert desk.said == ["alpha"]
    await desk.clock.advance(5)
    desk.click("alpha")
    await desk.clock.advance(1)
    assert desk.said == ["alpha", "alpha"]


async def test_what_was_not_said_before_the_server_ended_is_said_at_once_after_it_starts_in_order(desk):
    for place in PLACES:
        desk.click(place)
    await desk.restart()
    assert desk.narrator.pending(1)
    await desk.clock.settle()
    assert desk.said == list(PLACES)
    assert not desk.narrator.pending(1)
    await desk.restart()
    await desk.clock.advance(1)
    assert desk.said == list(PLACES)


async def test_a_click_on_what_is_pending_since_before_a_restart_is_the_same_arrival(desk):
    desk.click("alpha")
    await desk.tasks.close()
    desk.begin()
    desk.click("alpha")
    await desk.clock.advance(1)
    assert desk.said == ["alpha"]


async def test_what_an_earlier_process_wrote_does_not_silence_a_new_click(desk):
    desk.click("alpha")
    await desk.clock.advance(1)
    await desk.restart()
    desk.click("alpha")
    await desk.clock.advance(1)
    assert desk.said == ["alpha", "alpha"]


async def test_the_message_and_the_mark_of_delivery_are_one_transaction(desk):
    desk.db.execute("CREATE TEMP TRIGGER no BEFORE UPDATE ON arrivals BEGIN SELECT RAISE(ROLLBACK, 'disk I/O'); END")
    desk.click("alpha")
    with pytest.raises(Exception, match="disk"):
        desk.narrator._deliver(1)
    assert desk.said == []
    desk.db.execute("DROP TRIGGER no")
    await desk.clock.advance(1)
    assert desk.said == ["alpha"]


async def test_a_full_disk_delays_the_message_and_loses_nothing(desk):
    desk.click("alpha")
    desk.click("beta")
    desk.db.execute("PRAGMA query_only = ON")
    await desk.clock.advance(0.5)
    assert desk.said == []
    desk.db.execute("PRAGMA query_only = OFF")
    await desk.clock.advance(1)
    assert desk.said == ["alpha", "beta"]


async def test_an_unknown_place_or_conversation_is_refused_without_a_row(desk):
    with pytest.raises(NotFound):
        desk.click("nowhere")
    with pytest.raises(NotFound):
        desk.click("alpha", conversation=7)
    assert desk.db.rows("SELECT * FROM arrivals") == []


async def test_a_place_is_announced_to_the_first_stream_once_in_a_life_of_the_server(desk):
    for _ in range(3):
        desk.narrator.first_stream(1, "alpha")
        await desk.clock.advance(10)
    assert desk.said == ["alpha"]
    await desk.restart()
    desk.narrator.first_stream(1, "alpha")
    await desk.clock.advance(1)
    assert desk.said == ["alpha", "alpha"]


async def test_a_place_announced_by_the_menu_is_not_announced_again_to_a_first_stream(desk):
    desk.click("alpha")
    await desk.clock.advance(60)
    desk.narrator.first_stream(1, "alpha")
    await desk.clock.advance(1)
    assert desk.said == ["alpha"]


async def test_a_first_stream_at_no_place_says_nothing(desk):
    desk.narrator.first_stream(1, "nowhere")
    desk.narrator.first_stream(1, "")
    await desk.clock.advance(1)
    assert desk.said == []


async def test_without_javascript_the_message_is_there_at_once_after_what_was_clicked_before(desk):
    desk.click("alpha")
    desk.narrator.arrive_now(1, "beta")
    assert desk.said == ["alpha", "beta"]
    await desk.clock.advance(1)
    assert desk.said == ["alpha", "beta"]


async def test_home_is_a_place_like_others(desk):
    desk.click("home")
    await desk.clock.advance(1)
    assert desk.said == ["home"]
    assert desk.conversations.messages(1)[0].title == "Home"


async def test_a_place_that_does_not_load_says_so(desk):
    broken = next(place for place in desk.plugins.all() if isinstance(place, Broken))
    assert isinstance(broken.error, PluginError)
    desk.click(broken.endpoint)
    await desk.clock.advance(1)
    assert "could not be loaded" in desk.conversations.messages(1)[0].text


async def test_a_place_whose_file_is_gone_since_the_click_is_still_answered(desk):
    desk.db.execute("INSERT INTO arrivals (conversation, endpoint, created_at) VALUES (1, 'former', 0)")
    await desk.restart()
    await desk.clock.settle()
    assert "gone" in desk.conversations.messages(1)[0].text


async def test_conversations_do_not_silence_each_other(desk):
    desk.db.execute("INSERT INTO conversations (id, created_at, rev) VALUES (2, 0, 0)")
    desk.click("alpha")
    desk.click("alpha", conversation=2)
    await desk.clock.advance(1)
    assert [m.endpoint for m in desk.conversations.messages(2)] == desk.said == ["alpha"]


async def test_an_arrival_the_disk_refused_is_announced_by_the_next_stream(desk):
    desk.db.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageError):
        desk.narrator.first_stream(1, "alpha")
    desk.db.execute("PRAGMA query_only = OFF")
    desk.narrator.first_stream(1, "alpha")
    await desk.clock.advance(1)
    assert desk.said == ["alpha"]
