"""What is half typed is never lost: not by a reload, by leaving, by a restart, nor by what another tab does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, connected, eventually, go, limit_uploads
from tests.browser.test_pages import violations
from tests.harness import NOWHERE, Server

PLUGIN = '''
from dataclasses import dataclass
from typing import Annotated, Literal

from treadle import LongText, Range, Secret, Upload, plain, workflow


@dataclass
class Scope:
    name: str
    pages: int
    notes: LongText | None
    side: Literal["Left", "Right"]
    country: Literal["NL", "DE", "FR", "BE", "UK", "US", "ES"]
    include: list[Literal["HTML", "Images", "Documents"]]
    key: Secret
    file: Upload | None
    workers: Annotated[int, Range(1, 50)] = 12
    group: bool = True


@workflow("Scopes", message="m", steps=["First", "Scope"])
async def scopes(ui):
    await ui.ask("First", str)
    scope = await ui.form("Scope", Scope)
    ui.show(plain(f"{scope.name} {scope.side}"))


@workflow("Sends", message="m")
async def sends(ui):
    @dataclass
    class Sent:
        name: str
        file: Upload

    await ui.form("Sent", Sent)
'''


@pytest_asyncio.fixture(loop_scope="session")
async def own(tmp_path: Path) -> AsyncIterator[Server]:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "010_scopes.py").write_text(PLUGIN)
    server = Server(tmp_path, ollama=NOWHERE, plugins=tmp_path / "plugins")
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.kill)


async def half_typed(page: Page) -> None:
    await page.locator("#f-scope-0").press_sequentially("Spri")
    await page.locator("#f-scope-1").fill("9,0")
    await page.locator("#f-scope-2").fill("two\nlines")
    await page.get_by_label("Right").check()
    await page.locator("#f-scope-4").select_option("FR")
    await page.get_by_label("Images").check()
    await page.get_by_label("Documents").check()
    await page.get_by_label("Documents").uncheck()
    await page.locator("#f-scope-6").fill("hunter2!")
    await page.locator("#f-scope-8").fill("20")
    await page.get_by_label("Group").uncheck()


async def is_there(page: Page) -> None:
    await expect(page.locator("#f-scope-0")).to_have_value("Spri")
    await expect(page.locator("#f-scope-1")).to_have_value("9,0")
    await expect(page.locator("#f-scope-2")).to_have_value("two\nlines")
    await expect(page.get_by_label("Right")).to_be_checked()
    await expect(page.locator("#f-scope-4")).to_have_value("FR")
    ticked = [await box.is_checked() for box in await page.locator("[name='value.include']").all()]
    assert ticked == [False, True, False]
    await expect(page.locator("#f-scope-6")).to_have_value("")
    await expect(page.locator("output")).to_have_text("20")
    await expect(page.get_by_label("Group")).not_to_be_checked()


async def stored(page: Page) -> str:
    return str(await page.evaluate("JSON.stringify({...sessionStorage})"))


async def begin(page: Page) -> None:
    await page.locator("#f-first").fill("Ada")
    await page.get_by_role("button", name="Start").click()
    await page.locator("#f-scope-0").wait_for()
    await connected(page)


async def test_a_half_typed_answer_survives_a_reload_the_menu_and_a_restart_and_is_forgotten_when_saved(
        own, windows, page, watch):
    watch.expect("ERR_CONNECTION|Failed to fetch|network error|ERR_INCOMPLETE|ERR_EMPTY|422")
    await page.goto("/scopes")
    await page.locator("#f-first").press_sequentially("Ad")
    await page.reload()
    await expect(page.locator("#f-first")).to_have_value("Ad")
    await go(page, "Home")
    await page.locator("#places").wait_for()
    await go(page, "Scopes")
    await expect(page.locator("#f-first")).to_have_value("Ad")
    await begin(page)
    assert "Ad" not in await stored(page)
    await half_typed(page)
    assert "hunter2!" not in await stored(page)
    await page.reload()
    await is_there(page)
    await go(page, "Home")
    await page.locator("#places").wait_for()
    await page.go_back()
    await is_there(page)
    await page.goto("/runs")
    await page.get_by_role("link", name="Scopes, Ada", exact=True).click()
    await is_there(page)
    await asyncio.to_thread(own.kill)
    await asyncio.to_thread(own.restart)
    await connected(page)
    await is_there(page)
    await page.reload()
    await is_there(page)
    await page.locator("#f-scope-6").fill("hunter2!")
    await page.locator("#f-scope-1").fill("nine")
    await page.get_by_role("button", name="Save").click()
    await page.locator("#f-scope-1-err").wait_for()
    await page.reload()
    await expect(page.locator("#f-scope-1")).to_have_value("nine")
    await page.locator("#f-scope-1").fill("9")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".step.show")).to_have_text("Spri Right")
    assert "Spri" not in await stored(page)


async def test_a_tab_whose_step_was_answered_elsewhere_is_told_at_once_and_loses_no_letter(own, windows):
    context = await windows.new(reduced_motion="reduce")
    windows.watch(context).expect("409")
    page = await context.new_page()
    await page.goto("/scopes")
    await begin(page)
    await half_typed(page)
    other = await context.new_page()
    await other.goto(page.url)
    await other.get_by_role("button", name="Revert to First").click()
    notice = page.locator("#step-scope .elsewhere")
    await expect(notice).to_be_visible()
    await expect(notice).to_contain_text("This run has gone on in another tab.")
    await expect(page.locator("#f-scope-0")).to_have_value("Spri")
    for size in (DESKTOP, PHONE):
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        assert await violations(page) == []
    await other.locator("#f-first").fill("Grace")
    await other.get_by_role("button", name="Save").click()
    await other.locator("#f-scope-0").wait_for()
    await expect(notice).not_to_be_visible()  # its step is asked again, with what is typed here
    await expect(page.locator("#f-scope-0")).to_have_value("Spri")
    await other.locator("#f-scope-0").fill("Other")
    await other.locator("#f-scope-1").fill("1")
    await other.get_by_label("Left").check()
    await other.locator("#f-scope-4").select_option("DE")
    await other.locator("#f-scope-6").fill("hunter2!")
    await other.get_by_role("button", name="Save").click()
    await expect(notice).to_be_visible()
    await page.bring_to_front()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#step-scope")).to_contain_text("Name: Spri")
    await page.get_by_role("link", name="Go on with the stored one").click()
    await expect(page.locator(".step.show")).to_have_text("Other Left")


async def test_a_secret_is_shown_while_its_button_is_pressed_and_moves_nothing(own, page):
    await page.goto("/scopes")
    await begin(page)
    field, show = page.locator("#f-scope-6"), page.get_by_role("button", name="Show", exact=True)
    await field.fill("hunter2!")
    before = await field.bounding_box(), await show.bounding_box()
    await field.press("Tab")
    await expect(show).to_be_focused()
    await page.keyboard.press("Space")
    await expect(show).to_have_attribute("aria-pressed", "true")
    await expect(field).to_have_attribute("type", "text")
    assert (await field.bounding_box(), await show.bounding_box()) == before
    assert "hunter2!" not in await stored(page)
    assert await violations(page) == []
    await page.keyboard.press("Enter")
    await expect(show).to_have_attribute("aria-pressed", "false")
    await expect(field).to_have_attribute("type", "password")
    await expect(field).to_have_value("hunter2!")


async def test_stop_in_the_bar_of_an_upload_keeps_the_form_and_nothing_of_the_file(own, page, tmp_path):
    big = tmp_path / "big.txt"
    big.write_bytes(b"word word " * 600_000)
    await page.goto("/sends")
    limit = await limit_uploads(page, 500_000)
    await page.locator("#f-sent-0").fill("Ada")
    await page.locator("#f-sent-1").set_input_files(big)
    await page.get_by_role("button", name="Start").click()
    await page.get_by_role("button", name="Stop uploading big.txt").click()
    await expect(page.locator("#f-sent-1-bar")).to_contain_text("The upload was stopped; nothing of it was stored.")
    await expect(page.get_by_role("button", name="Start")).to_be_enabled()
    await expect(page.locator("#f-sent-0")).to_have_value("Ada")
    await eventually(lambda: asyncio.to_thread(lambda: not [*(own.data / "files").glob("*")]))
    assert "Traceback" not in own.log_file.read_text()
    await limit(-1)
    await page.get_by_role("button", name="Start").click()
    await page.get_by_role("link", name="big.txt").wait_for()
