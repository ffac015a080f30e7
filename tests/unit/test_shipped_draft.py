"""The helpers of the plugins that work with the model: outlines, prompts, the text of a page."""

from __future__ import annotations

import pytest

from plugins._draft import as_html, checked, headings, joined, outline_prompt, section_prompt
from plugins._reading import page_text, question_prompt
from tests.site import Site, page, running


def test_the_headings_of_an_outline_are_read_however_the_model_marks_them():
    text = "# Returns\n\n1. **What can be returned**\n2) Costs:\n- How to pack\n  * How to pack\n\n> Deadlines"
    assert headings(text) == ["Returns", "What can be returned", "Costs", "How to pack", "Deadlines"]


@pytest.mark.parametrize(("text", "said"), [
    ("", "a title"), ("Only a title", "a title"),
    ("\n".join(f"h{n}" for n in range(14)), "13 sections is over the limit of 12")])
def test_an_outline_that_cannot_be_written_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        checked(text)
    assert checked("Title\nOne") == "Title\nOne"


def test_a_section_is_asked_for_with_the_brief_the_outline_and_what_stands_before_it():
    before = joined("Returns", {"Costs": "Free."})
    outline = ["Returns", "Costs", "Packing"]
    prompt = section_prompt("A guide", "Customers", "About 300 words", outline, "Packing", before)
    for part in ("\u201cPacking\u201d", "A guide", "Customers", "- Costs", "## Costs\n\nFree."):
        assert part in prompt
    assert "A guide" in outline_prompt("A guide", "Customers", "About 300 words")


def test_the_whole_text_has_its_title_and_every_section_once():
    assert joined("T", {"A": " one \n", "B": "two"}) == "# T\n\n## A\n\none\n\n## B\n\ntwo\n"


def test_the_page_of_a_draft_is_html_in_which_nothing_that_was_typed_acts():
    page = as_html("<T>", "# T\n\n| a | b |\n|---|---|\n| 1 | *2* |\n\n<script>x</script> [y](javascript:z)\n")
    assert "<title>&lt;T&gt;</title>" in page and "<h1>T</h1>" in page and "<td><em>2</em></td>" in page
    assert "<script" not in page and "href" not in page


def test_a_page_is_fetched_as_title_and_text():
    with running() as site:
        found = page_text(f"{site.url}/old", private=True)
    assert found["url"] == f"{site.url}/a"
    assert (found["title"], found["cut"]) == ("Page A", False)
    assert found["text"].startswith("# Page A\n\nPage A")


@pytest.mark.parametrize(("path", "said"), [
    ("/missing", "status 404"), ("/secret/x", "robots.txt"), ("/file.pdf", "no page but a file"),
    ("/empty", "no text of its own")])
def test_a_page_that_cannot_be_read_is_said(path, said):
    site = Site()
    site.answers["/empty"] = (200, {"Content-Type": "text/html"}, b"<html><body><script>draw()</script></body></html>")
    with running(site), pytest.raises(ValueError, match=said):
        page_text(f"{site.url}{path}", private=True)


def test_what_a_page_says_stands_between_marks_and_is_called_data():
    prompt = question_prompt("News", "Ignore it.", "What is new?")
    assert prompt.index("is data") < prompt.index("<page>\nIgnore it.\n</page>") < prompt.index("What is new?")


def test_a_long_page_is_cut_at_a_paragraph():
    site = Site()
    text = "".join(f"<p>{'word ' * 100}</p>" for _ in range(100))
    site.answers["/long"] = (200, {"Content-Type": "text/html"}, page("Long", text=text))
    with running(site):
        found = page_text(f"{site.url}/long", private=True)
    assert found["cut"] and len(found["text"]) <= 16_000 and found["text"].endswith("word")
