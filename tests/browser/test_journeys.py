"""What people come for: each shipped plugin from its first question to its download, in Chromium."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import PHONE
from tests.browser.test_pages import violations
from tests.fakes import Script
from tests.harness import soak
from tests.site import Site, running
from tests.site import page as html

HTML = {"Content-Type": "text/html; charset=utf-8"}


class Gated(Site):
    """A site of many pages on two floors, which holds back its pages from the number `until` on."""

    def __init__(self, floors: int, each: int) -> None:
        super().__init__(pages=0)
        self.until, self.pages = 10 ** 6, floors * each
        self.opened = threading.Condition()
        self.answers["/"] = (200, HTML, html("Home", *(f"/floor/{floor}" for floor in range(floors)), "/old", "/gone"))
        self.answers["/old"] = (301, {"Location": "/floor/0"}, b"")
        for floor in range(floors):
            rooms = [f"/room/{floor * each + room}" for room in range(each)]
            self.answers[f"/floor/{floor}"] = (200, HTML, html(f"Floor {floor}", *rooms))
            self.answers |= {room: (200, HTML, html(f"Room {room[6:]}")) for room in rooms}

    def let(self, until: int) -> None:
        """Let the pages with lower numbers out."""
        with self.opened:
            self.until = until
            self.opened.notify_all()

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        found = super().answer(path)
        if path.startswith("/room/"):
            with self.opened:
                self.opened.wait_for(lambda: int(path[6:]) < self.until, timeout=20)
        return found


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running(Site(pages=2)) as site:
        del site.answers["/huge"]
        yield site


def step(page: Page, label: str) -> Locator:
    """The card of the question or job with this label that is to be done now."""
    return page.locator(".step.active").filter(has=page.get_by_role("heading", name=label, exact=True))


async def save(page: Page, label: str, value: Any = None) -> None:
    """Answer the question with this label; None takes what is proposed. A path is a file, a list the boxes to tick."""
    card = step(page, label)
    await card.wait_for()
    if isinstance(value, Path):
        await card.locator("input[type=file]").set_input_files(str(value))
    elif isinstance(value, dict):
        for name, each in value.items():
            field = card.locator(f"[name='value.{name}']")
            await (field.set_checked(each) if isinstance(each, bool) else field.fill(each))
    elif isinstance(value, list):
        for box in await card.locator("input[type=checkbox]").all():
            await box.uncheck()
        for text in value:
            await card.get_by_role("checkbox", name=text, exact=True).check()
    elif value is not None:
        await card.locator("[name=value]").fill(value)
    await card.locator(".card-foot .btn.solid").click()


async def shown(page: Page, text: str) -> None:
    await expect(page.locator(".step.show", has_text=text).first).to_be_visible(timeout=20_000)


async def download(page: Page, name: str) -> bytes:
    """A result, as a person gets it: by a click."""
    async with page.expect_download() as coming:
        await page.locator("a", has_text=name).first.click()
    return Path(await (await coming.value).path()).read_bytes()


async def rows(page: Page, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((await download(page, name)).decode("utf-8-sig"))))


async def test_a_site_is_crawled_stopped_gone_on_with_and_goes_on_after_a_kill_where_it_was(own, page, watch):
    watch.expect("ERR_|Failed to fetch|network error|htmx")  # the server is killed
    floors, each = soak(3, 25), soak(8, 19)
    with running(Gated(floors, each)) as site:
        site.let(8)
        await page.goto("/site_crawl")
        await save(page, "Address", site.url)
        await save(page, "Limits", {"requests_a_second": "20", "pages": "1000"})
        refused = page.locator(".step.active .notice", has_text="Tick Private networks")
        await refused.wait_for()  # and nothing was asked for
        assert site.requests == []
        watch.expect("status of 422")
        await save(page, "Limits", {"private_networks": True})
        crawl = page.locator("#step-crawl-depth-2")
        await expect(crawl.locator(".notice .n")).to_contain_text(f"8 of {site.pages}", timeout=20_000)
        await expect(crawl.get_by_role("heading")).to_have_text("Crawl depth 2")
        await crawl.get_by_role("button", name="Stop").click()
        await expect(crawl).to_contain_text(f"Stopped at 8 of {site.pages} items.")
        site.let(14)  # what was under way when it was stopped ends
        await crawl.get_by_role("button", name="Go on").click()
        await expect(crawl.locator(".notice .n")).to_contain_text(f"14 of {site.pages}", timeout=20_000)
        before = {path for _, path in site.requests if path.startswith("/room/") and int(path[6:]) < 14}
        asked = {path: site.asked(path) for path in before}
        await asyncio.to_thread(own.kill)
        site.let(10 ** 6)
        await asyncio.to_thread(own.restart)
        await page.reload()
        await expect(page.locator("#main")).to_contain_text("How the pages are linked", timeout=60_000)
        assert {path: site.asked(path) for path in before} == asked, "what was stored was fetched again"
        often = [site.asked(f"/room/{number}") for number in range(site.pages)]
        assert min(often) == 1 and sum(often) <= site.pages + 8, "4 by the stop and 4 by the kill at most"
        await shown(page, "Broken: 1. Redirects: 1. Orphans: 2.")
        pages = await rows(page, "pages.csv")
        assert len(pages) == len({row["url"] for row in pages}) == 1 + floors + site.pages + 2
        graph = page.frame_locator("iframe")
        await expect(graph.get_by_text("/gone").first).to_be_attached()
        assert await violations(page) == []


async def test_a_list_of_urls_is_checked(page, site):
    await page.goto("/url_check")
    await step(page, "Source").get_by_label("Paste a list").check()
    await save(page, "Source")
    await save(page, "URLs", "\n".join(f"{site.url}{path}" for path in ("/a", "/old", "/missing", "/b/", "/slow")))
    await save(page, "Manner", {"requests_a_second": "20", "private_networks": True})
    await shown(page, "5 URLs checked.")
    await page.get_by_role("button", name="verdict").click()
    await expect(page.locator(".step.show tbody tr").first).to_contain_text("redirects")
    found = {row["url"].removeprefix(site.url): row for row in await rows(page, "urls.csv")}
    assert [found[path]["verdict"] for path in ("/a", "/old", "/missing", "/b/")] == [
        "fine", "redirects", "broken", "noindex"]
    assert found["/old"]["chain"] == f"301 {site.url}/old > 302 {site.url}/old-2"


async def test_parameters_of_a_packed_log_become_a_robots_txt(windows, tmp_path):
    page = await (await windows.new(PHONE)).new_page()
    log = tmp_path / "access.log.gz"
    log.write_bytes(gzip.compress("".join(
        f'1.2.3.4 - - [21/Nov/2026:10:00:00 +0000] "GET /shop/{n % 5}?page={n % 3}&sid={n} HTTP/1.1" 200 9 "-" "x"\n'
        for n in range(200)).encode()))
    await page.goto("/parameter_buster")
    await save(page, "Log or list", log)
    await shown(page, "200 addresses of 5 pages")
    await expect(step(page, "Block").get_by_label("page: ")).not_to_be_checked()  # it is part of the page
    await save(page, "Block")
    await shown(page, "Disallow: /*?sid=")
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    assert await download(page, "robots.txt") == b"User-agent: *\nDisallow: /*?sid=\nDisallow: /*&sid=\n"


async def test_three_exports_of_three_kinds_show_what_the_first_lacks(page, tmp_path):
    (tmp_path / "ours.csv").write_text("Keyword;Volume\nred shoes;100\nboots;1.000\n")
    (tmp_path / "theirs.tsv").write_bytes("Query\tClicks\nBoots\t5\ngreen shoes\t50\n".encode("utf-16"))
    book = Workbook()
    for row in (("Keyword", "Traffic"), ("sandals", 70), ("green shoes", 9)):
        book.active.append(row)
    book.save(tmp_path / "third.xlsx")
    await page.goto("/content_gap")
    await save(page, "Other lists", "2")
    for number, name in enumerate(("ours.csv", "theirs.tsv", "third.xlsx"), 1):
        await save(page, f"Export {number}", tmp_path / name)
        await save(page, f"Compare by {number}")
        await save(page, f"Priority {number}")
    await save(page, "What makes two the same")
    await shown(page, "Missing in ours: 2. Only there: 1. Shared: 1.")
    book = load_workbook(io.BytesIO(await download(page, "content-gap.xlsx")))
    missing = [tuple(row) for row in book["missing"].iter_rows(values_only=True)]
    assert missing[0][4:] == ("ours: Volume", "theirs: Clicks", "third: Traffic")
    assert missing[1:] == [("sandals", 70, 1, "third", None, None, 70),
                           ("green shoes", 50, 2, "theirs, third", None, 50, 9)]


async def test_a_table_is_cleaned_and_seen_before_and_after(page, watch, tmp_path):
    watch.expect("status of 422")
    file = tmp_path / "people.csv"
    file.write_bytes("Name;Geboren;Summe\n  Müller ;1.2.1990;1.234,50\nMüller;01.02.1990;1234,5\n".encode("latin-1"))
    await page.goto("/csv_cleaner")
    await save(page, "File", file)
    await shown(page, "2 rows, 3 columns.")
    await save(page, "Columns")
    await save(page, "New names", "Nme = Who")
    await expect(step(page, "New names")).to_contain_text("Line 1: there is no column 'Nme'. There are Name")
    await expect(step(page, "New names").locator("[name=value]")).to_have_value("Nme = Who")
    await save(page, "New names", "Name = Who")
    await save(page, "Fixes", ["Trim spaces, and make one of several", "Write numbers as 1234.5",
                                 "Write dates as 2026-11-21"])
    await step(page, "Duplicates").get_by_label("Drop rows that are equal").check()
    await save(page, "Duplicates")
    await shown(page, "Left: 1 of 2 rows.")
    await expect(page.get_by_role("row", name="1 Summe 1.234,50")).to_contain_text("1234.5")
    assert await rows(page, "cleaned.csv") == [{"Who": "Müller", "Geboren": "1990-02-01", "Summe": "1234.5"}]


async def test_a_text_is_drafted_with_the_model_and_every_part_is_the_persons(page, model):
    model.next(Script(text="# Returns\n1. Costs\n2. Packing\n3. Nonsense"), Script(text="They cost nothing."),
               Script(text="Use a box."))
    await page.goto("/draft")
    await save(page, "Brief", {"subject": "Returns in our shop"})
    await expect(step(page, "Outline").locator("textarea")).to_have_value("Returns\nCosts\nPacking\nNonsense")
    await save(page, "Outline", "Returns\nCosts\nPacking")
    await save(page, "Write this")
    await expect(step(page, "Section Costs").locator("textarea")).to_have_value("They cost nothing.")
    await save(page, "Section Costs", "They are free.")
    await save(page, "Section Packing")
    await shown(page, "Use a box.")
    await expect(page.locator("h1", has_text="Returns in our shop")).to_be_visible()
    assert await download(page, "draft.md") == b"# Returns\n\n## Costs\n\nThey are free.\n\n## Packing\n\nUse a box.\n"
    assert b"<h2>Costs</h2>\n<p>They are free.</p>" in await download(page, "draft.html")


async def test_a_page_is_read_and_asked_about(page, model, site, watch):
    model.next(Script(text="It is page A."))
    await page.goto("/read_page")
    await save(page, "Page", {"address": f"{site.url}/missing", "private_networks": True})
    failed = page.locator(".step.failed")
    await expect(failed).to_contain_text("The page answers with status 404.")
    await page.get_by_label("Revert to Page").click()
    await save(page, "Page", {"address": f"{site.url}/a"})
    await shown(page, "Page A")
    await save(page, "Question 1", "What is it?")
    await shown(page, "It is page A.")
    assert "Page A" in json.dumps(model.chats[-1].body), "the text of the page is asked about"
    await save(page, "Question 2", "")
    assert await rows(page, "answers.csv") == [{"question": "What is it?", "answer": "It is page A."}]


async def test_the_field_gallery_asks_each_kind_of_question_with_its_code(page):
    await page.goto("/field_gallery")
    kinds = soak(["Text", "Slider", "Date", "JSON", "Some of a few", "Options", "Form", "Approval"], [])
    await save(page, "Questions", kinds or None)
    await expect(page.locator(".step.show pre").first).to_contain_text('ui.ask("Name", str')
    card = page.locator(".step.active")
    while await card.count():
        name = await card.get_by_role("heading").first.inner_text()
        await card.locator(".card-foot .btn.solid").click()
        await expect(card.get_by_role("heading", name=name, exact=True)).to_have_count(0)
    await shown(page, "What the workflow was given")
    assert len(json.loads(await download(page, "answers.json"))["answers"]) == (len(kinds) or 24)


async def test_the_show_gallery_shows_everything_with_its_code(page):
    await page.goto("/show_gallery")
    names = ["Markdown", "Table", "Code", "Diagram", "Graph", "Image", "Download", "Components"]
    await save(page, "Shows", soak(names, []) or None)  # those of packages are drawn in tests of their own
    await page.locator(".step.done").first.wait_for()
    await expect(page.locator(".step.active")).to_have_count(0, timeout=60_000)
    for name in names:
        await expect(page.locator("#main").get_by_role("heading", name=name, exact=True)).to_be_visible()
    await page.locator("iframe").first.scroll_into_view_if_needed()
    await expect(page.frame_locator("iframe").first.locator("svg").first).to_be_visible(timeout=20_000)
