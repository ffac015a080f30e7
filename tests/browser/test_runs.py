"""Runs in a real browser: what only happens there, between htmx, the stream and a person's hands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import connected, limit_uploads
from tests.harness import NOWHERE, Server
from tests.trips import plugins_at


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("trips")
    with Server(folder, ollama=NOWHERE, plugins=plugins_at(folder / "plugins")) as server:
        yield server


async def trip(page: Page, town: str = "Rome") -> str:
    """A trip that was begun by keyboard; its path."""
    await page.goto("/trip")
    await page.locator("#f-where").fill(town)
    await page.locator("#f-where").press("Enter")
    await page.locator("#f-days").wait_for()
    await connected(page)
    return page.url


async def second(page: Page, url: str) -> Page:
    other = await page.context.new_page()
    await other.goto(url)
    await connected(other)
    return other


async def test_a_run_is_answered_by_keyboard_alone_and_the_focus_goes_along(page):
    await trip(page)
    await expect(page.locator("#f-days")).to_be_focused()
    await page.locator("#f-days").press_sequentially("3")
    await page.keyboard.press("Enter")
    await expect(page.locator("#step-go-h")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#f-note")).to_be_focused()
    await expect(page).to_have_title("Trip, Rome · Treadle")


async def test_a_refused_answer_keeps_its_text_and_takes_the_focus(page, watch):
    watch.expect("422")
    url = await trip(page)
    await page.locator("#f-days").fill("31")
    await page.locator("#f-days").press("Enter")
    await expect(page.locator("#f-days-err")).to_have_text("At most 30 days.")
    await expect(page.locator("#f-days")).to_be_focused()
    await expect(page.locator("#f-days")).to_have_value("31")
    assert page.url == url


async def test_i55_an_answer_nobody_took_is_said_at_its_form_and_can_be_sent_again(page, watch):
    watch.expect("ERR_FAILED|Failed to fetch")
    await trip(page)
    await page.route("**/steps/days", lambda route: route.abort())
    await page.locator("#f-days").press_sequentially("3")
    await page.keyboard.press("Enter")
    await expect(page.locator("#step-days .unsaved")).to_be_visible()
    await expect(page.locator("#f-days")).to_have_value("3")
    await page.unroute("**/steps/days")
    await page.locator("#f-days").press("Enter")
    await expect(page.locator("#step-days .sum")).to_have_text("3")
    await expect(page.locator(".unsaved:visible")).to_have_count(0)


async def test_half_typed_text_stays_while_the_run_changes_around_it(page):
    url = await trip(page)
    other = await second(page, url)
    await page.locator("#f-days").press_sequentially("12")
    await other.get_by_role("button", name="Finish and lock").click()
    await other.get_by_role("button", name="Unlock").click()
    await other.get_by_role("button", name="Revert to Where").click()
    await other.get_by_role("button", name="Undo").click()
    await expect(other.locator("#f-days")).to_be_focused()
    await expect(page.locator("#f-days")).to_have_value("12")
    await other.get_by_role("button", name="Revert to Where").click()
    await other.locator("#f-where").fill("Oslo")
    await other.locator("#f-where").press("Enter")
    await expect(other).to_have_title("Trip, Oslo · Treadle")


async def test_two_answers_wait_for_a_decision_while_the_other_tab_goes_on(page, watch):
    watch.expect("409")
    url = await trip(page)
    other = await second(page, url)
    await page.locator("#f-days").press_sequentially("7")
    await other.locator("#f-days").fill("3")
    await other.locator("#f-days").press("Enter")
    await other.locator("#step-go").wait_for()
    await page.locator("#f-days").press("Enter")
    await page.get_by_text("Use mine instead").wait_for()
    await other.get_by_role("button", name="Book it").click()
    await other.locator("#f-note").wait_for()
    await expect(page.locator("#step-days .facts")).to_contain_text("Yours")
    await page.get_by_role("link", name="Go on with the stored one").click()
    await expect(page.locator("#f-note")).to_be_focused()
    await expect(page.locator("#step-days .sum")).to_have_text("3")


async def test_a_table_is_sorted_searched_and_turned_and_stays_so_when_the_run_changes(page, tmp_path: Path):
    words = tmp_path / "words.txt"
    words.write_text(" ".join(f"w{n:03}" for n in range(129)) + " " + "x" * 200)
    await page.goto("/listing")
    await page.locator("#f-list").set_input_files(words)
    await page.get_by_role("button", name="Start").click()
    await page.locator("#step-kind .solid").click()
    table = page.locator("form.data")
    wide, steps = await table.bounding_box(), await page.locator("ol.steps").bounding_box()
    assert wide["width"] < steps["width"]  # what is wider scrolls in its own box
    await table.get_by_role("button", name="word").click()
    await expect(table.locator("th").first).to_have_attribute("aria-sort", "ascending")
    await table.get_by_role("searchbox").press_sequentially("w01")
    await expect(table.locator("footer")).to_contain_text("1 to 10 of 10")
    await expect(table.get_by_role("searchbox")).to_be_focused()
    await table.get_by_role("link", name="Clear the search").click()
    await page.get_by_role("button", name="Next page").click()
    await expect(table.locator("footer")).to_contain_text("51 to 100 of 130")
    other = await second(page, page.url)
    await other.get_by_role("button", name="Finish and lock").click()
    await page.get_by_role("button", name="Unlock").wait_for()
    await expect(table.locator("footer")).to_contain_text("51 to 100 of 130")


async def test_an_upload_shows_how_far_it_is(page, tmp_path: Path):
    big = tmp_path / "big.txt"
    big.write_bytes(b"word word " * 600_000)
    await page.goto("/listing")
    await limit_uploads(page, 1_500_000)
    await page.locator("#f-list").set_input_files(big)
    await page.get_by_role("button", name="Start").click()
    await expect(page.locator("#f-list-bar")).to_contain_text("of 6 MB")
    await expect(page.get_by_role("button", name="Start")).to_be_disabled()
    await page.locator("#step-kind").wait_for(timeout=15_000)
