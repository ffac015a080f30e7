from __future__ import annotations

import pytest

from tests.play import declared
from treadle.workflow import HOME, workflow


def test_a_declaration_is_data_and_its_name_is_the_address():
    @workflow("Link check", message="Give me a page.", training="t.md", icon="link", about="About.", version=3,
              steps=["URL", "Note"])
    async def link_check(ui):
        raise AssertionError("declaring runs nothing")

    assert (link_check.endpoint, link_check.title) == ("link_check", "Link check")
    assert (link_check.message, link_check.training) == ("Give me a page.", "t.md")
    assert (link_check.steps, link_check.version, link_check.kind) == (("URL", "Note"), 3, "workflow")
    assert link_check.file == __file__


def test_a_plain_function_is_refused_with_the_word_that_is_missing():
    with pytest.raises(TypeError, match="f is no workflow: write `async def`"):
        @workflow("F", message="m")
        def f(ui):
            return None


def test_a_workflow_takes_ui_and_nothing_else():
    with pytest.raises(TypeError, match="f takes one parameter, ui"):
        @workflow("F", message="m")
        async def f(ui, url):
            return None


def test_half_a_character_in_a_title_is_not_carried_to_every_page():
    @workflow("Half \ud83d", message="\udc00", steps=["\ud800"])
    async def half(ui):
        pass

    assert (half.title, half.message, half.steps) == ("Half \ufffd", "\ufffd", ("\ufffd",))


def test_a_name_that_is_no_address_is_refused():
    with pytest.raises(TypeError, match="größe becomes an address"):
        @workflow("F", message="m")
        async def größe(ui):
            return None


@pytest.mark.parametrize(("declaration", "said"), [
    ({"title": " ", "message": "m"}, "has a title and a message"),
    ({"title": "T", "message": ""}, "has a title and a message"),
    ({"title": 5, "message": "m"}, "title= of a workflow is text, not int"),
    ({"title": "T", "message": "m", "steps": "URL"}, "steps= of a workflow is a list"),
    ({"title": "T", "message": "m", "training": None}, "training= of a workflow is text")])
def test_a_declaration_that_cannot_work_says_why(declaration, said):
    with pytest.raises(TypeError, match=said):
        workflow(declaration.pop("title"), **declaration)


def test_home_is_a_place_with_a_message_and_training_that_describes_treadle():
    assert (HOME.endpoint, HOME.title) == ("home", "Home")
    assert HOME.message.startswith("This is Treadle.")
    assert "local model" in HOME.training


def test_a_function_can_be_declared_under_its_own_name():
    async def short(ui):
        return None

    assert declared(short).endpoint == "short"
