from __future__ import annotations

import dataclasses

import pytest

from tests.play import declared
from treadle.jobs.progress import Progress
from treadle.workflow import HOME, page, showable, tool, workflow


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
    ({"title": "T", "message": "m", "steps": ["A", "A"]}, "names a label twice; a step with keys is one entry"),
    ({"title": "T", "message": "m", "version": "2"}, "version= of a workflow is a whole number from 1, not '2'"),
    ({"title": "T", "message": "m", "version": True}, "whole number from 1"),
    ({"title": "T", "message": "m", "needs": "network"}, r"is a list: write needs=\['network'\]"),
    ({"title": "T", "message": "m", "needs": ["radio"]}, "holds \"network\", .* not 'radio'"),
    ({"title": "T", "message": "m", "needs": [7]}, "not 7"),
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


# tools and pages

def test_a_copied_function_whose_name_was_left_hides_no_other():
    source = """
@workflow("One", message="m")
async def one(ui): pass

@workflow("Two", message="m")
async def one(ui): pass
"""
    with pytest.raises(TypeError, match=r"one is declared twice in this file\. Give one of the functions another name"):
        exec(compile(source, "p.py", "exec"), {"workflow": workflow})


def test_a_tool_says_what_its_name_and_docstring_say():
    @tool
    def split_words(text: str, most: int = 3, *, progress: Progress) -> list[str]:
        """Split a text.

        Into words.
        """
        return text.split()[:most]

    assert (split_words.title, split_words.about, split_words.message) == ("Split words", "Split a text.",
                                                                          "Split a text.")
    assert (split_words.kind, split_words.endpoint, split_words.file) == ("tool", "split_words", __file__)
    assert split_words("a b c d", progress=None) == ["a", "b", "c"]
    assert [(field.name, field.type) for field in dataclasses.fields(split_words.input)] == [
        ("text", str), ("most", int)]
    assert split_words.input(text="a").most == 3
    assert split_words.fn.__code__.co_filename == __file__


def test_a_tool_that_asks_nothing_has_no_form():
    assert tool(title="Now", about="The time.", needs=["network"])(nothing).input is None


def nothing() -> None:
    return None


@pytest.mark.parametrize(("source", "said"), [
    ("def f(a): ...", "a of f has no type: write `a: str`"),
    ("def f(*a: str): ...", "f is no tool: .* has no name that a form could show"),
    ("def f(a: str, /): ...", "no name that a form could show"),
    ("class f: ...", "@tool stands above a function, not type"),
    ("def größe(a: str): ...", "becomes an address")])
def test_a_tool_that_cannot_work_says_why(source, said):
    names: dict = {}
    exec(source, names)
    with pytest.raises(TypeError, match=said):
        tool(names[next(name for name in names if not name.startswith("__"))])


@pytest.mark.parametrize(("declare", "said"), [
    (lambda: page("")(lambda ui: None), "A page has a title"),
    (lambda: page("P")(print), "@page stands above a function"),
    (lambda: page("P")(nothing), "nothing takes one parameter, ui"),
    (lambda: page("P", needs=["x"]), "needs= of a page"),
    (lambda: tool(needs="files")(nothing), "needs= of a tool is a list")])
def test_a_page_that_cannot_work_says_why(declare, said):
    with pytest.raises(TypeError, match=said):
        declare()


@dataclasses.dataclass
class Word:
    text: str


@pytest.mark.parametrize(("result", "rows"), [
    ([Word("a")], [{"text": "a"}]), ([{"text": "a"}], [{"text": "a"}]), (["a", 1], [{"value": "a"}, {"value": 1}]),
    (Word("a"), [{"name": "text", "value": "a"}]), ({"text": "a"}, [{"name": "text", "value": "a"}]), ([], [])])
def test_what_a_tool_gave_is_shown_as_a_table_where_it_is_one(result, rows):
    assert [dict(row) for row in showable(result).rows] == rows


@pytest.mark.parametrize(("result", "shown"), [(None, "Done."), (True, "Yes"), ("a *b*", "a *b*"), (7, 7)])
def test_what_else_a_tool_gave_is_shown_as_it_is(result, shown):
    assert showable(result) == shown
