"""A draft in a real browser: it flows into the field until the first key press, and can be had back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from tests.browser.test_pages import violations
from tests.fakes import FakeOllama, Gate, Script
from tests.harness import Server

PLUGIN = '''
from treadle import LongText, workflow


@workflow("Note", message="m")
async def note(ui):
    url = await ui.ask("URL", str)
    text = await ui.ask("Note", LongText, draft="Summarise the broken links")
    title = await ui.ask("Title", str, draft="A title for it")
    ui.show(f"{title}: {text}")
'''


@pytest.fixture(scope="module")
def server(model: FakeOllama, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("note")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "010_note.py").write_text(PLUGIN)
    with Server(folder, ollama=model.address, plugins=folder / "plugins") as server:
        yield server


async def begun(page: Page) -> None:
    """Its first question answered: the second is open, and the model is asked for a draft."""
    await page.goto("/note")
    await expect(page.locator("#chat .notice")).to_have_count(0)
    await page.locator("#f-url").fill("docs.example.org")
    await page.locator("#f-url").press("Enter")
    await page.locator("#f-note").wait_for()


async def test_a_draft_flows_in_until_the_first_key_press_and_can_be_had_back(page, model):
    gate = Gate()
    model.next(Script(n=40, gate=gate))
    await begun(page)
    gate.allow(3)
    await expect(page.locator("#f-note")).to_have_value("w00001 w00002 w00003")
    await expect(page.locator("#f-note-draft")).to_contain_text("is drafting. Type to take over.")
    assert await violations(page) == []
    await expect(page.locator("#f-note")).to_be_focused()
    await page.keyboard.press("Control+End")
    await page.keyboard.type(" Mine.")
    await expect(page.locator("#f-note-draft")).to_contain_text("Yours since you typed. The draft has 3 words.")
    gate.open()
    await expect(page.locator("#f-note")).to_have_value("w00001 w00002 w00003 Mine.")
    await page.get_by_role("button", name="Bring the draft back").click()
    await expect(page.locator("#f-note")).to_have_value("w00001 w00002 w00003")
    await page.locator("#f-note").fill("All mine.")
    await page.get_by_role("button", name="Save").click()
    await page.locator("#f-title").wait_for()
    await expect(page.locator("#step-note")).to_contain_text("All mine.")


async def test_a_draft_is_stopped_and_saved_as_it_is_and_a_line_is_drafted_too(page, model):
    gate = Gate()
    model.next(Script(n=40, gate=gate), Script(text="Broken links\nof docs"))
    await begun(page)
    gate.allow(2)
    await expect(page.locator("#f-note")).to_have_value("w00001 w00002")
    await page.get_by_role("button", name="Stop the draft").click()
    await expect(page.locator("#f-note-draft")).to_contain_text("Stopped. The draft has 2 words.")
    gate.open()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#f-title")).to_have_value("Broken links of docs")
    await expect(page.locator("#f-title-draft")).to_contain_text("Drafted by")
    await page.locator("#f-title").press("Enter")
    await expect(page.locator("#shown-1")).to_have_text("Broken links of docs: w00001 w00002")
