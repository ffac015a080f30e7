"""Code gets its colours line by line; a line once drawn never changes."""

from __future__ import annotations

import re
from html import unescape

import pytest

from treadle.web import highlight as module
from treadle.web.highlight import LEXERS, LONG_LINE, MANY_LINES, PART, Highlighter, highlight, known, loaded

PYTHON = 'def hosts(urls):\n    """One\n    pass."""\n    return len(urls) + 1  # all'
MEAN = "x = 1 /* \n ''' `\n\n<!--\n\n {{{ ' \" <b>&amp;\n*/ --> \\\n#{ ${ f\"{\n=begin\n<?php <<<X\n"


def text_of(html: str) -> str:
    return unescape(re.sub(r"</?span[^>]*>", "", html))


def test_the_five_classes():
    assert highlight("python", PYTHON) == (
        '<span class="part"><span class="k">def</span> <span class="f">hosts</span>(urls):\n'
        '    <span class="s">"""One</span>\n<span class="s">    pass."""</span>\n'
        '    <span class="k">return</span> len(urls) + <span class="m">1</span>  <span class="c"># all</span></span>')


def test_a_comment_over_many_lines_stays_one():
    html = highlight("js", "/* a\nlet b\n*/ let c")
    assert '<span class="c">let b</span>' in html
    assert html.endswith('<span class="c">*/</span> <span class="k">let</span> c</span>')


@pytest.mark.parametrize("language", sorted(set(LEXERS)))
def test_no_language_loses_or_changes_a_character(language):
    assert text_of(highlight(language, PYTHON + "\n" + MEAN)) == PYTHON + "\n" + MEAN


def test_an_unknown_language_stays_plain_and_loads_nothing():
    assert highlight("klingon", "def <a>") == '<span class="part">def &lt;a&gt;</span>'
    assert not known("klingon")
    assert loaded("klingon")


def test_a_language_is_loaded_when_it_is_first_used(monkeypatch):
    monkeypatch.setattr(module, "_LOADED", set())
    assert not loaded("Python")
    Highlighter("python")
    assert loaded("Python")


def test_a_very_long_line_stays_plain_and_the_next_one_does_not():
    long, short = highlight("python", f"{'def ' * LONG_LINE}\ndef f(): pass").split("\n")
    assert long.count("<span") == 1
    assert '<span class="k">def</span>' in short


def test_lines_after_very_many_stay_plain():
    lexer = Highlighter("python")
    lexer._lines = MANY_LINES - 1
    assert "span" in lexer.line("def a")
    assert "span" not in lexer.line("def a")


def test_lines_are_kept_in_parts_with_one_line_end_between_any_two():
    code = "\n".join(f"line {n}" for n in range(3 * PART + 1))
    html = highlight("", code)
    assert html.count('<span class="part">') == 4
    assert text_of(html) == code
