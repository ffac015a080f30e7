"""A streamed reply: every viewer has what a page shows, nothing visible disappears, the end equals a page's drawing."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.growing import CORPUS, DOCUMENT, PIECES, Viewer, cuts_of, stream, words
from tests.harness import soak
from tests.partials import Node, Page, parse
from treadle.web.markdown import PLAIN_OVER, render_reply
from treadle.web.shown import KEPT, TOGETHER
from treadle.web.streaming import LiveMarkdown

FUZZ = settings(max_examples=soak(150, 5_000), deadline=None, database=None, derandomize=soak(1, 0) == 1,
                suppress_health_check=list(HealthCheck))


@FUZZ
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=40), st.sampled_from([1, 2, 3, 9]), st.integers(0, 999))
def test_i3_any_text_in_any_pieces_ends_as_a_page_draws_it_and_no_word_disappears(pieces, step, seed):
    choose = random.Random(seed)
    text = "".join(pieces)
    stream(text, cuts_of(text, step, choose), choose)


@settings(FUZZ, max_examples=soak(50, 2_000))
@given(st.text(max_size=120), st.integers(0, 99))
def test_i66_any_characters_survive(text, seed):
    choose = random.Random(seed)
    stream(text, cuts_of(text, 5, choose), choose)


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
@pytest.mark.parametrize("step", [1, 7])
def test_i67_half_states_of_markdown_drop_and_flash_nothing(text, step):
    stream(text, cuts_of(text, step, random.Random(step)) if step > 1 else list(range(1, len(text))), random.Random(1))


def grow(text: str, *, step: int = 4) -> tuple[LiveMarkdown, list[str]]:
    """Stream a text; the messages a viewer gets who follows."""
    live, viewer, messages = LiveMarkdown("m1"), Viewer(), []
    for rev, at in enumerate(range(0, len(text), step), 1):
        live.feed(text[at:at + step], rev)
        messages.append(viewer.follow(live))
    live.close(rev + 1)
    messages.append(viewer.follow(live))
    return live, messages


def test_a_finished_block_is_never_drawn_again():
    _, messages = grow("One paragraph.\n\nAnother one.\n\n- a list\n- of two\n\nThe end.\n")
    assert sum(message.count("One ") for message in messages) <= 2  # the first message, and that which repeats it
    assert not any("outerMorph" in message for message in messages)


@pytest.mark.parametrize("line", [
    "- an item with **words** and `code`\n", "1. an item with *words*\n\n", "| a cell | and another | 12 |\n",
    "    value = compute(12)  # note\n", "words of prose and more ",
], ids=["list", "loose list", "table", "code", "paragraph"])
def test_i36_the_bytes_of_a_change_do_not_grow(line):
    start = {"|": "| a | b | c |\n|---|---|--:|\n", " ": "```python\n"}.get(line[0], "")
    _, messages = grow(start + line * 120, step=16)
    sizes = [len(message) for message in messages[4:-1]]
    half = len(sizes) // 2
    assert sum(sizes[half:]) <= 1.1 * sum(sizes[:half])
    assert max(sizes) < 1_200


def test_i12_settling_replaces_no_node():
    text = DOCUMENT.replace("Title\n=====", "Title").replace("a | b", "| a | b |")
    live, viewer = LiveMarkdown("m1"), Viewer()
    for rev, at in enumerate(range(0, len(text), 5), 1):
        live.feed(text[at:at + 5], rev)
        viewer.follow(live)
    before = [node for node in viewer.page["m1-body"].walk() if "id" not in node.attrs or "-b" in node.attrs["id"]]
    live.close(rev + 1)
    message = viewer.follow(live)
    after = list(viewer.page["m1-body"].walk())
    assert not live.redrawn
    assert "Morph" not in message
    assert [node for node in before if node not in after] == []


def test_the_last_block_has_its_element_and_id_while_it_grows():
    live, viewer = LiveMarkdown("m1"), Viewer()
    live.feed("A first\n\nA sec", 1)
    viewer.follow(live)
    live.feed("ond th", 2)
    viewer.follow(live)
    paragraph = viewer.page["m1-b2"]
    live.feed("at grows\n\nA third", 3)
    viewer.follow(live)
    assert viewer.page["m1-b2"] is paragraph
    assert paragraph.html == "A second that grows"


@pytest.mark.parametrize(("text", "shown"), [
    ("see [the docs](http://x.te", "see"), ("see ![a pict", "see"), ("fish &am", "fish"), ("a <http://x", "a"),
    ("a `b", "ab"), ("a **b", "ab"), ("a `b [c](d", "ab"), ("12. ", ""), ("- [x", ""), ("| a | b", ""),
    ("| a | b |\n", ""), ("| a | b |\n|---", ""), ("```pyth", ""), ("[a]: http", ""), ("[a]: http://x.te\n'tit", ""),
    ("a\n---", "a"), ("a\n|---|\n| 1", "a"), ("a\\", "a"), ("# ", ""), ("| a |\n|---|\n| 1 | 2", "a"),
])
def test_i11_what_is_not_decided_is_held_back(text, shown):
    live = LiveMarkdown("m1")
    live.feed(text, 1)
    assert words(live.html()) == shown


def test_a_mark_without_its_other_half_is_drawn_as_if_it_came():
    live = LiveMarkdown("m1")
    live.feed("a **b *c `d", 1)
    assert "<strong>b <em>c <code>d</code></em></strong>" in live.html()


def test_what_never_gets_its_other_half_is_shown_after_a_while():
    live = LiveMarkdown("m1")
    live.feed("see [the " + "word " * 100, 1)
    assert words(live.html()).endswith("wordword")


def test_a_late_definition_is_drawn_at_the_end_and_hides_no_word():
    live = stream("See [docs][1].\n\nText.\n\n[1]: http://x.test\n", [20, 30], random.Random(1))
    assert live.redrawn
    assert ">docs</a>[1]." in live.html()


def test_a_viewer_from_elsewhere_gets_everything_once():
    other, live = LiveMarkdown("m1"), LiveMarkdown("m1")
    viewer = Viewer()
    other.feed("Some text\n\nand more", 7)
    viewer.follow(other, after=0)
    live.feed("Some text\n\nand more", 7)
    live.feed(" of it", 9)
    viewer.follow(live, after=8)
    assert viewer.html == parse(live.html()).html


@pytest.mark.parametrize("behind", [1, TOGETHER + 1, KEPT - 1, KEPT + 9])
def test_a_viewer_far_behind_catches_up_in_one_message(behind):
    live, viewer = LiveMarkdown("m1"), Viewer()
    live.feed("First\n\nsecond ", 1)
    live.feed("goes on ", 2)
    viewer.follow(live)
    for rev in range(3, 3 + behind):
        live.feed(f"word{rev}" + ("\n\n" if rev % 7 == 0 else " "), rev)
    viewer.follow(live)
    assert viewer.html == parse(live.html()).html


def test_nothing_new_is_no_message():
    live = LiveMarkdown("m1")
    assert live.changes(0) == ""
    live.feed("a", 1)
    live.feed("", 2)
    assert (live.rev, live.changes(1), live.changes(2), live.changes(99)) == (2, "", "", "")


def test_partials_name_only_ids_of_this_reply():
    _, messages = grow(DOCUMENT)
    targets = set(re.findall(r'hx-target="([^"]*)"', "".join(messages)))
    assert all(re.fullmatch(r"#m1-(body|b?\d+)|[a-z0-9]+:has\((>[a-z0-9]+)*>#m1-\d+\)", target) for target in targets)


def test_a_reply_over_the_limit_becomes_plain_text_while_it_streams():
    live, viewer = LiveMarkdown("m1"), Viewer()
    live.feed("Some **text**\n\n", 1)
    viewer.follow(live)
    for rev in range(2, 7):
        live.feed("more of *it*\n" * (PLAIN_OVER // 50), rev)
        viewer.follow(live)
    assert "<pre>Some **text**" in viewer.html
    live.close(9)
    viewer.follow(live)
    assert live.html() == render_reply("m1", "Some **text**\n\n" + "more of *it*\n" * (PLAIN_OVER // 50) * 5)
    assert viewer.html == parse(live.html()).html


def test_an_open_block_over_the_limit_is_plain_text_until_it_closes():
    live, viewer = LiveMarkdown("m1"), Viewer()
    for rev in range(1, 12):
        live.feed(f"{'plain words ' * 140}**bold** [link](http://x.test) &amp; 1 ", rev)
        viewer.follow(live)
    assert viewer.page["m1-b1"].has_class("out")
    assert "http" not in viewer.html
    seen = words(live.html())
    live.feed("\n\nNext\n", 12)
    viewer.follow(live)
    assert viewer.page["m1-b1"].tag == "p"
    assert viewer.html.count("<strong>bold</strong>") == 11
    assert words(live.html()) == seen + "Next"


def test_half_a_line_end_is_no_line():
    live = LiveMarkdown("m1")
    live.feed("a\r", 1)
    live.feed("\nb", 2)
    live.close(3)
    assert live.html() == '<p id="m1-b1">a<br>\nb</p>'


def test_the_applier_knows_a_path_of_elements():
    page = Page('<ul><li><p>a<span id="x"></span></p></li><li><p>b</p></li></ul>')
    page.apply('<hx-partial hx-target="li:has(>p>#x)" hx-swap="afterend"><li>new</li></hx-partial>'
               '<hx-partial hx-target="li:has(>#x)" hx-swap="delete"></hx-partial>'
               '<hx-partial hx-target="#x" hx-swap="outerHTML">!</hx-partial>')
    assert page.root.html == "<ul><li><p>a!</p></li><li>new</li><li><p>b</p></li></ul>"
    assert isinstance(page.root.children[0], Node)
    assert page.missing == ["li:has(>#x)"]
