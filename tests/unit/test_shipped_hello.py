from __future__ import annotations

import pytest

from tests.play import exports, play, shown
from treadle.config import ROOT, Settings
from treadle.errors import InvalidAnswer
from treadle.plugins.registry import Plugins
from treadle.workflow import Workflow


@pytest.fixture(scope="module")
def hello() -> Workflow:
    plugins = Plugins(Settings(plugins=ROOT / "plugins"))
    plugins.load()
    found = plugins.get("hello")
    assert isinstance(found, Workflow)
    return found


async def test_it_asks_for_a_name_then_for_the_approval_of_a_greeting(hello):
    assert (await play(hello, {})).open.label == "Your name"
    drawing = await play(hello, {"Your name": "Ada"})
    assert drawing.open.label == "Greeting"
    assert drawing.open.approve.what == ("Hello, **Ada**.",)


async def test_an_approved_greeting_is_shown_and_can_be_taken_away(hello):
    drawing = await play(hello, {"Your name": "Ada", "Greeting": True})
    assert drawing.finished
    assert shown(drawing) == ["Hello, **Ada**."]
    assert exports(drawing) == {"greeting.json": {"name": "Ada", "greeting": "Hello, Ada."}}


async def test_a_greeting_that_is_not_approved_greets_nobody(hello):
    drawing = await play(hello, {"Your name": "Ada", "Greeting": False})
    assert shown(drawing) == ["Nobody was greeted."]
    assert exports(drawing) == {}


async def test_a_name_is_shown_as_it_was_typed(hello):
    drawing = await play(hello, {"Your name": "A*d*a <b>", "Greeting": True})
    assert shown(drawing) == [r"Hello, **A\*d\*a \<b\>**."]
    assert exports(drawing)["greeting.json"]["name"] == "A*d*a <b>"


async def test_too_long_a_name_is_refused_with_the_limit(hello):
    with pytest.raises(InvalidAnswer, match=r"Your name is 81 characters; the limit is 80\."):
        await play(hello, {"Your name": "x" * 81})
