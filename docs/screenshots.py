"""`make screenshots`: draw docs/*.png anew, of a fresh server with a fake model. Nothing else in docs/ is written."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from tests.browser.conftest import ARGS, CHROMIUM, DESKTOP, PHONE, SMALL, ask, connected, go
from tests.fakes import FakeOllama, Script
from tests.harness import NOWHERE, Server
from tests.site import Site, running
from tests.site import page as web_page

HERE = Path(__file__).parent
URLS = "".join(f"https://{host}/{path}?page={n}\n" for n in range(40) for host, path in (
    ("www.example.org", "guides/returns"), ("shop.example.org", "refill-packs/large/"), ("docs.example.org", "")))
GREETING = """The greeting is stored and offered as a file, `greeting.json`. After that:

1. You can press **Revert** beside an answer and give another one.
2. *Finish and lock* ends the run; it can be unlocked.

Nothing is sent anywhere.
"""
REPLY = """Two hosts hold most of the list, and one of them repeats itself:

| Host | URLs | Depth |
|---|---:|---:|
| shop.example.org | 40 | 2 |
| www.example.org | 40 | 2 |
| docs.example.org | 40 | 0 |

Every URL carries `page`. To count each page once, leave it out:

```python
def without(url: str, name: str) -> str:
    parts = urlsplit(url)
    kept = [(key, value) for key, value in parse_qsl(parts.query) if key != name]
    return parts._replace(query=urlencode(kept)).geturl()
```
"""


GUIDES = ("returns", "delivery", "sizes", "care", "repair")
GOODS = ("soap", "refill-pack", "brush", "towel", "bottle", "jar", "sponge", "balm")


def shop() -> Site:
    """A small shop: guides that link each other, goods that link their guides, two links that lead nowhere."""
    site = Site(pages=0)
    html = {"Content-Type": "text/html; charset=utf-8"}

    def put(path: str, title: str, *links: str) -> None:
        site.answers[path] = (200, html, web_page(title, *links))

    site.answers.clear()
    put("/", "A small shop", "/guides/", "/goods/", "/contact", "/secret/stock")
    put("/guides/", "Guides", *(f"/guides/{name}" for name in GUIDES))
    put("/goods/", "Goods", *(f"/goods/{name}" for name in GOODS))
    put("/contact", "Contact", "/imprint")
    put("/orphan", "Summer sale")
    for number, name in enumerate(GUIDES):
        put(f"/guides/{name}", f"Guide: {name}", f"/guides/{GUIDES[number - 1]}", f"/goods/{GOODS[number]}")
    for number, name in enumerate(GOODS):
        put(f"/goods/{name}", name.capitalize(), f"/guides/{GUIDES[number % len(GUIDES)]}",
            *(["/goods/gift-box"] if number % 4 == 0 else []))
    return site


async def main() -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        with tempfile.TemporaryDirectory() as folder, FakeOllama() as model:
            for name in ("first", "second"):
                (Path(folder) / name).mkdir()
            with Server(Path(folder) / "first", ollama=NOWHERE) as server:
                await first(browser, server)
            with Server(Path(folder) / "second", ollama=model.address) as server:
                await work(browser, server, model)
                with running(shop()) as site:
                    await crawl(browser, server, site)
        await browser.close()


async def window(browser: Browser, server: Server, size: tuple[int, int], scheme: str = "light") -> Page:
    """A signed-in window whose pictures have no blinking caret in them."""
    context = await browser.new_context(base_url=server.address, color_scheme=scheme, reduced_motion="reduce",
                                        viewport={"width": size[0], "height": size[1]})
    await context.add_cookies([{"name": name, "value": value, "url": server.address}
                               for name, value in server.cookies.items()])
    return await context.new_page()


async def picture(page: Page, name: str) -> None:
    await page.mouse.move(0, 0)
    await page.evaluate("document.fonts.ready")
    await page.screenshot(path=HERE / f"{name}.png", caret="hide")


async def first(browser: Browser, server: Server) -> None:
    """The first start, without a model."""
    page = await window(browser, server, DESKTOP)
    await page.goto("/")
    await page.locator(".arrival").wait_for()
    await page.locator("#condition .notice").wait_for()
    await picture(page, "first-start")


async def work(browser: Browser, server: Server, model: FakeOllama) -> None:
    """Hello under way with a conversation beside it, wide, dark and on a phone; the menu; the tables of URL counts."""
    page = await window(browser, server, DESKTOP)
    await page.goto("/")
    await connected(page)
    await go(page, "Hello")
    await page.get_by_role("textbox", name="Your name").fill("Ada")
    await page.get_by_role("button", name="Start").click()
    await page.get_by_role("button", name="Greet", exact=True).wait_for()
    model.next(Script(text=GREETING, think=12))
    await ask(page, "What happens after I approve?")
    await page.locator("footer.by").wait_for()
    hello = page.url.removeprefix(server.address)
    await picture(page, "run-light")
    await page.locator(".top .menu-btn").click()
    await picture(page, "menu")
    await page.keyboard.press("Escape")
    await go(page, "URL counts")
    await page.get_by_label("Paste a list").check()
    await page.get_by_role("button", name="Start").click()
    await page.get_by_role("textbox", name="URLs").fill(URLS)
    await page.get_by_role("button", name="Save").click()
    await page.get_by_label("Count every line").wait_for()
    await page.get_by_role("button", name="Save").click()
    await page.locator("form.data").first.wait_for()
    model.next(Script(text=REPLY))
    await ask(page, "What stands out in these URLs?")
    await page.locator("footer.by").nth(1).wait_for()
    tables = page.url.removeprefix(server.address)
    await picture(page, "tables-light")
    for at, name, size, scheme in ((hello, "run-dark", DESKTOP, "dark"), (tables, "tables-phone", PHONE, "light"),
                                   (hello, "run-320", SMALL, "dark")):
        page = await window(browser, server, size, scheme)
        await page.goto(at)
        await connected(page)
        await picture(page, name)
        if size != DESKTOP:
            await page.locator(".tabs a").last.click()
            await picture(page, "chat-" + name.rpartition("-")[2])


async def crawl(browser: Browser, server: Server, site: Site) -> None:
    """A site crawl while it runs, and its graph of links."""
    page = await window(browser, server, DESKTOP)
    await page.goto("/site_crawl")
    await connected(page)
    await page.locator("#main input.input").last.fill(site.url)
    await page.get_by_role("button", name="Start").click()
    await page.get_by_label("Requests a second").fill("4")
    await page.get_by_label("Private networks").check()
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("heading", name="Crawl depth 2").wait_for(timeout=30_000)
    await page.get_by_text(re.compile(r"[6-9] of 1\d items")).first.wait_for(timeout=30_000)
    await picture(page, "job-light")
    graph = page.locator("figure:has(iframe), .figure:has(iframe), iframe").first
    await graph.wait_for(timeout=60_000)
    await graph.scroll_into_view_if_needed()
    await page.wait_for_timeout(2500)  # the graph comes to rest
    await picture(page, "crawl-light")


if __name__ == "__main__":
    asyncio.run(main())
