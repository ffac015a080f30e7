"""One Chromium for all, one server for each file, one signed-in window for each test.

What a page does wrong fails its test: an error in the console, a violation of the policy, a request elsewhere.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, Playwright, async_playwright

from tests.fakes import FakeOllama
from tests.harness import NOWHERE, Server

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync"]
CHROMIUM = "/usr/bin/chromium"
DESKTOP, PHONE, SMALL = (1440, 900), (390, 844), (320, 640)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for the browser and all its tests."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


class Watch:
    """What the pages of a window complained about. `expect` what a test brings about on purpose."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.troubles: list[str] = []
        self.requests: list[str] = []
        self._expected: list[re.Pattern[str]] = []

    def expect(self, pattern: str) -> None:
        """Complaints that match are no trouble, before and after."""
        self._expected.append(re.compile(pattern))

    def follow(self, context: BrowserContext) -> None:
        context.on("console", lambda said: said.type == "error" and self.troubles.append(said.text))
        context.on("weberror", lambda error: self.troubles.append(str(error.error)))
        context.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        self.requests.append(url)
        if not url.startswith((self.address, "data:", "blob:", "about:")):
            self.troubles.append(f"asked another host: {url}")

    def check(self) -> None:
        left = [trouble for trouble in self.troubles if not any(each.search(trouble) for each in self._expected)]
        assert not left, left


class Windows:
    """Windows of one browser profile each, signed in at one server."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self._browser, self.server = browser, server
        self._open: list[tuple[BrowserContext, Watch]] = []

    async def new(self, size: tuple[int, int] = DESKTOP, *, signed_in: bool = True, **options: Any) -> BrowserContext:
        """A window with its own cookies and storage; `watch` of it hears what its pages complain about."""
        context = await self._browser.new_context(
            base_url=self.server.address, viewport={"width": size[0], "height": size[1]}, **options)
        context.set_default_timeout(5000)
        context.set_default_navigation_timeout(20_000)  # how long a page takes is the business of bench/
        if signed_in:
            await context.add_cookies([{"name": name, "value": value, "url": self.server.address}
                                       for name, value in self.server.cookies.items()])
        watch = Watch(self.server.address)
        watch.follow(context)
        self._open.append((context, watch))
        return context

    def watch(self, context: BrowserContext | None = None) -> Watch:
        """Of the newest window unless another is given."""
        return next(watch for each, watch in reversed(self._open) if context is None or each is context)

    async def close(self) -> None:
        for context, _ in self._open:
            await context.close()
        for _, watch in self._open:
            watch.check()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as playwright:
        yield playwright


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(playwright: Playwright) -> AsyncIterator[Browser]:
    """The one Chromium."""
    browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
    yield browser
    await browser.close()


@pytest.fixture(scope="module")
def model() -> Iterator[FakeOllama]:
    """The fake Ollama of this file. A test that changes it puts it back."""
    with FakeOllama() as fake:
        yield fake


@pytest.fixture(scope="module")
def server(model: FakeOllama, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of this file, with the shipped plugins."""
    with Server(tmp_path_factory.mktemp("server"), ollama=model.address) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def own(model: FakeOllama, tmp_path: Path) -> AsyncIterator[Server]:
    """A server for this test alone: it may be killed, and its log is empty."""
    server = Server(tmp_path, ollama=model.address)
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.kill)


@pytest_asyncio.fixture(loop_scope="session")
async def lonely(tmp_path: Path) -> AsyncIterator[Server]:
    """A server for this test alone, without a model."""
    server = Server(tmp_path, ollama=NOWHERE)
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.kill)


@pytest_asyncio.fixture(loop_scope="session")
async def windows(request: pytest.FixtureRequest, browser: Browser) -> AsyncIterator[Windows]:
    """Windows at the test's own server, if it asks for one, else at that of the file."""
    name = next((name for name in ("own", "lonely") if name in request.fixturenames), "server")
    windows = Windows(browser, request.getfixturevalue(name))
    yield windows
    await windows.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(windows: Windows) -> Page:
    """A page of a signed-in window at 1440 px, not yet anywhere."""
    return await (await windows.new()).new_page()


@pytest_asyncio.fixture(loop_scope="session")
async def watch(page: Page, windows: Windows) -> Watch:
    """What `page` complains about."""
    return windows.watch(page.context)


async def eventually(condition: Callable[[], Any], *, within: float = 5) -> Any:
    """Wait until the awaited result of `condition` is true and return it. (Playwright's own wait for a function needs
    eval, which the policy forbids.) `within`: seconds, then AssertionError with the last result."""
    end = time.monotonic() + within
    while not (result := await condition()):
        assert time.monotonic() < end, f"not within {within} s: {result!r}"
        await asyncio.sleep(0.01)
    return result


async def limit_uploads(page: Page, speed: int) -> Callable[[int], Any]:
    """Let what `page` sends take its time. `speed`: bytes per second. Returns what sets another; -1 is as it was."""
    network = await page.context.new_cdp_session(page)
    await network.send("Network.enable")

    async def limit(speed: int) -> None:
        await network.send("Network.emulateNetworkConditions", {
            "offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": speed})

    await limit(speed)
    return limit


async def connected(page: Page) -> None:
    """Wait until the stream of `page` is open: what is sent now, it hears."""
    await eventually(lambda: page.evaluate("!!document.getElementById('live')?._htmx?.sse?.reader"))


async def ask(page: Page, text: str) -> None:
    """Type a question and send it with Enter."""
    await page.locator("#text").fill(text)
    await page.locator("#text").press("Enter")


async def go(page: Page, title: str) -> None:
    """Walk to a place through the menu."""
    await page.locator(".top .menu-btn").click()
    await page.locator("#menu").get_by_role("link", name=title, exact=True).click()


def reply(page: Page) -> Locator:
    """The newest row of question or reply: the reply, as soon as it is there."""
    return page.locator(".msg:visible").last


async def ended(page: Page) -> None:
    """Wait until the newest reply has its footer."""
    await reply(page).locator("footer.by").wait_for(timeout=20_000)
