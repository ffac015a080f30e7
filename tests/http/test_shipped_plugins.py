"""The shipped workflows, played to their end: through the same core as a server, jobs included."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness import Server, until
from tests.site import Site, running
from treadle.errors import InvalidAnswer

LIMITS = {"pages": 100, "depth": 20, "requests_a_second": 20, "private_networks": True}
CHECK = {"Source": "Paste a list", "Manner": {"requests_a_second": 20, "private_networks": True}}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running(Site(pages=3)) as site:
        del site.answers["/huge"]
        yield site


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_crawl_finds_what_is_broken_redirected_and_lonely(run, site):
    r = run("site_crawl", {"Address": site.url, "Limits": LIMITS})
    assert r.waiting_for is None, r
    sheets = r.exports["crawl.xlsx"]
    assert {row["url"].removeprefix(site.url) for row in sheets["Orphans"]} == {"/orphan"}
    assert {row["url"].removeprefix(site.url) for row in sheets["Broken"]} == {
        "/missing", "/error", "/circle-1", "/huge"}
    pages = {row["url"].removeprefix(site.url): row for row in r.exports["pages.csv"]}
    assert (pages["/old"]["page"], pages["/old"]["leads to"]) == ("/old", "/a")
    assert pages["/list/2"]["depth"] == "3"
    assert {each["id"] for each in r.exports["links.json"]["nodes"]} >= {f"{site.url}/", f"{site.url}/a"}


async def test_a_crawl_that_is_continued_with_what_there_is_asks_for_nothing_more(tmp_path):
    stays = threading.Event()

    class Held(Site):
        def answer(self, path):
            if path == "/list/0":
                stays.wait(20)
            return super().answer(path)

    with running(Held()) as site, Server(tmp_path) as server:
        headers = {"Authorization": f"Bearer {(server.data / 'cli.token').read_text().strip()}"}
        async with httpx.AsyncClient(base_url=server.address, headers=headers, trust_env=False, timeout=20) as api:
            begun = await api.post("/api/workflows/site_crawl/runs", json={"value": site.url})
            run = f"/api/runs/{begun.json()['run']}"
            await api.post(f"{run}/answer", json={"value": LIMITS})

            async def held() -> bool:
                return ((await api.get(run)).json()["open"]["progress"] or {}).get("done") == 10

            await until(held)
            await api.post(f"{run}/stop", json={"step": "crawl-depth-1"})
            stays.set()
            answer = await api.post(f"{run}/continue", json={"step": "crawl-depth-1"})

            async def complete() -> bool:
                return bool((await api.get(run)).json()["complete"])

            await until(complete)
            assert answer.status_code == 200
            assert not any(site.asked(path) for path in ("/a?x=1", "/after-huge", "/list/1"))
            shown = (await api.get(run)).json()["shown"]
            assert any("found and not asked for" in text for text in shown if isinstance(text, str))


def test_a_crawl_of_this_computer_is_refused_unless_it_is_allowed(run, site):
    before = len(site.requests)
    with pytest.raises(InvalidAnswer, match=r"private network\. Tick Private networks to fetch"):
        run("site_crawl", {"Address": site.url, "Limits": LIMITS | {"private_networks": False}})
    with pytest.raises(InvalidAnswer, match=r"no host nothing\.invalid"):
        run("site_crawl", {"Address": "https://nothing.invalid/", "Limits": LIMITS})
    assert len(site.requests) == before


def test_a_list_of_urls_is_checked_one_by_one_in_its_order(run, site):
    paths = ["/a", "/old", "/missing", "/b/", "/a"]
    r = run("url_check", {**CHECK, "URLs": "\n".join(f"{site.url}{path}" for path in paths)})
    rows = r.exports["urls.csv"]
    assert [(row["url"].removeprefix(site.url), row["verdict"]) for row in rows] == [
        ("/a", "fine"), ("/old", "redirects"), ("/missing", "broken"), ("/b/", "noindex")]
    assert "1 duplicate and 0 lines without a URL" in r.shown[1]
    with pytest.raises(InvalidAnswer, match="No URL was found"):
        run("url_check", {"Source": "Paste a list", "URLs": "nothing"})


def test_parameters_of_a_log_become_rules(run, tmp_path):
    lines = "\n".join(f"https://example.org/shop?sort={way}&page={page}" for way in "abc" for page in range(2))
    r = run("parameter_buster", {"Log or list": written(tmp_path / "urls.txt", lines), "Block": ["sort"]})
    assert r.waiting_for is None, r
    assert [row["parameter"] for row in r.exports["parameters.csv"]] == ["sort", "page"]
    code = next(thing for thing in r.shown if type(thing).__name__ == "Code")
    assert "Disallow: /*?sort=" in code.text
    empty = run("parameter_buster", {"Log or list": written(tmp_path / "plain.txt", "https://example.org/a")})
    assert empty.waiting_for is None
    assert empty.shown[-1] == "No address has a query parameter: there is nothing to block."
    with pytest.raises(InvalidAnswer, match="No line is a request or a URL"):
        run("parameter_buster", {"Log or list": written(tmp_path / "no.txt", "hello")})
    (tmp_path / "cut.log.gz").write_bytes(gzip.compress(b"GET " * 1_000)[:-9])
    with pytest.raises(InvalidAnswer, match="damaged or was cut off"):
        run("parameter_buster", {"Log or list": tmp_path / "cut.log.gz"})


@pytest.mark.parametrize(("text", "said"), [("", "is empty"), ("name,sum\n\n,\n", "no rows below its first"),
                                            ("a\0b\0c", "is not text")])
@pytest.mark.parametrize(("endpoint", "label"), [("csv_cleaner", "File"), ("content_gap", ("Export", 1))])
def test_a_file_that_is_no_table_is_refused_where_it_is_given(run, tmp_path, endpoint, label, text, said):
    with pytest.raises(InvalidAnswer, match=said):
        run(endpoint, {"Other lists": 1, label: written(tmp_path / "list.csv", text)})


def test_two_exports_are_joined_and_show_what_one_lacks(run, tmp_path):
    mine = written(tmp_path / "mine.csv", "Keyword;Volume\nred shoes;100\nblue shoes;1,000\n")
    theirs = tmp_path / "theirs.tsv"
    theirs.write_bytes("Query\tClicks\nRed Shoes\t9\ngreen shoes\t50\n".encode("utf-16"))
    answers: dict[Any, Any] = {"Other lists": 1, "What makes two the same": "The text, in small letters"}
    for key, (file, by, weight) in enumerate([(mine, "Keyword", "Volume"), (theirs, "Query", "Clicks")], 1):
        answers |= {("Export", key): file, ("Compare by", key): by, ("Priority", key): weight}
    r = run("content_gap", answers)
    assert r.waiting_for is None, r
    assert [(row["Keyword"], row["has"]) for row in r.exports["missing.csv"]] == [("green shoes", "theirs")]
    sheets = r.exports["content-gap.xlsx"]
    assert [row["Keyword"] for row in sheets["only"]] == ["blue shoes"]
    assert [row["Keyword"] for row in sheets["shared"]] == ["red shoes"]
    assert "**Missing in mine: 1.**" in r.shown[0]


def test_a_table_is_cleaned_and_shown_before_and_after(run, tmp_path):
    file = written(tmp_path / "list.csv", 'name,sum\n" Ada ",1.5\nAda,"1.50"\n"",""\n')
    answers = {"File": file, "Columns": ["name", "sum"], "New names": "name = Name", "Duplicates": "Drop rows that are "
               "equal in all columns", "Fixes": ["spaces", "empty", "numbers"]}
    r = run("csv_cleaner", answers)
    assert r.waiting_for is None, r
    assert r.exports["cleaned.csv"] == [{"Name": "Ada", "sum": "1.5"}]
    assert r["Compare"]["duplicates"] == 1
    with pytest.raises(InvalidAnswer, match="no column 'nam'"):
        run("csv_cleaner", {**answers, "New names": "nam = Name"})
    back = run.revert(r, "Columns")
    assert (back.waiting_for, "Read" in back) == ("Columns", True)


def test_a_draft_goes_from_brief_to_text_and_the_person_decides(run):
    llm = {"Proposed outline": "# Returns\n1. Costs\n2. Packing", "Proposed section": "The model wrote this."}
    r = run("draft", {"Brief": {"subject": "Returns.", "readers": "All"}}, llm=llm)
    assert r.waiting_for == "Outline"
    r = run.answer(r, {"Outline": "Returns\nCosts\nPacking", "Write this": True, ("Section", "Costs"): "Free.",
                       ("Section", "Packing"): "In a box."}, llm=llm)
    assert r.waiting_for is None, r
    assert r.exports["draft.json"]["sections"] == {"Costs": "Free.", "Packing": "In a box."}
    assert r.shown[0] == "# Returns\n\n## Costs\n\nFree.\n\n## Packing\n\nIn a box.\n"
    stopped = run("draft", {"Brief": {"subject": "x"}, "Outline": "A\nB", "Write this": False}, llm=llm)
    assert stopped.waiting_for is None and "outline is kept" in stopped.shown[0]


def test_a_page_is_read_and_questions_are_answered_until_one_is_empty(run, site):
    asked = {"address": f"{site.url}/a", "private_networks": True}
    r = run("read_page", {"Page": asked, ("Question", 1): "What is it?", ("Question", 2): ""},
            llm={"Answer": "Page A."})
    assert r.waiting_for is None, r
    assert r.exports["answers.csv"] == [{"question": "What is it?", "answer": "Page A."}]
    with pytest.raises(InvalidAnswer, match="Tick Private networks"):
        run("read_page", {"Page": asked | {"private_networks": False}})
    failed = run("read_page", {"Page": {"address": f"{site.url}/missing", "private_networks": True}})
    assert (failed.waiting_for, "status 404" in failed.error) == ("Fetch", True)
