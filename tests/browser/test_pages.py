"""Every page, in light and dark: no violation axe can find, nothing wider than 320 px, and a small first load."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import DESKTOP, PHONE, SMALL, ask, connected, eventually, go
from tests.fakes import MARKDOWN, Script

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
PAGES = ["/", "/introduction", "/hello", "/url_counts", "/docs", "/docs/reference/fields",
         "/docs/how-to/from-a-notebook", "/model", "/nowhere", "/hello/nowhere", "/chat/1"]


async def violations(page) -> list[str]:
    """What axe finds, one line each: the rule, what it is about, and where."""
    await page.evaluate(AXE)
    found = await page.evaluate("""async () => (await axe.run(document, {resultTypes: ['violations']})).violations
        .map(({id, help, nodes}) => `${id}: ${help}: ${nodes.map(({target}) => target).join('; ')}`)""")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_has_a_violation_axe_can_find(windows, scheme):
    context = await windows.new(color_scheme=scheme, reduced_motion="reduce")
    windows.watch().expect("status of 404")
    page = await context.new_page()
    for path in PAGES:
        await page.goto(path)
        assert (path, await violations(page)) == (path, [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_page_without_the_shell_has_no_violation_either(windows, scheme):
    context = await windows.new(signed_in=False, color_scheme=scheme)
    windows.watch().expect("status of 401")
    page = await context.new_page()
    for path in ("/", "/login?token=wrong"):
        await page.goto(path)
        assert await violations(page) == []
    await page.goto(f"/login?token={windows.server.token}")
    await page.wait_for_url(f"{windows.server.address}/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_open_menus_a_conversation_and_a_run_have_no_violation(windows, model, scheme):
    context = await windows.new(color_scheme=scheme, reduced_motion="reduce")
    page = await context.new_page()
    await page.goto("/url_counts")
    await connected(page)
    model.next(Script(text=MARKDOWN, think=3))
    await ask(page, "Show me everything you can write.")
    reply = page.locator(".msg.assistant").last
    await reply.locator("footer.by").wait_for()
    await reply.locator("summary").click()
    assert await violations(page) == []
    await page.locator(".top .menu-btn").click()
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await page.locator("#model button").first.click()
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await page.get_by_label("Paste a list").check()
    await page.get_by_role("button", name="Start").click()
    await page.locator("textarea[name=value]").fill("https://example.org/a?b=1\nhttps://example.com/c/d\nno address")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_label("Count every line").wait_for()
    await page.get_by_role("button", name="Save").click()
    await page.locator(".data").first.wait_for()
    assert await violations(page) == []


async def test_nothing_is_wider_than_a_window_of_320_pixels(windows, model):
    context = await windows.new(SMALL)
    windows.watch().expect("status of 404")
    page = await context.new_page()
    await page.goto("/")
    await connected(page)
    model.next(Script(text=MARKDOWN))
    await page.locator(".tabs a").last.click()
    await ask(page, "w" * 300)
    await page.locator("footer.by").last.wait_for()
    for path in PAGES:
        await page.goto(path)
        wide = await page.evaluate("""() =>
            [...document.querySelectorAll('html, body, #main, #log, .panes > *, .chat-page')]
                .filter((box) => box.scrollWidth > box.clientWidth + 1)
                .map((box) => `${box.id || box.className} ${box.scrollWidth} > ${box.clientWidth}`)""")
        assert (path, wide) == (path, [])
        assert await page.evaluate("document.documentElement.clientWidth") == 320


async def test_the_first_page_is_at_most_ten_requests_and_90_kb_with_fonts(lonely, windows):
    page = await (await windows.new()).new_page()
    sizes: dict[str, int] = {}

    async def weigh(response) -> None:
        if "/events/" not in response.url:
            sizes[response.url] = 0
            body = await response.body()
            sizes[response.url] = len(body if response.url.endswith(".woff2") else gzip.compress(body))

    page.on("response", weigh)
    await page.goto("/")
    await page.evaluate("document.fonts.ready")
    await connected(page)
    await page.locator(".arrival").wait_for()
    await page.locator("#condition .notice").wait_for()

    async def weighed() -> bool:
        return len(sizes) > 3 and all(sizes.values())

    await eventually(weighed)
    assert len(sizes) <= 10, sizes
    assert sum(sizes.values()) <= 90_000, sizes


async def test_a_second_page_asks_for_nothing_it_has(page):
    await page.goto("/")
    await page.locator(".app").wait_for()
    asked: list[str] = []
    page.on("response", lambda response: None if response.from_service_worker else asked.append(response.url))
    await page.goto("/hello")
    fresh = [url for url in asked if "/static/" in url]
    timings = await page.evaluate("""performance.getEntriesByType('resource')
        .filter((one) => one.name.includes('/static/')).map((one) => [one.name, one.transferSize])""")
    assert fresh == [] or all(size == 0 for _, size in timings), timings


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_every_page_stays_readable_in_forced_colours(windows, size):
    context = await windows.new(size, forced_colors="active")
    page = await context.new_page()
    await page.goto("/hello")
    field = page.locator("#main input[type=text]")
    assert await field.evaluate("field => getComputedStyle(field).borderTopWidth") == "1px"
    await go(page, "Home")
    await expect(page.locator("#place")).to_have_text("Home")
