"""The main job: walk the menu and be greeted, carry a workflow to its end; alone, in two tabs, in the background."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import expect

from tests.browser.conftest import connected, eventually, go
from tests.harness import soak

HELLO = "I greet you. Give me a name, then approve the greeting."
COUNTS = "Give me a list of URLs"
PLACES = (("hello", "Hello"), ("introduction", "Introduction"), ("url_counts", "URL counts"))
HIDE = """() => {
    Object.defineProperty(document, 'hidden', {get: () => window.away ?? true, configurable: true});
    Object.defineProperty(document, 'visibilityState', {get: () => (window.away ?? true) ? 'hidden' : 'visible',
                                                        configurable: true});
}"""


def told(page):
    return page.locator(".arrival")


async def test_each_place_greets_once_in_the_order_of_the_clicks(own, windows):
    page = await (await windows.new()).new_page()
    await page.goto("/")
    await expect(told(page)).to_have_count(1)
    await expect(told(page).last).to_contain_text("This is Treadle")
    for title, words in (("Introduction", "Five short steps"), ("Hello", HELLO), ("URL counts", COUNTS)):
        before = await told(page).count()
        await go(page, title)
        await expect(told(page)).to_have_count(before + 1, timeout=1000)
        await expect(told(page).last).to_contain_text(words)
    await page.reload()
    await connected(page)
    assert [await row.locator("span").first.inner_text() for row in await told(page).all()] == [
        "Home", "Introduction", "Hello", "URL counts"]


async def test_many_fast_clicks_are_each_told_once_and_in_order(own, windows):
    page = await (await windows.new()).new_page()
    await page.goto("/")
    await connected(page)
    clicked = []
    for number in range(soak(9, 60)):
        endpoint, title = PLACES[number % 3]
        async with page.expect_response(f"**/redirect/{endpoint}") as answered:
            await page.evaluate("at => document.querySelector(`#menu a[href='/${at}']`).click()", endpoint)
        assert (await answered.value).status == 303
        clicked.append(title)
        await asyncio.sleep(0.1)
    expected, recent = ["Home"], {}
    for number, title in enumerate(clicked):  # told again only after 5 s: then the count is at least that of the places
        if title not in recent:
            expected.append(title)
        recent[title] = number
    await eventually(lambda: _titles(page, len(expected)))
    titles = await page.evaluate(
        "[...document.querySelectorAll('.arrival span:first-of-type')].map(one => one.textContent)")
    assert titles[:len(expected)] == expected


async def _titles(page, least: int) -> bool:
    return await told(page).count() >= least


async def test_a_typed_address_is_greeted_once_and_a_reload_says_nothing_again(own, windows):
    page = await (await windows.new()).new_page()
    await page.goto("/hello")
    await expect(told(page)).to_have_count(1)
    await expect(told(page)).to_contain_text(HELLO)
    for _ in range(2):
        await page.reload()
        await connected(page)
    await asyncio.sleep(0.5)
    await expect(told(page)).to_have_count(1)


async def test_a_tab_in_the_background_takes_no_stream_and_consumes_no_greeting_until_it_is_shown(own, windows):
    context = await windows.new()
    page = await context.new_page()
    await page.add_init_script(f"({HIDE})()")
    await page.goto("/hello")
    await asyncio.sleep(0.6)
    assert not [url for url in windows.watch().requests if "/events/" in url]
    await page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    await connected(page)
    await expect(told(page)).to_have_count(1)
    await expect(told(page)).to_contain_text(HELLO)


async def test_hello_from_the_menu_to_its_end_and_back_in(own, windows):
    page = await (await windows.new()).new_page()
    await page.goto("/")
    await go(page, "Hello")
    await page.get_by_role("textbox", name="Your name").fill("Ada")
    await page.get_by_role("button", name="Start").click()
    await page.wait_for_url("**/hello/default-hello-01")
    await page.get_by_role("button", name="Greet", exact=True).click()
    await expect(page.locator(".step.show")).to_contain_text("Hello, Ada.")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="greeting.json").click()
    assert "Hello, Ada." in Path(await (await download.value).path()).read_text()
    await page.reload()
    await expect(page.locator(".step.show")).to_contain_text("Hello, Ada.")
    await page.get_by_role("button", name="Finish and lock").click()
    await expect(page.get_by_role("button", name="Unlock")).to_be_visible()
    await expect(page.get_by_role("button", name="Revert to Your name")).to_have_count(0)
    await page.get_by_role("button", name="Unlock").click()
    await page.get_by_role("button", name="Revert to Your name").click()
    field = page.get_by_role("textbox", name="Your name")
    await expect(field).to_have_value("Ada")
    await expect(page.locator("#reverted")).to_contain_text("Reverted to Your name")
    await field.fill("Grace")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("button", name="Greet", exact=True).click()
    await expect(page.locator(".step.show")).to_contain_text("Hello, Grace.")
    await go(page, "Home")
    await expect(page.locator("#main h1")).to_be_focused()


async def test_url_counts_on_real_input_by_paste_and_by_upload(own, windows):
    page = await (await windows.new()).new_page()
    lines = "".join(f"https://host{n % 7}.example/{'deep/' * (n % 4)}?page={n}\n" for n in range(500))
    await page.goto("/url_counts")
    await page.get_by_label("Paste a list").check()
    await page.get_by_role("button", name="Start").click()
    await page.get_by_role("textbox", name="URLs").fill(lines)
    await page.get_by_role("button", name="Save").click()
    await page.get_by_label("Count every line").wait_for()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".step.show").first).to_contain_text("500 URLs on 7 hosts.")
    hosts = page.locator("form.data").first
    await hosts.get_by_role("button", name="host", exact=True).click()
    await expect(hosts.locator("th[aria-sort]")).to_contain_text("host")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="hosts.csv").click()
    assert Path(await (await download.value).path()).read_text().count("\n") == 8
    await go(page, "URL counts")
    await page.get_by_label("Upload a file").check()
    await page.get_by_role("button", name="Start").click()
    await page.locator("input[type=file]").set_input_files(
        {"name": "urls.txt", "mimeType": "text/plain", "buffer": lines.encode()})
    await page.get_by_role("button", name="Save").click()
    await page.get_by_label("Count every line").wait_for()
    await expect(page.locator(".step.done").last).to_contain_text("urls.txt")


async def test_two_tabs_on_one_run_see_the_same_question_and_the_later_answer_keeps_its_text(own, windows):
    context = await windows.new()
    windows.watch().expect("status of 409")
    first, second = await context.new_page(), await context.new_page()
    await first.goto("/introduction")
    await first.get_by_role("button", name="Start").click()
    await first.wait_for_url("**/introduction/default-introduction-01")
    await second.goto(first.url)
    await connected(second)
    await connected(first)
    await first.get_by_label("Look around").check()
    await first.get_by_role("button", name="Save").click()
    await second.get_by_role("button", name="Make the note").click(timeout=2000)
    await expect(first.locator(".step.active")).to_contain_text("The assistant", timeout=2000)


async def test_what_is_half_typed_stays_when_another_tab_answers_and_is_shown_after_a_409(own, windows):
    context = await windows.new()
    windows.watch().expect("status of 409")
    first, second = await context.new_page(), await context.new_page()
    await first.goto("/hello")
    await first.get_by_role("textbox", name="Your name").fill("Ada")
    await first.get_by_role("button", name="Start").click()
    await first.get_by_role("button", name="Revert to Your name").click()
    await second.goto(first.url)
    await connected(second)
    field = second.get_by_role("textbox", name="Your name")
    await field.fill("Half ty")
    await first.get_by_role("textbox", name="Your name").fill("Grace")
    await first.get_by_role("button", name="Save").click()
    await first.get_by_role("button", name="Greet", exact=True).wait_for()
    await asyncio.sleep(0.5)
    await expect(field).to_have_value("Half ty")
    await second.get_by_role("button", name="Save").click()
    await expect(second.locator("#main")).to_contain_text("Half ty")
    await expect(second.locator("#main")).to_contain_text("answered in another tab")


async def test_two_tabs_on_two_runs_never_touch_each_other(own, windows):
    context = await windows.new()
    first, second = await context.new_page(), await context.new_page()
    for page, name in ((first, "Ada"), (second, "Grace")):
        await page.goto("/hello")
        await page.get_by_role("textbox", name="Your name").fill(name)
        await page.get_by_role("button", name="Start").click()
        await page.get_by_role("button", name="Greet", exact=True).wait_for()
    assert first.url != second.url
    await first.get_by_role("button", name="Greet", exact=True).click()
    await expect(first.locator(".step.show")).to_contain_text("Hello, Ada.")
    await expect(second.locator("#main")).not_to_contain_text("Ada")
    await expect(second.get_by_role("button", name="Greet", exact=True)).to_be_visible()


async def test_half_typed_text_survives_stream_messages(own, windows):
    page = await (await windows.new()).new_page()
    await page.goto("/hello")
    await connected(page)
    field = page.get_by_role("textbox", name="Your name")
    await field.fill("Ad")
    await page.locator("#text").fill("Hello? n=50 tps=100")
    await page.locator("#text").press("Enter")
    await page.locator(".msg.assistant").wait_for()
    await field.press("End")
    await field.type("a", delay=10)
    await page.locator("footer.by").wait_for()
    await expect(field).to_have_value("Ada")
    await expect(field).to_be_focused()
