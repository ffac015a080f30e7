"""The stream in a real browser: many windows, a server that dies, pages that come back, and what is said about it."""

from __future__ import annotations

import asyncio
import re
import time

import pytest
from playwright.async_api import expect

from tests.browser.conftest import ARGS, CHROMIUM, Windows, ask, connected, eventually, go
from tests.fakes import Gate, Script
from tests.harness import soak

NETWORK = "Failed to load resource|net::ERR|network error|Failed to fetch|htmx"


def notice(page):
    return page.locator("#connection .notice")


async def test_i31_eight_windows_of_one_profile_stay_live(own, windows):
    context = await windows.new()
    pages = []
    for _ in range(8):
        page = await context.new_page()
        began = time.monotonic()
        await page.goto("/", wait_until="load")
        assert time.monotonic() - began < 2
        pages.append(page)
    for number in range(soak(4, 20)):
        sender = pages[number % 8]
        took = await sender.evaluate("""async () => { const at = performance.now();
            await fetch('/docs', {headers: {'HX-Request': 'true'}}); return performance.now() - at; }""")
        assert took < 500
        model_text = f"Message {number} n=1"
        async def idle(sender=sender) -> bool:
            return await sender.evaluate("document.getElementById('act').form?.id === 'composer'")
        await eventually(idle)
        await ask(sender, model_text)
        await asyncio.gather(*(expect(page.locator(".msg.user:visible", has_text=re.compile(f"^{model_text}$")))
                               .to_have_count(1, timeout=1500) for page in pages))
        await asyncio.gather(*(expect(page.locator(".msg.assistant footer.by")).to_have_count(number + 1, timeout=3000)
                               for page in pages))


async def test_i57_open_tabs_recover_by_themselves_after_a_kill_without_doubles(own, windows, model):
    context = await windows.new()
    windows.watch().expect(NETWORK)
    pages = [await context.new_page() for _ in range(2)]
    for page in pages:
        await page.goto("/")
        await connected(page)
    gate = Gate()
    model.next(Script(n=50, gate=gate))
    await ask(pages[0], "Before the kill.")
    gate.allow(20)
    for page in pages:
        await expect(page.locator(".msg.assistant")).to_contain_text("w00020")
    await asyncio.to_thread(own.kill)
    await asyncio.sleep(1)
    await asyncio.to_thread(own.restart)
    for page in pages:
        await expect(page.locator(".msg.assistant .notice")).to_contain_text("restarted", timeout=5000)
        await expect(page.locator(".msg.user:visible")).to_have_count(1)
        await expect(page.locator(".msg.assistant")).to_have_count(1)
        await expect(page.locator(".msg.assistant")).to_contain_text("w00020")
    gate.open()
    model.next(Script(n=3))
    await ask(pages[1], "After it.")
    for page in pages:
        await expect(page.locator(".msg.user:visible")).to_have_count(2)
        await expect(page.locator("footer.by")).to_have_count(1)


async def test_a_lost_connection_is_said_after_3_s_and_its_return_for_4_s(own, windows):
    page = await (await windows.new()).new_page()
    windows.watch().expect(NETWORK)
    await page.goto("/")
    await connected(page)
    began = time.monotonic()
    await asyncio.to_thread(own.kill)
    await expect(notice(page)).to_contain_text("The connection to Treadle is lost", timeout=8000)
    assert 2.5 < time.monotonic() - began < 6
    await page.locator("#text").fill("typed meanwhile")
    await asyncio.to_thread(own.restart)
    await page.get_by_role("button", name="Try now").click()
    await expect(notice(page)).to_contain_text("Connected again", timeout=2000)
    await expect(page.locator("#text")).to_have_value("typed meanwhile")
    await expect(page.locator("#connection")).to_be_empty(timeout=6000)


async def test_a_short_loss_is_not_said(own, windows):
    page = await (await windows.new()).new_page()
    windows.watch().expect(NETWORK)
    await page.goto("/")
    await connected(page)
    await page.evaluate("""() => { window.said = [];
        new MutationObserver(() => window.said.push(document.getElementById('connection').textContent))
            .observe(document.getElementById('connection'), {childList: true, subtree: true}); }""")
    await asyncio.to_thread(own.kill)
    await asyncio.to_thread(own.restart)
    await page.evaluate("document.getElementById('live')._htmx.sse?.delayCanceller?.()")
    await connected(page)
    assert await page.evaluate("window.said") == []


async def test_a_server_that_stays_away_has_a_page_of_its_own_and_nothing_typed_is_lost(own, windows):
    context = await windows.new()
    windows.watch().expect(NETWORK)
    page = await context.new_page()
    await page.clock.install()
    await page.goto("/hello")
    await connected(page)
    await page.get_by_role("textbox", name="Your name").fill("Ada")
    await asyncio.to_thread(own.kill)
    await page.clock.run_for(2_000)
    await page.clock.run_for(35_000)
    gone = page.locator("#gone")
    await expect(gone).to_be_visible(timeout=10_000)
    await expect(gone).to_contain_text("Treadle is not running")
    await expect(gone.get_by_role("button", name="Try now")).to_be_visible()
    await asyncio.to_thread(own.restart)

    async def back() -> bool:
        await page.clock.run_for(500)
        return await gone.is_hidden()

    await eventually(back, within=10)
    await expect(page.get_by_role("textbox", name="Your name")).to_have_value("Ada")


