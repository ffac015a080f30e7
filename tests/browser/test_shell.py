"""The shell: menu, panes, theme, keyboard, addresses."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import PHONE, connected, eventually, go

HOME, HELLO, INTRODUCTION = "Start here", "Hello", "Introduction"  # no run is begun on this server
SHIPPED = ["Introduction", "Hello", "Site crawl", "URL check", "URL counts", "Parameter buster", "Content gap",
           "CSV cleaner", "Field gallery", "Show gallery", "Draft with the model", "Read a page"]


def heading(page, name: str):
    return page.locator("#main h1", has_text=name)


async def test_the_menu_lists_home_first_then_the_workflows_by_file_number(page):
    await page.goto("/")
    await page.locator(".top .menu-btn").click()
    titles = await page.locator("#menu .opt").all_inner_texts()
    assert titles == ["Home", *SHIPPED, "All runs", "Documentation"]
    await expect(page.locator("#menu [aria-current=page]")).to_have_text("Home")


async def test_a_menu_click_changes_the_pane_the_address_the_title_and_the_focus_and_leaves_the_stream(page):
    await page.goto("/")
    await connected(page)
    await page.evaluate("document.getElementById('live').mark = 1; document.getElementById('log').mark = 1")
    await go(page, "Hello")
    await expect(heading(page, HELLO)).to_be_focused()
    assert page.url.endswith("/hello")
    assert await page.title() == "Hello · Treadle"
    await expect(page.locator("#place")).to_have_text("Hello")
    await expect(page.locator("#tab")).to_have_text("Workflow")
    await expect(page.locator("#text")).to_have_attribute("placeholder", "Ask about Hello")
    await expect(page.locator("#menu [aria-current=page]")).to_have_text("Hello")
    await expect(page.locator("#menu")).to_be_hidden()
    assert await page.evaluate("document.getElementById('live').mark + document.getElementById('log').mark") == 2


async def test_back_and_forward_show_the_page_its_name_and_its_menu_item(page):
    await page.goto("/")
    await go(page, "Introduction")
    await heading(page, INTRODUCTION).wait_for()
    await go(page, "Hello")
    await heading(page, HELLO).wait_for()
    for move, title, place in ((page.go_back, INTRODUCTION, "Introduction"), (page.go_back, HOME, "Home"),
                               (page.go_forward, INTRODUCTION, "Introduction"), (page.go_forward, HELLO, "Hello")):
        await move()
        await expect(heading(page, title)).to_be_focused()
        await expect(page.locator("#place")).to_have_text(place)
        await expect(page.locator("#menu [aria-current=page]")).to_have_text(place)
        await expect(page.locator("#text")).to_have_attribute("placeholder", re.compile("Ask about"))
    await go(page, "Introduction")  # what came back by history still works
    await heading(page, INTRODUCTION).wait_for()


async def test_fast_clicks_end_on_the_last_place_clicked(page):
    await page.goto("/")
    for _ in range(5):
        await page.evaluate("""() => [...document.querySelectorAll('#menu a.opt')].slice(1, 4)
            .forEach((link) => link.click())""")
    await heading(page, SHIPPED[2]).wait_for()
    assert page.url.endswith("/site_crawl")
    await expect(page.locator("#place")).to_have_text(SHIPPED[2])


async def test_every_fast_click_of_a_mouse_in_the_menu_counts(page, watch):
    await page.goto("/")
    button, links = page.locator(".top .menu-btn"), page.locator("#menu a.opt")
    await button.click()
    places = [await links.nth(n).bounding_box() for n in range(1, 4)]
    await page.keyboard.press("Escape")
    at = await button.bounding_box()
    for number in range(9):
        for box in (at, places[number % 3]):  # no waiting until it can be clicked, as a hand does not wait
            await page.mouse.click(box["x"] + 20, box["y"] + 10, delay=30)
    await heading(page, SHIPPED[2]).wait_for()

    async def all_sent() -> bool:
        return sum("/redirect/" in url for url in watch.requests) == 9

    await eventually(all_sent)


async def test_every_address_works_typed_and_reloaded(page):
    for path, title in (("/", HOME), ("/hello", HELLO), ("/introduction", INTRODUCTION), ("/docs", "Documentation")):
        await page.goto(path)
        await expect(heading(page, title)).to_be_visible()
        await page.reload()
        await expect(heading(page, title)).to_be_visible()
        await expect(page.locator("#log")).to_be_visible()


async def test_an_unknown_address_is_a_page_of_the_shell_that_names_the_nearest(page, watch):
    watch.expect("status of 404")
    answer = await page.goto("/helo")
    assert answer.status == 404
    await expect(heading(page, "There is no page at /helo")).to_be_visible()
    await expect(page.locator("#composer")).to_be_visible()
    await page.locator("#main .rows a", has_text="Hello").click()
    await expect(heading(page, HELLO)).to_be_visible()


async def test_a_middle_click_opens_the_place_in_a_tab_and_leaves_this_page(page):
    await page.goto("/")
    await page.locator(".top .menu-btn").click()
    async with page.context.expect_page() as opened:
        await page.locator("#menu").get_by_role("link", name="Hello").click(button="middle")
    tab = await opened.value
    await expect(heading(tab, HELLO)).to_be_visible()
    await expect(heading(page, HOME)).to_be_visible()


async def test_a_click_with_ctrl_opens_a_tab_too(page):
    await page.goto("/")
    await page.locator(".top .menu-btn").click()
    async with page.context.expect_page() as opened:
        await page.locator("#menu").get_by_role("link", name="Hello").click(modifiers=["Control"])
    await expect(heading(await opened.value, HELLO)).to_be_visible()
    await expect(heading(page, HOME)).to_be_visible()


async def test_the_menu_works_by_keyboard_and_gives_the_focus_back(page):
    await page.goto("/hello")
    button = page.locator(".top .menu-btn")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#menu [aria-current=page]")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("link", name=SHIPPED[2])).to_be_focused()
    await page.keyboard.press("End")
    await expect(page.get_by_role("link", name="Documentation")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("#menu .opt").first).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#menu")).to_be_hidden()
    await expect(button).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#menu [aria-current=page]")).to_be_focused()
    await page.keyboard.press("Home")
    await page.keyboard.press("Enter")
    await expect(heading(page, HOME)).to_be_focused()


@pytest.mark.parametrize("width", [1440, 390])
async def test_a_menu_longer_than_the_window_scrolls_and_shows_what_has_the_focus(windows, width):
    page = await (await windows.new((width, 420))).new_page()
    await page.goto("/hello")
    menu = page.locator("#menu")
    await page.locator(".top .menu-btn").focus()
    await page.keyboard.press("Enter")
    await expect(menu.locator("[aria-current=page]")).to_be_focused()
    assert await menu.evaluate("menu => menu.scrollHeight > menu.clientHeight"), "this window is too high for the test"
    assert await menu.evaluate("menu => menu.getBoundingClientRect().bottom") <= 420

    async def seen() -> list[str]:
        """The names of what has the focus and of what lies over its top and its bottom: all one, if it is seen."""
        return await page.evaluate("""() => {
            const at = document.activeElement, box = at.getBoundingClientRect();
            const over = [box.top + 2, box.bottom - 2].map((y) => document.elementFromPoint(box.x + 20, y));
            return over.map((one) => at.contains(one) ? '' : `${at.innerText} under ${one?.outerHTML.slice(0, 80)}`);
        }""")

    for key in ("End", "Home", *["ArrowDown"] * 14):
        await page.keyboard.press(key)
        assert await seen() == ["", ""], key
    await expect(menu.locator(".opt").last).to_be_focused()
    await page.mouse.move(*[(await menu.bounding_box())[side] + 60 for side in "xy"])
    await page.mouse.wheel(0, -2000)
    await eventually(lambda: menu.evaluate("menu => menu.scrollTop === 0"))


async def test_the_skip_link_is_first_and_leads_past_the_bar(page):
    await page.goto("/hello")
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()


async def test_everything_reached_by_tab_shows_a_ring(page):
    await page.goto("/hello")
    await page.evaluate("document.activeElement.blur()")
    seen: set[str] = set()
    for _ in range(40):
        await page.keyboard.press("Tab")
        at = await page.evaluate("""() => {
            const at = document.activeElement;
            if (!at || at === document.body) return null;
            const style = getComputedStyle(at), after = getComputedStyle(at, '::after');
            const composer = getComputedStyle(at.closest('.composer') ?? at).boxShadow;
            const ring = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1)
                || (at.id === 'split' && after.inlineSize === '3px') || (at.id === 'text' && composer !== 'none')
                || after.outlineStyle !== 'none'
                || (at.matches('.seg input') && getComputedStyle(at.nextElementSibling).outlineStyle !== 'none');
            return {name: at.id || at.className || at.tagName, ring};
        }""")
        if at is None:
            break
        assert at["ring"], at
        seen.add(at["name"])
    assert {"split", "text", "log"} <= seen, seen


async def test_the_splitter_moves_by_keyboard_and_mouse_and_is_remembered_before_the_first_paint(page):
    await page.goto("/")
    split, chat = page.locator("#split"), page.locator("#chat")

    async def width() -> float:
        return (await chat.bounding_box())["width"]

    assert await width() == 448
    await split.focus()
    await page.keyboard.press("ArrowLeft")
    assert await width() == 464
    await expect(split).to_have_attribute("aria-valuenow", "464")
    await page.keyboard.press("Home")
    assert await width() == 320
    await page.keyboard.press("End")
    assert await width() == 720
    box = await split.bounding_box()
    await page.mouse.move(box["x"], 400)
    await page.mouse.down()
    await page.mouse.move(1440 - 600, 400, steps=3)
    await page.mouse.up()
    await page.mouse.move(300, 300)
    assert await width() == 600
    await page.add_init_script("""new MutationObserver((_, watch) => {
        if (!document.body) return;
        watch.disconnect();
        window.first = getComputedStyle(document.documentElement).getPropertyValue('--chat');
    }).observe(document, {childList: true, subtree: true})""")
    await page.reload()
    assert await width() == 600
    assert await page.evaluate("window.first") == "600px"


async def test_the_chat_can_be_put_away_and_stays_away(page):
    await page.goto("/")
    toggle = page.locator("#chat-toggle")
    await expect(toggle).to_have_attribute("aria-pressed", "true")
    await toggle.click()
    await expect(page.locator("#chat")).to_be_hidden()
    await page.reload()
    await expect(page.locator("#chat")).to_be_hidden()
    await expect(toggle).to_have_attribute("aria-pressed", "false")
    await toggle.click()
    await expect(page.locator("#chat")).to_be_visible()


async def test_the_theme_follows_the_system_until_it_is_chosen_and_back(windows):
    page = await (await windows.new(color_scheme="dark")).new_page()
    await page.goto("/")

    async def scheme() -> str:
        return await page.evaluate("getComputedStyle(document.documentElement).colorScheme")

    async def paper() -> str:
        return await page.evaluate("getComputedStyle(document.body).backgroundColor")

    dark = await paper()
    assert await scheme() == "light dark"
    await page.locator("#theme").click()
    assert await scheme() == "light"
    assert await paper() != dark
    await page.reload()
    assert await scheme() == "light"
    await page.locator("#theme").click()
    assert await scheme() == "light dark"
    await page.reload()
    assert await paper() == dark


async def test_on_a_phone_the_theme_is_at_the_foot_of_the_menu(windows):
    page = await (await windows.new(PHONE)).new_page()
    await page.goto("/")
    await expect(page.locator("#theme")).to_be_hidden()
    await page.locator(".top .menu-btn").click()
    await expect(page.get_by_label("System")).to_be_checked()
    await page.get_by_label("Dark").check()
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    await page.reload()
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def test_on_a_phone_one_pane_is_seen_at_a_time_and_tabs_lead_between_them(windows):
    page = await (await windows.new(PHONE)).new_page()
    await page.goto("/")
    first, second = page.locator(".tabs a").first, page.locator(".tabs a").last
    await expect(first).to_have_attribute("aria-current", "page")
    await second.click()
    await expect(second).to_have_attribute("aria-current", "page")
    await expect(page.locator("#text")).to_be_in_viewport()
    await expect(page.locator("#main h1")).not_to_be_in_viewport()
    assert page.url.endswith("/"), "a tab is no page of the history"
    await go(page, "Hello")
    await expect(heading(page, HELLO)).to_be_in_viewport()
    await expect(first).to_have_attribute("aria-current", "page")


async def test_the_first_paint_has_the_theme(windows):
    context = await windows.new()
    await context.add_init_script("try { localStorage.theme = 'dark' } catch {}")
    page = await context.new_page()
    await page.add_init_script("""new MutationObserver((_, watch) => {
        if (!document.body) return;
        watch.disconnect();
        window.first = document.documentElement.dataset.theme;
    }).observe(document, {childList: true, subtree: true})""")
    await page.goto("/")
    assert await page.evaluate("window.first") == "dark"


@pytest.mark.parametrize("where", ["/", "/hello"])
async def test_reduced_motion_ends_all_motion(windows, where):
    page = await (await windows.new(reduced_motion="reduce")).new_page()
    await page.goto(where)
    moving = await page.evaluate("""() => [...document.querySelectorAll('*')].filter((one) => {
        const style = getComputedStyle(one);
        return parseFloat(style.animationDuration) > 0.001 || parseFloat(style.transitionDuration) > 0.001;
    }).map((one) => one.className)""")
    assert moving == []


async def test_a_page_that_scrolled_begins_at_its_top_after_a_menu_click(page):
    await page.set_viewport_size({"width": 900, "height": 300})
    await page.goto("/")
    await page.evaluate("document.getElementById('main').scrollTop = 200")
    await go(page, "Hello")
    await expect(heading(page, HELLO)).to_be_focused()

    async def top() -> bool:
        return await page.evaluate("document.getElementById('main').scrollTop") == 0

    await eventually(top)
