from __future__ import annotations

import pytest

from tests.play import exports, play, shown, steps
from treadle.config import ROOT, Settings
from treadle.plugins.registry import Plugins
from treadle.replay import Step
from treadle.workflow import Workflow

ANSWERS = {"Your name": "Ada", "What brings you here": "Write a workflow", "Your decision": True, "The assistant": True,
           "One step back": False}


@pytest.fixture(scope="module")
def introduction() -> Workflow:
    plugins = Plugins(Settings(plugins=ROOT / "plugins"))
    plugins.load()
    found = plugins.get("introduction")
    assert isinstance(found, Workflow)
    return found


async def test_it_is_five_steps_in_the_order_of_its_outline(introduction):
    drawing = await play(introduction, ANSWERS)
    assert drawing.finished
    assert [item.label for item in drawing.items if isinstance(item, Step)] == list(introduction.steps)
    assert len(introduction.steps) == 5


async def test_nothing_in_it_must_be_typed(introduction):
    drawing = await play(introduction, ANSWERS | {"Your name": "", "The assistant": False})
    assert drawing.finished
    assert steps(drawing)["Your name"] is None
    assert exports(drawing)["note.md"]["note"].startswith("For you:")


@pytest.mark.parametrize(("goal", "word"), [("Look around", "Hello"), ("Get something done", "URL counts"),
                                            ("Write a workflow", "plugins/040_hello.py")])
async def test_it_ends_with_what_to_do_next(introduction, goal, word):
    drawing = await play(introduction, ANSWERS | {"What brings you here": goal})
    assert word in shown(drawing)[-1]
    assert word in exports(drawing)["note.md"]["note"]


async def test_a_decision_against_the_note_offers_none(introduction):
    assert exports(await play(introduction, ANSWERS | {"Your decision": False})) == {}


async def test_another_goal_asks_for_the_decision_again(introduction):
    """What the step about Revert promises: only what depends on the answer is asked again."""
    first, second = [await play(introduction, {"Your name": "Ada", "What brings you here": goal})
                     for goal in ("Look around", "Write a workflow")]
    assert first.open.label == second.open.label == "Your decision"
    assert first.open.approve.digest != second.open.approve.digest
