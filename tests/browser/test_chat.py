"""The chat in a real browser: what is seen while a reply streams, and what the reader and the writer keep."""

from __future__ import annotations

import asyncio
import re
import sqlite3

from playwright.async_api import expect

from tests.browser.conftest import ask, connected, ended, eventually, reply
from tests.fakes import MARKDOWN, Gate, Script
from tests.harness import soak

# each animation frame: the words of the last reply, and whether it ever lost one or was empty again
SAMPLER = """
    window.seen = {lost: [], frames: 0, blank: 0, most: 0};
    const words = (text) => text.match(/[\\p{L}\\p{N}]+/gu) ?? [];
    let before = [];
    const sample = () => {
        const body = [...document.querySelectorAll('.msg.assistant')].at(-1);
        const now = body ? words(body.querySelector('.body').textContent) : [];
        const left = new Map();
        for (const word of now) left.set(word, (left.get(word) ?? 0) + 1);
        for (const word of before.slice(0, -1)) {   // the last one may still grow
            if (!left.get(word)) window.seen.lost.push(word);
            else left.set(word, left.get(word) - 1);
        }
        if (before.length && !now.length) window.seen.blank += 1;
        before = now;
        window.seen.frames += 1;
        window.seen.most = Math.max(window.seen.most, now.length);
        requestAnimationFrame(sample);
    };
    requestAnimationFrame(sample);
"""
TEXT = f"""# A heading

A paragraph with **bold**, *slanted* and `code` words, a [link](https://example.org/ "title") and https://example.com/x.

{MARKDOWN}

1. one
2. two
   - deep
   - deeper

***

Last words, with an ![image](https://example.org/i.png) and a footnote-like [reference][r].

[r]: https://example.org/late
"""


async def test_i11_no_word_that_was_visible_disappears_until_the_reply_is_settled(own, windows, model):
    page = await (await windows.new()).new_page()
    await page.goto("/")
    await connected(page)
    await page.evaluate(SAMPLER)
    model.next(Script(text=TEXT * soak(2, 10), chunk=3, tps=150))
    await ask(page, "Write.")
    await reply(page).wait_for()
    for _ in range(soak(4, 60)):  # meanwhile a cursor that means nothing has the whole list drawn anew
        await page.evaluate("""() => {
            const stream = document.getElementById('live')._htmx.sse;
            stream.lastEventId = 'nobody-1';
            stream.reader?.cancel();
        }""")
        await asyncio.sleep(0.6)
    await ended(page)
    seen = await page.evaluate("window.seen")
    assert seen["lost"] == []
    assert seen["blank"] == 0
    assert seen["frames"] > 20
    assert seen["most"] > 50


async def test_i12_settling_keeps_the_readers_node_selection_and_place(own, windows, model):
    page = await (await windows.new()).new_page()
    await page.goto("/")
    await connected(page)
    gate = Gate()
    model.next(Script(text=TEXT * 3, chunk=40, gate=gate))
    await ask(page, "Write.")
    gate.allow(30)
    await reply(page).locator("table").first.wait_for()
    await page.evaluate("""() => {
        const article = [...document.querySelectorAll('.msg.assistant')].at(-1), log = document.getElementById('log');
        window.marked = [article, ...article.querySelectorAll('h1, h2, table, li, .code')];
        window.marked.forEach((one, number) => { one.mark = number; });
        const cell = article.querySelector('td');
        getSelection().selectAllChildren(cell);
        window.selected = String(getSelection());
        log.dispatchEvent(new WheelEvent('wheel', {deltaY: -40}));
        log.scrollTop -= 40;
        window.at = article.querySelector('table').getBoundingClientRect().top;
    }""")
    gate.open()
    await ended(page)
    kept = await page.evaluate("""() => {
        const article = [...document.querySelectorAll('.msg.assistant')].at(-1);
        return {nodes: window.marked.every((one, number) => one.isConnected && one.mark === number),
                same: article === window.marked[0], selected: String(getSelection()) === window.selected,
                moved: Math.abs(article.querySelector('table').getBoundingClientRect().top - window.at)};
    }""")
    assert kept["nodes"] and kept["same"] and kept["selected"], kept
    assert kept["moved"] <= 2


