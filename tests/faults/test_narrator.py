"""The heart of the mission, on a real server that is killed at random instants: every click that was answered is
announced once, in the order of the clicks."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from dataclasses import dataclass

import pytest

from tests.harness import Server, soak, until
from tests.viewer import Viewer

PLACES = ("alpha", "beta", "gamma")
PLUGIN = '''"""A place."""
from treadle import workflow


@workflow("{title}", message="You are at {title}.")
async def {name}(ui):
    pass
'''
SAME_S, TOLERANCE_S = 5.0, 0.05  # what happens closer than this to a limit is judged either way


@dataclass
class Click:
    """One POST to /redirect: wall-clock seconds when it was sent and answered, and in which life of the server."""

    place: str
    sent: float
    answered: float = 0.0  # 0: cut off
    life: int = 0


@dataclass
class Arrival:
    """A row of arrivals with its message."""

    id: int
    place: str
    clicked: float
    said: float
    message: int


class Story:
    """A server, what was clicked, and when it was killed and back."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clicks: list[Click] = []
        self.lives = [(time.time(), float("inf"))]  # when each life of the server began to serve, and its end
        self.up = asyncio.Event()
        self.up.set()

    async def click(self, tab: Viewer, place: str) -> None:
        click = Click(place, time.time(), life=len(self.lives) - 1)
        self.clicks.append(click)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if await tab.post(f"/redirect/{place}") == 303:
                click.answered = time.time()

    async def kill(self) -> None:
        """kill -9, and the server is started again."""
        self.up.clear()
        self.server.kill()
        self.lives[-1] = (self.lives[-1][0], time.time())
        await asyncio.to_thread(self.server.restart)
        self.lives.append((time.time(), float("inf")))
        self.up.set()

    def life_of(self, at: float) -> int:
        return sum(at > end for _, end in self.lives)

    def arrivals(self) -> list[Arrival]:
        with contextlib.closing(sqlite3.connect(self.server.data / "treadle.db", timeout=5)) as db:
            return [Arrival(*row) for row in db.execute(
                "SELECT a.id, a.endpoint, a.created_at, coalesce(m.created_at, 0), coalesce(m.id, 0) FROM arrivals a "
                "LEFT JOIN messages m ON m.id = a.message ORDER BY a.id")]

    def messages(self) -> list[int]:
        with contextlib.closing(sqlite3.connect(self.server.data / "treadle.db", timeout=5)) as db:
            return [row[0] for row in db.execute("SELECT id FROM messages WHERE role = 'arrival' ORDER BY id")]

    def same(self, earlier: Arrival, place: str, at: float, slack: float) -> bool:
        """Whether a click at `at` is the same arrival as `earlier`: pending, or written under 5 s ago in this life."""
        if earlier.place != place or earlier.clicked > at + slack:
            return False
        if earlier.said > at - slack:
            return True
        return at - earlier.said < SAME_S + slack and self.life_of(earlier.said) == self.life_of(at)


@pytest.fixture
def story(tmp_path):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    for number, name in enumerate(PLACES):
        (plugins / f"{number + 1}0_{name}.py").write_text(PLUGIN.format(name=name, title=name.title()))
    with Server(tmp_path, plugins=plugins) as server:
        yield Story(server)


GAPS = [(0.05, 1, 20), (0.1, 3, 20), (1, 3, soak(7, 20)),
        *soak([], [(0.05, 3, 20), (0.1, 1, 20), (1, 1, 20), (3, 1, 20), (3, 3, 20)])]


@pytest.mark.parametrize(("gap", "tabs", "count"), GAPS)
@pytest.mark.parametrize("kills", range(soak(2, 5)))  # how often it is killed; 0: never
async def test_every_answered_click_is_said_once_in_order_whatever_is_killed(story, gap, tabs, count, kills):
    viewers = [await Viewer(story.server.address, dict(story.server.cookies)).load("/docs") for _ in range(tabs)]
    following = [asyncio.create_task(viewer.follow()) for viewer in viewers]
    await until(lambda: all(viewer.frames for viewer in viewers))

    async def walk(tab: Viewer, first: int) -> None:
        for number in range(count):
            await story.click(tab, PLACES[(first + number) % 3])
            await tab.look(gap)

    async def killing() -> None:
        for _ in range(kills):
            await viewers[0].look(random.uniform(0, gap * count / kills))
            await story.kill()

    await asyncio.gather(killing(), *(walk(viewer, number) for number, viewer in enumerate(viewers)))
    await until(lambda: all(arrival.message for arrival in story.arrivals()))
    arrivals = story.arrivals()

    # delivered is expected: every answered click has its row, or was the same arrival as an earlier one
    free = list(arrivals)
    for click in story.clicks:
        mine = next((a for a in free if a.place == click.place and click.sent - 0.001 <= a.clicked
                     and (a.clicked <= click.answered + 0.001 if click.answered else True)), None)
        if mine is not None and (click.answered or mine.clicked < story.lives[click.life][1]):
            free.remove(mine)
        elif click.answered:
            assert any(story.same(a, click.place, click.answered, TOLERANCE_S) for a in arrivals), click
    assert free == []  # and no row without a click

    # doubled is 0: one message each, and none that should have been the same arrival as the one before
    assert sorted(arrival.message for arrival in arrivals) == story.messages()
    for number, arrival in enumerate(arrivals):
        assert not any(story.same(a, arrival.place, arrival.clicked, -TOLERANCE_S) for a in arrivals[:number])

    # the order is that of the clicks, and nobody waits for longer than a second after the click or the restart
    assert [arrival.message for arrival in arrivals] == story.messages()
    for arrival in arrivals:
        back = story.lives[story.life_of(arrival.said)][0]
        assert arrival.said - max(arrival.clicked, back) < 1

    # every tab shows them all, in order, once
    rows = [f"m{message}" for message in story.messages()]
    for viewer in viewers:
        await until(lambda viewer=viewer: viewer.rows == rows)
    if not kills:
        seen = {f'id="m{arrival.message}"': arrival.clicked for arrival in arrivals}
        shift = time.time() - time.monotonic()
        for viewer in viewers:
            for mark, clicked in seen.items():
                assert next(f.at for f in viewer.frames if f.data and mark in f.data) + shift - clicked < 1
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    for viewer in viewers:
        await viewer.cut()


async def test_a_tab_that_opens_no_stream_consumes_nothing(story):
    """A tab in the background holds its stream back (app.js sees to that); its place is announced when it is seen."""
    background = await Viewer(story.server.address, dict(story.server.cookies)).load("/alpha")
    seen = await (await Viewer(story.server.address, dict(story.server.cookies)).load("/beta")).open()
    await until(lambda: [a.place for a in story.arrivals() if a.message] == ["beta"])
    await background.open()
    await until(lambda: [a.place for a in story.arrivals() if a.message] == ["beta", "alpha"])
    await until(lambda: background.rows == seen.rows and len(seen.rows) == 2)
    for viewer in (background, seen):
        await viewer.cut()
