"""The main text of a page, whatever its markup."""

import time

import pytest

from plugins._fetch import Page
from plugins._pages import main_text


def lines(html: str, limit: int = 16_000) -> list[str]:
    page = Page("http://a.test/", final="http://a.test/", headers={"content-type": "text/html"}, body=html.encode())
    return [line for line in main_text(page, limit).split("\n\n") if line]


@pytest.mark.parametrize(("html", "text"), [
    ("<div>Direct<p>One <b>bo</b>ld</p>after</div>", ["Direct", "One bold", "after"]),
    ("<section>A<div>b</div><div>c</div></section>", ["A", "b", "c"]),
    ("<table><tr><td>Left<td>Before<p>in it</p>after</table>", ["Left", "Before", "in it", "after"]),
    ("<ul><li>Own <a>text</a><ul><li>nested</li></ul>more</li></ul>", ["- Own text", "- nested", "more"]),
    ("<ul><li>not<li>closed</ul><p>one<p>two", ["- not", "- closed", "one", "two"]),
    ("<ol><li><p>First</p><p>second</p></li><li><h2>Third</h2></li></ol>", ["- First", "second", "## Third"]),
    ("A line,<br>another.<br><br/>New <i>para</i>graph<!-- no -->", ["A line,", "another.", "New paragraph"]),
    ("<p>Run</p><pre>def f():\n    <b>return</b> 1\n</pre>done", ["Run", "def f():\n    return 1", "done"]),
    ("<article>A post</article><article>Its answer</article>", ["A post", "Its answer"]),
    ("<nav>Menu</nav><article>The page</article><div>Related</div>", ["The page"]),
    ("<title>T</title><h2></h2>No body<script>no()</script>", ["No body"])])
def test_a_block_ends_a_line_and_no_text_is_lost(html, text):
    assert lines(html) == text


@pytest.mark.parametrize("part", [
    "<nav>x</nav>", "<header>x</header>", "<footer>x</footer>", "<script>x</script>", "<style>x</style>",
    "<form>x</form>", "<aside>x</aside>", "<div hidden>x</div>", "<b aria-hidden=true>x</b>",
    "<div style='color: red; Display: none'>x</div>", "<div role=navigation>x</div>"])
def test_menus_and_what_is_hidden_are_no_text_of_the_page(part):
    assert lines(f"<div>Kept {part}too</div>") == ["Kept too"]


def test_a_text_is_cut_at_a_paragraph_and_a_long_one_within_it():
    assert lines("<p>" + "a" * 300 + "</p><p>" + "b" * 300, 400) == ["a" * 300]
    assert lines("<h1>Mail</h1><pre>" + "a\n" * 900, 1_000)[0] == "# Mail"
    assert len(lines("<h1>Mail</h1><pre>" + "a\n" * 900, 1_000)[1]) == 1_000 - len("# Mail\n\n")


@pytest.mark.parametrize("piece", ["<br>", "<b>a"])
def test_a_page_of_many_or_deep_tags_is_read_in_time(piece):
    began = time.process_time()
    lines(piece * (80_000 // len(piece)))
    assert time.process_time() - began < 3
