"""Markdown becomes HTML that cannot act, whatever a model writes."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import nh3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from treadle.web import markdown
from treadle.web.growing import Growing
from treadle.web.markdown import PLAIN_OVER, clean, render, render_reply
from treadle.web.streaming import LiveMarkdown

LINK = 'title="{0}" target="_blank" rel="noopener noreferrer">'

# ruff: noqa: E501 - texts a model may write, one beside the other
# everything a reply may hold; whatever else appears, a model got through
ALLOWED = {
    "p": {"id"}, "h3": {"id", "class"}, "hr": {"id"}, "blockquote": {"id"}, "ul": {"id", "class"}, "ol": {"id", "start"},
    "li": set(), "label": {"class"}, "input": {"type", "checked", "disabled"}, "table": set(), "thead": set(),
    "tbody": set(), "tr": set(), "th": {"scope", "class"}, "td": {"class"}, "strong": set(), "em": set(), "del": set(),
    "code": set(), "br": set(), "a": {"href", "title", "target", "rel"}, "span": {"class", "id"},
    "div": {"id", "class", "tabindex", "role", "aria-label"}, "pre": {"tabindex"},
    "button": {"class", "type", "data-copy", "aria-label"}, "svg": {"class", "aria-hidden"}, "use": {"href"},
}

VECTORS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "<svg><style><img src=x>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", "<hx-partial hx-target=body>x</hx-partial>",
    "<div hx-swap-oob=true id=composer>x</div>", "<a hx-get=/runs hx-trigger=load>x</a>", "<div data-hx-get=/ >",
    "<title>x</title>", "<template><b>x</template>", "<form action=//evil.test><input name=token></form>",
    "<iframe srcdoc='<script>1</script>'>", "<!-- x --><!-- --!><img src=x onerror=1>", "<b", "<b x='", "</article></div>",
    "<textarea></textarea><style>*{}</style>", "<meta http-equiv=refresh content=0>", "<base href=//evil.test>",
    "<link rel=preload href=//evil.test>", "<plaintext>", "<xmp><b>", "<a href=x ping=//evil.test>",
    '![<hx-a onerror=alert(1) ](http://x.test/a.png)', '[x](http://x.test "<hx-a onerror=alert(1) ")',
    "[<hx-b onclick=alert(1) >](http://x.test/<hx-c)", "`<hx-a onerror=1 `", "<http://x.test/<hx-a>",
    "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](java&#115;cript:alert(1))", "[x](<java\tscript:alert(1)>)",
    "[x](&#x6a;avascript:alert(1))", "[x](java\nscript:alert(1))", "[x](data:text/html,<script>1</script>)",
    "[x](vbscript:x)", "[x](file:///etc/passwd)", "[x](//evil.test)", "[x](/login?token=1)", "[x](http:evil)",
    "[x](https://good.test@evil.test/)", "[x](http://evil.test\\@good.test)", "[x](blob:http://x.test/1)",
    "![x](data:image/svg+xml,<svg onload=1>)", "![x](javascript:alert(1))", "<javascript:alert(1)>", "[x]: javascript:alert(1)\n\n[x]",
    "[x](http://x.test/\"onmouseover=\"alert(1))", "[x](http://x.test 'a\" onclick=\"alert(1)')", "[a](mailto:x@y.test?subject=a\"b)",
    "[x](#anchor)", "# <a id=main>", "```<img src=x onerror=1>\nx\n```", '```"><script>1</script>\nx\n```',
    "| <b> | <hx-a |\n|---|---|\n| <script> | x |", "- [ ] <input autofocus>", "> <blink>", "&lt;hx-a&gt; &lt;script&gt;",
    "&#60;script&#62;", "\x00<script>", "<scr\x00ipt>", "a\u202eb\u2066c", "\U000e0041\U000e0042", "\x1b[31mred", "x\u200by",
    "<hx-\na>", "<HX-partial hx-target='body'>", "[<template hx type=partial>](http://a.test)", "$$<b>$$", "<x-y onclick=1>",
]


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    handle_startendtag = handle_starttag

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")


def elements(html: str) -> list[tuple[str, dict[str, str]]]:
    parser = _Elements()
    parser.feed(html)
    parser.close()
    return parser.found


def check(html: str) -> None:
    """Nothing but what is allowed, no `<` in an attribute, addresses that were checked."""
    for tag, attrs in elements(html):
        assert tag in ALLOWED, f"<{tag}> in {html}"
        assert not attrs.keys() - ALLOWED[tag], f"{attrs} of <{tag}> in {html}"
        assert tag != "a" or re.match(r"https?://[^@/\\]+(?:[/?#]|$)|mailto:", attrs["href"]), attrs
        assert not attrs.get("id") or re.fullmatch(r"m1-(?:b?\d+)", attrs["id"]), attrs
    for value in re.findall(r'="([^"]*)"', html):
        assert "<" not in value and ">" not in value, value


def live(text: str, *, step: int = 5) -> list[str]:
    """What is shown of a text while it streams, and when it is settled."""
    reply = LiveMarkdown("m1")
    shown = []
    for at in range(0, len(text), step):
        reply.feed(text[at:at + step], at + 1)
        shown.append(reply.html())
    reply.close(len(text) + 1)
    return [*shown, reply.html()]


@pytest.mark.parametrize("vector", VECTORS)
def test_what_a_model_writes_is_only_text_and_links(vector):
    for text in (vector, f"- **{vector}** b\n- x", f"[{vector}](http://a.test)"):
        for html in live(text):
            check(html)
        check(render(text))


@pytest.mark.parametrize("vector", VECTORS)
def test_a_second_cleaning_and_the_rules_of_htmx_change_nothing(vector):
    html = render_reply("m1", vector)
    attributes = {tag: attrs - {"rel"} for tag, attrs in ALLOWED.items() if attrs}
    again = nh3.clean(html, tags=set(ALLOWED), attributes=attributes, clean_content_tags=set())
    assert [tag for tag, _ in elements(again)] == [tag for tag, _ in elements(html)]
    assert re.search(r"<hx-[a-z]+[\s>]", html, re.I) is None  # htmx 4 rewrites it, wherever it stands


def test_marks_become_elements():
    assert render("**a** *b* ~~c~~ `d`") == "<p><strong>a</strong> <em>b</em> <del>c</del> <code>d</code></p>"
    assert render("a\nb") == "<p>a\nb</p>"
    assert render_reply("m1", "a\nb  \nc") == '<p id="m1-b1">a<br>\nb<br>\nc</p>'


def test_links_say_where_they_lead_and_open_elsewhere():
    url = "https://x.test/a?b=1&amp;c"
    assert render("[a](https://x.test/a?b=1&c)") == f'<p><a href="{url}" {LINK.format(url)}a</a></p>'
    assert f'{LINK.format("https://xn--pple-43d.test")}https://xn--pple-43d.test</a>' in render("<https://\u0430pple.test>")


def test_pictures_are_links_and_nothing_is_fetched():
    url = "http://x.test/a.png"
    assert render(f"![a *b*]({url})") == f'<p><a href="{url}" {LINK.format(url)}a b</a></p>'
    assert f">{url}</a>" in render(f"![]({url})")
    assert render(f"[![a]({url})](http://y.test)").count("<a ") == 1


def test_the_title_of_a_link_is_its_target_not_what_the_model_says():
    assert "bank" not in render('[a](http://evil.test "http://bank.test")')


def test_tables_are_boxes_that_scroll_with_classes_for_numbers():
    html = render("| a | b |\n|--:|:-:|\n| 1 | 2 |")
    assert html.startswith('<div class="tbl" tabindex="0"')
    assert '<th scope="col" class="num">a</th>' in html
    assert '<td class="mid">2</td>' in html
    assert "style" not in html


def test_task_lists_are_boxes_that_cannot_be_ticked():
    assert render("- [x] a\n- [ ] b") == (
        '<ul class="tasks"><li><label class="check"><input type="checkbox" checked disabled><span>a</span></label></li>'
        '<li><label class="check"><input type="checkbox" disabled><span>b</span></label></li></ul>')


def test_a_list_looks_the_same_whether_it_is_loose_or_not():
    assert render("- a\n- b") == render("- a\n\n- b") == "<ul><li><p>a</p></li><li><p>b</p></li></ul>"


def test_headings_of_a_reply_stand_below_those_of_the_page():
    assert render("# a\n### b") == '<h3>a</h3>\n<h3 class="sub">b</h3>'


def test_code_has_its_language_and_a_copy_button():
    html = render("```python title=x\ndef f(): pass\n```")
    assert "<span>python</span><button" in html
    assert '<span class="k">def</span> <span class="f">f</span>' in html


def test_a_name_for_code_is_short_and_escaped():
    assert f"<span>{'x' * 30}</span>" in render(f"```{'x' * 99}\n```")


def test_what_is_invisible_is_seen():
    assert clean("a\x00\x1b\x7f\x85\u202e\u2066\u200b\U000e0041\ud800b") == "a\u2400\u241b\u2421" + "\ufffd" * 6 + "b"
    assert clean("a\tb\r\nc\rd\ne\u200d\u200cf") == "a\tb\nc\nd\ne\u200d\u200cf"
    assert render("a&#8238;b&#x1b;") == "<p>a\ufffdb\ufffd</p>"


def test_a_definition_that_comes_late_keeps_its_label_visible():
    url = "http://x.test"
    link = f'<a href="{url}" {LINK.format(url)}docs</a>'
    assert render(f"[docs][1]\n\n[1]: {url}") == f"<p>{link}[1]</p>"
    assert render(f"[1]: {url}\n\n[docs][1]") == f"<p>{link}</p>"
    assert render(f"[docs]\n\n[docs]: {url}") == f"<p>{link}</p>"


def test_a_text_over_the_limit_is_plain_and_whole():
    text = "**a** <b>\n" * (PLAIN_OVER // 10 + 1)
    html = render_reply("m1", text)
    assert html.startswith('<div id="m1-b1" class="out"')
    assert "".join(re.findall(r"<pre>\n?(.*?)</pre>", html, re.S)).count("**a** &lt;b&gt;") == len(text) // 10


@pytest.mark.parametrize("text", ["> " * 200 + "x", "- " * 200 + "x", "\n".join(" " * 2 * n + "- a" for n in range(99))],
                         ids=["quotes", "lists", "indents"])
def test_what_nests_too_deep_is_plain_text(text):
    assert render(text).startswith('<div class="out"')
    assert render(text).count("x") + render(text).count("a<") >= 1


def test_a_table_of_thousands_of_columns_is_none():
    assert "<table" not in render("|a" * 2000 + "|\n" + "|-" * 2000 + "|\n")


def test_a_paragraph_of_nothing_but_signs_keeps_its_text():
    assert render("[" * 5000) == f"<p>{'[' * 5000}</p>"


def test_a_text_that_breaks_the_parser_is_shown_as_it_is(monkeypatch):
    def broken(*_):
        raise RecursionError
    monkeypatch.setattr(markdown, "blocks_of", broken)
    assert "<pre>**a**</pre>" in render("**a**")


def test_a_text_that_breaks_the_stream_is_shown_as_it_is(monkeypatch):
    def broken(*_):
        raise RecursionError
    monkeypatch.setattr(Growing, "tail", broken)
    assert "<pre>**a**" in live("**a**", step=99)[0]


def test_drawing_imports_are_there_after_warming():
    markdown.warm()
    assert markdown.is_warm()


@given(st.from_regex(markdown.WORDS, fullmatch=True).filter(lambda text: len(text) < 500))
@example("Follows the links of a site: titles, status (redirects), 3-4 orphans - and/or a graph. Yes?")
def test_words_are_drawn_without_the_parser_as_it_would_draw_them(text):
    assert render(text) == "\n".join(markdown._drawn(text, breaks=False))
