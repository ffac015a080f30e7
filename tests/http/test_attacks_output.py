"""SECURITY.md rows 11 to 19: what a model writes is text, links and a few marks, live and reloaded, all 434 outputs.

Here what is sent is read; tests/browser/test_attacks.py has a browser draw it, with the policy switched off.
"""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest

from tests.hostile import ELEMENTS, chunks, outputs
from tests.partials import Page
from treadle.web.components.shows import Things
from treadle.web.markdown import UNSEEN, render, render_reply
from treadle.web.streaming import LiveMarkdown
from treadle.web.undecided import words_only

OUTPUTS = outputs()
ID = re.compile(r"m1-b?\d+")
ALLOWED: dict[str, dict[str, str]] = {
    **{tag: {} for tag in ("p", "code", "strong", "em", "del", "br", "hr", "ul", "li", "blockquote", "h3", "table",
                           "thead", "tbody", "tr", "pre")},
    "div": {"class": "code|bar|tbl|out", "tabindex": "0", "role": "group", "aria-label": "Table|Plain text"},
    "span": {"class": "[ksmfc]|part|caret"}, "ol": {"start": r"\d+"}, "ul": {"class": "tasks"}, "h3": {"class": "sub"},
    "a": {"href": r"(?:https?://|mailto:)[^<>\s]*", "title": "[^<]*", "rel": "noopener noreferrer", "target": "_blank"},
    "pre": {"tabindex": "0", "class": ".{0,0}"}, "th": {"scope": "col", "class": "num|mid"}, "td": {"class": "num|mid"},
    "label": {"class": "check"}, "input": {"type": "checkbox", "checked": ".{0,0}", "disabled": ".{0,0}"},
    "button": {"class": "btn icon sm js", "type": "button", "data-copy": ".{0,0}", "aria-label": "Copy the code"},
    "svg": {"class": "i i-sm", "aria-hidden": "true"}, "use": {"href": r"/static/icons-[0-9a-f]{10}\.svg#copy"},
}


class Reader(HTMLParser):
    """Notes every element, attribute and text that is not allowed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.feed(html)
        self.close()
        if re.search(r"<[^>]*=\"[^\"]*<", html):
            self.wrong.append("a raw < in an attribute")  # htmx 4 rewrites <hx-x there

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        allowed = ALLOWED.get(tag)
        if allowed is None:
            self.wrong.append(f"<{tag}>")
            return
        for name, value in attrs:
            pattern = ID.pattern if name == "id" else allowed.get(name)
            if pattern is None or not re.fullmatch(pattern, value or "", re.S):
                self.wrong.append(f"<{tag} {name}={value!r}>")

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"<!--{data}-->")

    handle_decl = handle_pi = unknown_decl = handle_comment

    def handle_data(self, data: str) -> None:
        if UNSEEN.search(data):
            self.wrong.append(f"text {data!r}")


@pytest.mark.parametrize("number", range(len(OUTPUTS)))
def test_an_output_is_text_and_links_whole_and_at_every_step_of_its_writing(number):
    text = OUTPUTS[number]
    assert not Reader(render(text)).wrong
    whole = render_reply("m1", text)
    assert not Reader(whole).wrong
    live, page, rev = LiveMarkdown("m1"), Page('<div id="m1-body"></div>'), 0
    for piece in chunks(text, number):
        before, rev = rev, rev + 1
        live.feed(piece, rev)
        assert not Reader(live.html()).wrong
        page.apply(live.changes(before))
        assert not Reader(page["m1-body"].html).wrong
    live.close(rev + 1)
    page.apply(live.changes(rev))
    assert page["m1-body"].html == Page(f'<div id="m1-body">{whole}</div>')["m1-body"].html


def test_there_are_434_outputs_and_none_twice():
    assert len(OUTPUTS) == len(set(OUTPUTS)) == 434


@pytest.mark.parametrize("element", [element for element in ELEMENTS if element[1].isalpha()])
def test_the_reader_finds_each_of_them_where_it_is_let_through(element):
    """The counterpart: the test above passes because of the page, not because nobody looks."""
    assert Reader(f"<p>{element}</p>").wrong


@pytest.mark.parametrize("number", range(0, len(OUTPUTS), 5))
def test_what_a_workflow_shows_is_held_to_the_same(number):
    drawn = Things([OUTPUTS[number]], 1, base="/runs/x", url=str)
    assert not Reader(drawn.removeprefix('<div class="prose">').removesuffix("</div>")).wrong


@pytest.mark.parametrize("text", [
    ("[" * 15_000 + "\n") * 4, ("![" * 8_000 + "\n") * 4, "](" * 30_000, "] [" * 20_000, "&" * 60_000, "&a" * 30_000,
    "](a " * 15_000, "[x]:" * 15_000, ("`" * 15_000 + "\n") * 4, ("> " * 8_000 + "\n") * 4], ids=lambda text: text[:4])
def test_the_words_of_a_block_that_does_not_end_are_found_in_no_time(text):
    """One regular expression holds all threads while it matches: this one took 6 s for 60 kB."""
    began = time.process_time()
    words_only(text)
    assert time.process_time() - began < 0.3


@pytest.mark.parametrize("text,words", [
    ("a [b", "a "), ("a ![b", "a "), ("a [b](c", "a [b"), ("a [b] [c", "a [b"), ("a [b](c [d", "a [b"),
    ("[a\nb", "[a\nb"), ("a [b] c", "a [b] c"), ("a [b [c", "a "), ("a] [b\nc", "a"),
    ("x &amp; y", "x  y"), ("x &am", "x ")])
def test_words_that_may_become_an_address_are_held_back(text, words):
    assert words_only(text) == words
