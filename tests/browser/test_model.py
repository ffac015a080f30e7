"""The model in a browser: its conditions come and go by themselves, it is chosen, its address is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.browser.conftest import ask, connected
from tests.fakes import FakeOllama, Gate, Model, Pull


@pytest.fixture
def pulled(request: pytest.FixtureRequest, model: FakeOllama) -> Iterator[None]:
    """The models that are installed when the server starts. A test names it before `own`."""
    before = dict(model.models)
    model.models.clear()
    model.models.update({name: Model() for name in request.param})
    yield
    model.models.clear()
    model.models.update(before)


nothing_pulled = pytest.mark.parametrize("pulled", [()], indirect=True, ids=["none"])
two_pulled = pytest.mark.parametrize("pulled", [("qwen3:8b", "gemma3:12b")], indirect=True, ids=["two"])


def condition(page):
    return page.locator("#condition")


@nothing_pulled
async def test_no_model_download_and_ready_follow_each_other_without_a_reload(pulled, own, page, model):
    gate = Gate()
    model.pulls = Pull(steps=10, gate=gate)
    await page.goto("/")
    await expect(condition(page)).to_contain_text("Ollama has no model yet; qwen3:8b needs 5.2 GB.", timeout=10_000)
    await page.get_by_role("button", name="Download qwen3:8b").click()
    gate.allow(4)
    await expect(page.get_by_role("progressbar", name="Downloading qwen3:8b")).to_be_visible()
    await model.until(lambda: model.partial.get("qwen3:8b"))
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(page.get_by_role("button", name="Download qwen3:8b")).to_be_visible()
    assert 0 < model.partial["qwen3:8b"] < 5_200_000_000
    await page.get_by_role("button", name="Download qwen3:8b").click()
    gate.open()
    await expect(condition(page)).to_contain_text("qwen3:8b is ready.")
    await expect(page.locator("#model-button")).to_contain_text("qwen3:8b")
    await expect(condition(page)).to_be_empty(timeout=10_000)


@two_pulled
async def test_a_model_is_chosen_from_the_list_and_every_tab_names_it(pulled, own, page, model):
    await page.goto("/")
    other = await page.context.new_page()
    await other.goto("/hello")
    await expect(page.locator("#model-menu .opt")).to_have_count(2, timeout=10_000)
    await page.locator("#model-button").click()
    await expect(page.locator("#model-menu [aria-current]")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator("#model-button")).to_contain_text("gemma3:12b")
    await expect(page.locator("#model-menu")).to_be_hidden()
    await expect(page.locator("#model-button")).to_be_focused()
    await expect(other.locator("#model-button")).to_contain_text("gemma3:12b")
    await other.bring_to_front()
    await ask(other, "n=2")
    await expect(other.locator(".msg.assistant .by")).to_contain_text("gemma3:12b")


async def test_a_wrong_address_is_named_and_changed_and_an_error_stands_at_its_field(lonely, page, model, watch):
    watch.expect("422")
    await page.goto("/")
    await expect(condition(page)).to_contain_text("No Ollama answers at 127.0.0.1:9.", timeout=10_000)
    await page.locator("#model-button").click()
    await page.locator("#model-menu").get_by_role("button", name="Change address").click()
    field = page.get_by_role("textbox", name="Address of Ollama")
    await expect(field).to_be_focused()
    await field.fill("two words")
    await page.keyboard.press("Enter")
    await expect(page.locator("#address-error")).to_contain_text("“two words” is no address")
    await expect(field).to_have_value("two words")
    await expect(field).to_be_focused()
    await expect(page.locator("#connection")).to_be_empty()
    await field.fill(f"localhost:{model.port}")
    await page.keyboard.press("Enter")
    await expect(page.locator("#model-address")).to_be_hidden()
    await expect(page.locator("#model-menu")).to_be_hidden()
    await expect(page.locator("#model-button")).to_be_focused()
    await expect(condition(page)).to_contain_text("qwen3:8b is ready.")


@nothing_pulled
async def test_what_is_typed_as_an_address_stays_while_the_state_changes(pulled, own, page, model):
    await page.goto("/")
    await expect(condition(page)).to_contain_text("Ollama has no model yet", timeout=10_000)
    await connected(page)
    await page.locator("#model-button").click()
    await page.get_by_role("button", name="Change address").click()
    await page.locator("#address").fill("half typ")
    model.models["tiny:1b"] = Model()
    await expect(condition(page)).to_contain_text("tiny:1b is ready.")
    await expect(page.locator("#address")).to_have_value("half typ")
    await expect(page.locator("#address")).to_be_focused()


async def test_a_question_typed_while_the_model_is_unplugged_is_sent_when_it_is_back(own, page, model):
    await page.goto("/")
    await connected(page)
    await asyncio.to_thread(model.stop)
    try:
        await ask(page, "n=3")
        await expect(page.locator(".msg.assistant")).to_contain_text("Sent when a model is ready", timeout=10_000)
        await expect(condition(page)).to_contain_text("No Ollama answers at")
    finally:
        model.start()
    await expect(page.locator(".msg.assistant .body")).to_have_text("w00001 w00002 w00003", timeout=10_000)
