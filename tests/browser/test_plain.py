"""Without JavaScript: the same work by links and forms."""

from __future__ import annotations

import pytest_asyncio
from playwright.async_api import expect

from tests.fakes import Gate, Script


@pytest_asyncio.fixture(loop_scope="session")
async def plain(own, windows):
    """A page of a window that runs no script, at a server of its own."""
    return await (await windows.new(java_script_enabled=False)).new_page()


async def test_the_menu_leads_to_every_place_and_no_control_is_left_that_would_do_nothing(plain):
    await plain.goto("/")
    await plain.locator(".top .menu-btn").click()
    await plain.get_by_role("link", name="Hello", exact=True).click()
    await expect(plain.locator("h1")).to_have_text("Hello")
    for dead in ("#theme", "#chat-toggle", "#split", "#log", "#composer", "#model"):
        await expect(plain.locator(dead)).to_be_hidden()


async def test_the_redirect_form_arrives_and_opens_the_chat_with_the_greeting(plain):
    await plain.goto("/hello")
    await plain.get_by_role("button", name="Open the chat about Hello").click()
    await plain.wait_for_url("**/chat/1**")
    await expect(plain.locator(".arrival").last).to_contain_text("I greet you.")
    await plain.get_by_role("link", name="Back to Hello").click()
    await expect(plain.locator("h1")).to_have_text("Hello")


async def test_a_question_is_asked_and_its_reply_comes_by_reloading(plain, model):
    gate = Gate()
    model.next(Script(n=20, gate=gate))
    await plain.goto("/chat/1")
    await plain.locator("#text").fill("Who is there?")
    await plain.get_by_role("button", name="Send").click()
    await expect(plain.locator(".msg.user")).to_have_text("Who is there?")
    await expect(plain.locator("#text")).to_have_count(0)
    gate.open()
    await expect(plain.locator(".msg.assistant")).to_contain_text("w00020", timeout=8000)
    await expect(plain.locator("#text")).to_be_visible(timeout=5000)


async def test_a_workflow_is_carried_to_its_end_with_an_upload_and_a_refused_form_keeps_what_was_sent(plain, windows):
    windows.watch().expect("status of 422")
    await plain.goto("/url_counts")
    await plain.get_by_label("Upload a file").check()
    await plain.get_by_role("button", name="Start").click()
    await plain.locator("input[type=file]").set_input_files(
        {"name": "none.txt", "mimeType": "text/plain", "buffer": b"no address at all"})
    await plain.get_by_role("button", name="Save").click()
    await expect(plain.locator(".err")).to_be_visible()
    await expect(plain.locator("#main")).to_contain_text("none.txt")
    await plain.locator("input[type=file]").set_input_files(
        {"name": "urls.txt", "mimeType": "text/plain", "buffer": b"https://example.org/a\nhttps://example.com/b\n"})
    await plain.get_by_role("button", name="Save").click()
    await plain.get_by_label("Count every line").wait_for()
    await plain.get_by_role("button", name="Save").click()
    await expect(plain.locator(".step.show").first).to_contain_text("2 URLs on 2 hosts.")
    await plain.get_by_role("button", name="Revert to Source").click()
    await expect(plain.locator("#reverted")).to_be_visible()