async def test_i13_each_message_stands_once_in_the_page_after_settle_and_reload(own, windows, model):
    page = await (await windows.new()).new_page()
    await page.goto("/")
    await connected(page)
    for number in range(3):
        await ask(page, f"Question {number} n=5")
        await expect(page.locator(".msg.assistant")).to_have_count(number + 1)
        await ended(page)

    async def ids() -> list[str]:
        return await page.evaluate("[...document.querySelectorAll('#log-items > *')].map((row) => row.id)")

    live = await ids()
    html = await page.locator("#log-items").inner_html()
    assert len(live) == len(set(live)) == 7  # an arrival, three questions, three replies
    await page.reload()
    assert await ids() == live
    assert re.sub(r' data-htmx-powered="true"', "", html) == re.sub(
        r' data-htmx-powered="true"', "", await page.locator("#log-items").inner_html())


async def test_i25_a_reload_in_the_middle_of_a_reply_shows_all_of_it_growing_with_stop(own, windows, model):
    page = await (await windows.new()).new_page()
    await page.goto("/")
    await connected(page)
    gate = Gate()
    model.next(Script(n=120, gate=gate))
    await ask(page, "Write.")
    gate.allow(100)
    await expect(reply(page)).to_contain_text("w00100")
    await page.reload()
    await expect(reply(page)).to_contain_text("w00100", timeout=1000)
    await expect(page.get_by_role("button", name="Stop the reply")).to_be_visible()
    gate.allow(10)
    await expect(reply(page)).to_contain_text("w00110", timeout=1000)
    gate.open()
    await ended(page)
    assert (await reply(page).locator(".body").inner_text()).split() == [f"w{n:05}" for n in range(1, 121)]


async def test_i68_a_reader_who_scrolled_up_is_not_moved_and_at_the_end_the_log_follows(own, windows, model):
    page = await (await windows.new()).new_page()
    await page.goto("/")
    await connected(page)
    model.next(Script(n=600))
    await ask(page, "First.")
    await ended(page)
    model.next(Script(n=400, tps=200))
    await ask(page, "Write.")
    await expect(reply(page)).to_contain_text("w00050")
    log = page.locator("#log")

    async def at_the_end() -> bool:  # what came a moment ago may not be painted yet
        return await log.evaluate("log => log.scrollHeight - log.clientHeight - log.scrollTop") <= 2

    await eventually(at_the_end, within=0.5)
    await log.hover()
    await page.mouse.wheel(0, -400)
    await asyncio.sleep(0.3)
    first = """log => { const top = log.getBoundingClientRect().top + 60;
        const row = [...log.querySelectorAll('.msg')].find(one => one.getBoundingClientRect().bottom > top);
        return [row.id, row.getBoundingClientRect().top]; }"""
    before = await log.evaluate(first)
    await expect(page.locator("#jump")).to_be_visible()
    await ended(page)
    after = await log.evaluate(first)
    assert before[0] == after[0]
    assert abs(before[1] - after[1]) <= 2
    await page.locator("#jump").click()
    await expect(page.locator("#jump")).to_be_hidden()
    assert await at_the_end()
    await expect(log).to_be_focused()
    await page.evaluate("document.getElementById('connection').append(document.getElementById('say-lost').content)")
    await eventually(at_the_end, within=0.5)
    await log.evaluate("""log => {
        document.getElementById('connection').replaceChildren();  // a notice goes,
        log.scrollTop;                                            // the browser moves the text down,
        document.getElementById('log-items').append(...Array.from({length: 9}, () => document.createElement('hr')));
    }""")                                                         # and more of it comes before the next frame
    await eventually(at_the_end, within=0.5)


async def test_thinking_is_folded_counts_its_seconds_and_stays_open_when_the_reader_opens_it(page, model):
    await page.goto("/")
    await connected(page)
    model.next(Script(think=50, n=20, tps=15))
    await ask(page, "Think.")
    fold = reply(page).locator("details.fold")
    await fold.wait_for()
    assert await fold.get_attribute("open") is None
    await expect(fold.locator("summary")).to_contain_text(re.compile(r"Thinking for [2-9] s"), timeout=8000)
    await fold.locator("summary").click()
    await expect(reply(page).locator(".body")).to_contain_text("w00005")
    assert await fold.get_attribute("open") is not None
    await ended(page)
    assert await fold.get_attribute("open") is not None
    await expect(fold.locator("summary")).to_contain_text("Thought for")
    await expect(fold).to_contain_text("t00050")


