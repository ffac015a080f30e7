"""The composer in a real browser: what is typed is never lost, and what is sent is seen once."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.browser.conftest import ask, connected, ended, go, reply
from tests.fakes import Gate, Script


async def test_i32_what_is_typed_the_caret_and_the_focus_survive_a_stream_its_end_and_a_reload(page, model):
    await page.goto("/")
    await connected(page)
    model.next(Script(n=150, tps=100))
    await ask(page, "Write.")
    await reply(page).wait_for()
    text = "while the reply runs"
    for letter in text:
        await page.keyboard.type(letter)
        await asyncio.sleep(0.04)
    await page.keyboard.press("ArrowLeft")
    await ended(page)
    field = page.locator("#text")
    await expect(field).to_have_value(text)
    await expect(field).to_be_focused()
    assert await field.evaluate("field => field.selectionStart") == len(text) - 1
    await page.reload()
    await expect(field).to_have_value(text)
    await field.fill("")


async def test_the_question_is_seen_once_from_the_key_press_on_and_never_twice(page, model):
    await page.goto("/")
    await connected(page)
    await page.evaluate("""() => {
        window.counts = new Set();
        const sample = () => {
            const rows = [...document.querySelectorAll('.msg.user')].filter((row) => row.checkVisibility());
            window.counts.add(rows.filter((row) => row.textContent === 'Only once n=30').length);
            requestAnimationFrame(sample);
        };
        document.addEventListener('keydown', () => setTimeout(() => requestAnimationFrame(sample)), {once: true});
    }""")
    await page.locator("#text").focus()
    await page.locator("#text").fill("Only once n=30")
    await page.locator("#text").press("Enter")
    await expect(page.locator(".msg.user").last).to_have_text("Only once n=30")
    await ended(page)
    assert await page.evaluate("[...window.counts]") == [1]


async def test_i48_a_question_that_could_not_be_sent_is_in_the_composer_again(page, watch):
    watch.expect("Failed to load resource|htmx")
    await page.goto("/")
    await connected(page)
    rows = await page.locator(".msg.user:visible").count()
    faults = [(lambda route: route.fulfill(status=500, body="no", content_type="text/html"), "its text is still here"),
              (lambda route: route.abort(), "its text is still here"),
              (lambda route: route.fulfill(status=413, body="Too long.", content_type="text/plain"), "Too long.")]
    for fault, sentence in faults:
        await page.route("**/chat/1", fault)
        await ask(page, "Do not lose me")
        await expect(page.locator("#connection .notice")).to_contain_text(sentence)
        await expect(page.locator("#text")).to_have_value("Do not lose me")
        assert await page.locator(".msg.user:visible").count() == rows
        await page.unroute("**/chat/1")
    await page.locator("#text").press("Enter")
    await expect(page.locator(".msg.user:visible")).to_have_count(rows + 1)
    await expect(page.locator("#connection")).to_be_empty()
    await ended(page)


async def test_a_question_whose_answer_got_lost_is_asked_once(page, watch):
    watch.expect("Failed to load resource|htmx")
    await page.goto("/")
    await connected(page)

    async def lose(route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/chat/1", lose, times=1)
    await ask(page, "Only one of me n=3")
    rows = page.locator(".msg.user:visible", has_text="Only one of me")
    await expect(rows).to_have_count(1)
    await expect(page.locator("#text")).to_have_value("")
    await ended(page)
    await expect(rows).to_have_count(1)


async def test_shift_enter_makes_a_line_and_an_enter_that_ends_a_composition_sends_nothing(page):
    await page.goto("/")
    field = page.locator("#text")
    rows = await page.locator(".msg.user").count()
    await field.fill("one")
    await field.press("Shift+Enter")
    await field.press("x")
    await expect(field).to_have_value("one\nx")
    await field.evaluate("""field => field.dispatchEvent(new KeyboardEvent('keydown',
        {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))""")
    await field.evaluate("""field => field.dispatchEvent(new KeyboardEvent('keydown',
        {key: 'Enter', keyCode: 229, bubbles: true, cancelable: true}))""")
    await expect(field).to_have_value("one\nx")
    assert await page.locator(".msg.user").count() == rows
    await field.fill("   ")
    await field.press("Enter")
    assert await page.locator(".msg.user").count() == rows
    await field.fill("")


async def test_stop_ends_the_reply_keeps_its_text_and_the_next_question_may_come_at_once(page, model):
    await page.goto("/")
    await connected(page)
    model.next(Script(n=1000, tps=50))
    await ask(page, "Write.")
    await expect(reply(page)).to_contain_text("w00005")
    await page.keyboard.type("Next n=3")  # the focus is in the composer; Enter waits for the end of the reply
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_have_value("Next n=3")
    await page.get_by_role("button", name="Stop the reply").click()
    await expect(reply(page).locator("footer.by")).to_contain_text("Stopped")
    stopped = await reply(page).get_attribute("id")
    model.wait(lambda: model.chats[-1].client_gone)
    await page.locator("#text").press("Enter")
    await expect(reply(page)).not_to_have_attribute("id", stopped)
    await ended(page)
    await page.reload()
    await expect(page.locator(f"#{stopped} footer.by")).to_contain_text("Stopped")
    await expect(page.locator(f"#{stopped}")).to_contain_text("w00005")


async def test_a_question_asked_from_two_tabs_at_once_is_refused_in_one_and_its_text_is_kept(page, model, watch):
    watch.expect("status of 409")
    await page.goto("/")
    other = await page.context.new_page()
    await other.goto("/")
    await connected(page)
    await connected(other)
    gate = Gate()
    model.next(Script(n=5, gate=gate))
    await other.route("**/events/**", lambda route: route.abort())
    await ask(page, "First.")
    await expect(page.get_by_role("button", name="Stop the reply")).to_be_visible()
    await other.evaluate("""() => {  // as it would be, had the stream not brought the news yet
        document.getElementById('act').removeAttribute('form');
        document.getElementById('text').value = 'Second.';
        document.getElementById('composer').requestSubmit();
    }""")
    await expect(other.locator("#connection .notice")).to_be_visible()
    await expect(other.locator("#text")).to_have_value("Second.")
    await other.unroute("**/events/**")
    await expect(other.get_by_role("button", name="Stop the reply")).to_be_visible()
    await expect(other.locator("#connection .notice")).to_contain_text("A reply is running")
    gate.open()
    await ended(page)
    await expect(other.locator("#connection")).to_be_empty()
    await other.locator("#text").fill("")


async def test_the_composer_speaks_of_the_place_and_the_model_is_told_it(page, model):
    await page.goto("/")
    await go(page, "Hello")
    await page.locator("#main h1", has_text="Hello").wait_for()
    await connected(page)
    await ask(page, "Where am I? n=2")
    await ended(page)
    system = model.chats[-1].body["messages"][0]["content"]
    assert "the shortest workflow" in system


async def test_a_question_that_waits_for_a_model_can_be_taken_back_into_the_composer(lonely, windows):
    page = await (await windows.new()).new_page()
    await page.goto("/")
    await connected(page)
    await ask(page, "Is anybody there?\nReally?")
    await expect(reply(page)).to_contain_text("Sent when a model is ready")
    await page.reload()
    await expect(reply(page)).to_contain_text("Sent when a model is ready")
    await page.locator("#text").fill("typed meanwhile")
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator("#text")).to_have_value("Is anybody there?\nReally?\ntyped meanwhile")
    await expect(page.locator(".msg")).to_have_count(0)
    await expect(page.get_by_role("button", name="Send")).to_be_visible()


async def test_the_page_that_chats_without_javascript_is_a_plain_form_with_it_too(page, model):
    await page.goto("/chat/1")
    model.next(Script(n=3))
    field = page.locator("#text")
    await field.fill("one")
    await field.press("Enter")
    await field.press("x")
    await expect(field).to_have_value("one\nx")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".msg.user").last).to_have_text("one\nx")
    await expect(page.locator(".msg.assistant").last).to_contain_text("w00003", timeout=8000)