async def test_a_click_whose_page_did_not_come_says_so_and_is_fetched_when_the_server_is_back(own, windows):
    page = await (await windows.new()).new_page()
    windows.watch().expect(NETWORK)
    await page.goto("/")
    await connected(page)
    await asyncio.to_thread(own.kill)
    await go(page, "Hello")
    await expect(page.locator("#main h1")).to_have_text("No answer from the server")
    await expect(page.locator("#main")).to_contain_text("/hello could not be fetched")
    await expect(page.get_by_role("button", name="Try again")).to_be_visible()
    await expect(page.locator("#place")).to_have_text("Hello")
    await asyncio.to_thread(own.restart)
    await expect(page.get_by_role("textbox", name="Your name")).to_be_visible(timeout=8000)
    assert page.url.endswith("/hello")


async def test_try_again_fetches_the_page_at_once(page, watch):
    watch.expect(NETWORK)
    await page.goto("/")
    await connected(page)
    await page.route("**/redirect/hello", lambda route: route.abort(), times=1)
    await go(page, "Hello")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("#main h1")).to_have_text("Hello")
    assert page.url.endswith("/hello")


async def test_i65_a_browser_that_is_signed_out_is_told_and_stops_asking(own, windows):
    context = await windows.new()
    watch = windows.watch()
    watch.expect(NETWORK)
    page = await context.new_page()
    await page.goto("/")
    await connected(page)
    await page.locator("#text").fill("kept")
    await context.clear_cookies()
    await asyncio.to_thread(own.kill)
    await asyncio.to_thread(own.restart)
    await expect(notice(page)).to_contain_text("This browser is signed out", timeout=8000)
    await expect(page.locator("#text")).to_have_value("kept")
    asked = len([url for url in watch.requests if "/events/" in url])
    await asyncio.sleep(2)
    assert len([url for url in watch.requests if "/events/" in url]) == asked
    assert await page.locator("#live").count() == 0, "its watchdog is gone with it"


async def test_i65_a_conversation_that_is_gone_is_said_and_not_asked_for_again(page, watch):
    watch.expect(NETWORK)
    await page.route("**/events/**", lambda route: route.fulfill(status=404, body="gone"))
    await page.goto("/")
    await expect(notice(page)).to_contain_text("This conversation was deleted in another tab")
    asked = len([url for url in watch.requests if "/events/" in url])
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await asyncio.sleep(1)
    assert len([url for url in watch.requests if "/events/" in url]) == asked <= 3


@pytest.mark.parametrize("cached", [False, True], ids=["reloaded", "from the cache"])
async def test_i30_a_page_one_comes_back_to_in_the_middle_of_a_reply_is_live(playwright, own, model, cached):
    """Our pages are not to be stored, so Chromium loads them anew; others keep them, as it does when they are."""
    browser = await playwright.chromium.launch(
        executable_path=CHROMIUM, args=ARGS, ignore_default_args=["--disable-back-forward-cache"])
    windows = Windows(browser, own)
    try:
        page = await (await windows.new()).new_page()
        windows.watch().expect(NETWORK)

        async def storable(route) -> None:
            answer = await route.fetch()
            await route.fulfill(response=answer, headers=answer.headers | {"cache-control": "no-cache"})

        if cached:
            await page.route(f"{own.address}/", storable)
        await page.goto("/")
        await connected(page)
        gate = Gate()
        model.next(Script(n=60, gate=gate))
        await ask(page, "Write.")
        gate.allow(20)
        await expect(page.locator(".msg.assistant")).to_contain_text("w00020")
        await page.evaluate(
            "window.mark = 1; addEventListener('pageshow', (event) => { window.shown = event.persisted; })")
        await page.goto("/docs")
        gate.allow(20)
        await page.go_back(wait_until="commit")
        await expect(page.locator(".msg.assistant")).to_contain_text("w00040", timeout=3000)
        assert await page.evaluate("window.mark === 1 && window.shown === true") == cached
        gate.open()
        await expect(page.locator("footer.by")).to_have_count(1)
        await expect(page.locator(".msg.assistant")).to_have_count(1)
        await windows.close()
    finally:
        await browser.close()


async def test_i29_a_page_that_was_hidden_while_the_reply_came_is_complete_when_it_is_shown(page, model):
    await page.goto("/")
    await connected(page)
    gate = Gate()
    model.next(Script(n=200, gate=gate))
    await ask(page, "Write.")
    gate.allow(20)
    await expect(page.locator(".msg.assistant").last).to_contain_text("w00020")
    await page.evaluate("""() => {
        window.away = true;
        Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true});
        document.dispatchEvent(new Event('visibilitychange'));
    }""")

    async def closed() -> bool:
        return not await page.evaluate("!!document.getElementById('live')._htmx.sse?.reader")

    await eventually(closed)
    gate.open()
    await asyncio.sleep(0.5)
    await expect(page.locator(".msg.assistant").last).not_to_contain_text("w00200")
    began = time.monotonic()
    await page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator(".msg.assistant").last).to_contain_text("w00200", timeout=1500)
    assert time.monotonic() - began < 1.5
    await expect(page.locator("#connection")).to_be_empty()
    words = (await page.locator(".msg.assistant").last.locator(".body").inner_text()).split()
    assert words == [f"w{n:05}" for n in range(1, 201)]