async def test_copy_takes_the_reply_and_the_code_and_says_so(windows, model):
    context = await windows.new(permissions=["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    await page.goto("/")
    await connected(page)
    model.next(Script(text="Before.\n\n```python\nprint('hello')\n```\n\nAfter."))
    await ask(page, "Code.")
    await ended(page)
    await reply(page).locator(".code button").click()
    await expect(page.locator("#announce")).to_have_text("Copied.")
    assert await page.evaluate("navigator.clipboard.readText()") == "print('hello')"
    await reply(page).get_by_role("button", name="Copy the reply").click()

    async def whole() -> bool:
        text = await page.evaluate("navigator.clipboard.readText()")
        return "Before." in text and "print('hello')" in text and "After." in text

    await eventually(whole)


async def test_what_is_wide_or_written_from_the_right_stays_in_its_place(page, model):
    await page.goto("/")
    await connected(page)
    wide = f"{'| wide ' * 20}|\n{'|---' * 20}|\n\n`{'x' * 200}`\n\nשלום\n"
    model.next(Script(text=wide, chunk=100), Script(big=201_000, n=2))
    await ask(page, f"{'w' * 200} ?")
    await ended(page)
    right = await reply(page).locator("p").last.evaluate("p => getComputedStyle(p).unicodeBidi")
    assert right == "plaintext"
    await ask(page, "Longer than 200 KB.")
    await expect(page.get_by_text("shown as plain text")).to_be_visible(timeout=10_000)
    assert await page.locator("#log").evaluate("log => log.scrollWidth - log.clientWidth") == 0


async def test_a_screen_reader_hears_that_a_reply_comes_and_then_its_text(page, model):
    await page.goto("/")
    await connected(page)
    gate = Gate()
    model.next(Script(text="It is **done**.\n\n- one\n- two", gate=gate))
    said = page.locator("#announce")
    await ask(page, "Say it.")
    await expect(said).to_have_text(re.compile("repl", re.IGNORECASE))
    await expect(reply(page)).to_have_attribute("aria-busy", "true")
    gate.open()
    await expect(said).to_have_text("It is done. one two")
    await expect(reply(page)).not_to_have_attribute("aria-busy", "true")
    model.next(Script(status=500, error="no"))
    await ask(page, "Say it again.")
    await expect(said).to_have_text("The model failed: no.")


async def test_a_second_tab_shows_the_same_and_may_stop(page, model):
    await page.goto("/")
    other = await page.context.new_page()
    await other.goto("/hello")
    await connected(page)
    await connected(other)
    model.next(Script(n=500, tps=40))
    await ask(page, "Both of you.")
    await expect(other.locator(".msg.user").last).to_have_text("Both of you.")
    await expect(reply(other)).to_contain_text("w00005")
    await other.get_by_role("button", name="Stop the reply").click()
    await expect(reply(page).locator("footer.by")).to_contain_text("Stopped", timeout=1000)
    assert await reply(page).inner_html() == await reply(other).inner_html()


async def test_earlier_messages_come_in_above_and_move_nobody(own, windows):
    await asyncio.to_thread(own.terminate)
    with sqlite3.connect(own.data / "treadle.db") as database:
        database.executemany(
            "INSERT INTO messages (conversation, role, state, text, created_at, born, rev) "
            "VALUES (1, ?, 'done', ?, 0, 1, 1)",
            [(role, f"{role} {n}") for n in range(130) for role in ("user", "assistant")])
    database.close()
    await asyncio.to_thread(own.restart)
    page = await (await windows.new()).new_page()
    await page.goto("/")
    await connected(page)
    log = page.locator("#log")
    rows = page.locator("#log-items > .msg")
    count = await rows.count()
    assert 90 <= count <= 100
    await log.focus()
    await page.keyboard.press("Home")
    link = page.get_by_role("link", name="Earlier messages")
    await expect(link).to_be_in_viewport()
    first = await rows.first.get_attribute("id")
    before = (await page.locator(f"#{first}").bounding_box())["y"]
    await link.click()
    await expect(rows).to_have_count(count + 100)
    after = (await page.locator(f"#{first}").bounding_box())["y"]
    assert abs(before - after) <= 2
    await expect(log).to_be_focused()
    ids = await page.evaluate("[...document.querySelectorAll('#log-items > .msg')].map((row) => +row.id.slice(1))")
    assert ids == sorted(ids)
