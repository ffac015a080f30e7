"""Every type of field in a real browser: by keyboard alone on a phone, with nothing axe can find."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.browser.conftest import PHONE, SMALL, connected
from tests.browser.test_pages import violations
from tests.every import plugins_at
from tests.harness import NOWHERE, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("every")
    with Server(folder, ollama=NOWHERE, plugins=plugins_at(folder / "plugins")) as server:
        yield server


async def test_a_form_of_every_type_is_filled_in_by_keyboard_alone_on_a_phone(windows, tmp_path):
    context = await windows.new(PHONE, reduced_motion="reduce", locale="en-GB")
    windows.watch(context).expect("422")
    page = await context.new_page()
    await page.goto("/every")
    keys = page.keyboard
    await page.locator("#f-scope-0").focus()

    async def typed(text: str) -> None:
        await keys.type(text)
        await keys.press("Tab")

    await typed("Spring")
    await typed("9000")
    await typed("9.5")
    for text in ("11", "11", "2026"):  # whatever their order is here
        await keys.type(text)
    await keys.press("Tab")
    while await page.evaluate("document.activeElement.id") == "f-scope-3":  # the button of its calendar
        await keys.press("Tab")
    for text in ("11", "11", "2026"):  # whatever their order is here
        await keys.type(text)
    await keys.press("Tab")
    await keys.type("1405")
    while await page.evaluate("document.activeElement.id") == "f-scope-4":
        await keys.press("Tab")
    await typed("")
    await typed("https://docs.example.org/")
    await typed("two")
    await keys.press("Space")
    await keys.press("ArrowDown")
    await keys.press("Tab")  # Compare: the second
    await keys.press("Space")
    await typed("")
    await typed("")
    await keys.press("Space")
    await typed("")
    await keys.type("FR")
    await keys.press("Tab")
    await keys.press("Space")
    await keys.press("ArrowRight")
    await keys.press("Tab")  # Size: the second
    (tmp_path / "k.csv").write_text("a,b\n")
    await page.locator("#f-scope-12").set_input_files(tmp_path / "k.csv")
    await keys.press("Tab")
    await keys.press("Tab")
    await typed("hunter2!")
    await keys.press("Tab")  # the button that shows it
    await typed('{"a": 1}')
    await typed("# T")
    await typed("")
    await expect(page.locator("#f-scope-18")).to_be_focused()
    for _ in range(8):
        await keys.press("ArrowRight")
    await expect(page.locator("output")).to_have_text("20")
    await keys.press("Tab")
    await keys.press("Space")  # Group: no
    await keys.press("Tab")
    await keys.press("Enter")

    await expect(page.locator("#f-scope-1-err")).to_have_text("9,000 is over the limit of 5,000.")
    await expect(page.locator("#f-scope-1")).to_be_focused()
    await expect(page.locator("output")).to_have_text("20")
    await expect(page.locator("#f-scope-16")).to_have_value("# T")
    assert await violations(page) == []
    await keys.press("Control+A")
    await typed("1500")
    await page.locator("#f-scope-1").press("Enter")
    await page.locator("#f-days").wait_for()
    await expect(page.locator("#f-days")).to_be_focused()
    assert "hunter2" not in await page.content()
    await keys.press("Space")
    await keys.press("Enter")
    await page.locator("#f-key").wait_for()
    await keys.press("Enter")
    said = page.locator("#shown-1")
    await expect(said).to_have_text("Spring 1500 9.5 11.11. 14:05 Full URL as it stands ['HTML', 'Documents'] LARGE "
                                    "k.csv 8 {'a': 1} 20 False [1] True")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_form_of_every_type_has_no_violation_and_fits_a_small_screen(windows, scheme):
    context = await windows.new(SMALL, color_scheme=scheme, reduced_motion="reduce")
    windows.watch(context).expect("422")
    page = await context.new_page()
    await page.goto("/every")
    assert await violations(page) == []
    await page.locator(".card-foot .btn.solid").click()
    await page.locator("#f-scope-0-err").wait_for()
    assert await violations(page) == []
    assert await page.evaluate("document.querySelector('#main').scrollWidth") <= SMALL[0]
    await page.locator(".notice.bad a", has_text="Text").click()
    await expect(page.locator("#f-scope-16")).to_be_focused()


async def test_what_is_half_typed_and_ticked_survives_what_another_tab_does(windows):
    context = await windows.new()
    page, other = await context.new_page(), await context.new_page()
    await page.goto("/pick")
    await page.locator(".card-foot .btn.solid").click()
    await page.get_by_role("button", name="Revert to Pages").click()
    await page.locator("#f-pages-o7").check()
    await connected(page)
    await other.goto(page.url)
    await other.get_by_role("button", name="Undo", exact=True).click()
    await other.get_by_role("button", name="Revert to Pages").wait_for()
    await other.get_by_role("button", name="Revert to Pages").click()
    await other.locator("#f-pages-o7").wait_for()
    await expect(page.locator("#f-pages-o7")).to_be_checked()
