"""Jobs in a real browser: cards that live, Stop, the bell and its panel, and nothing asked for by who does not look."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import SMALL, connected, eventually
from tests.browser.test_pages import violations
from tests.harness import NOWHERE, Server
from tests.lab import lab_at


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("lab")
    with Server(folder, ollama=NOWHERE, plugins=lab_at(folder / "plugins")) as server:
        yield server


@pytest.fixture
def lab(tmp_path) -> Path:
    """The folder whose files let the jobs go on."""
    folder = tmp_path / "gates"
    folder.mkdir()
    return folder


async def begin(page: Page, lab: Path) -> None:
    await page.goto("/lab")
    await page.locator("#f-where").fill(str(lab))
    await page.locator("#f-where").press("Enter")
    await page.locator("#step-read progress").wait_for()
    await connected(page)


def polls(watch, what: str = "/jobs/") -> int:
    return sum(what in url for url in watch.requests)


async def test_a_card_lives_while_what_is_typed_and_unfolded_stays(page, watch, lab):
    await begin(page, lab)
    await page.locator("#step-read summary").click()
    await page.locator("#text").press_sequentially("half a thou")
    before = polls(watch)
    await eventually(lambda: asyncio.sleep(0, polls(watch) > before + 1))
    await expect(page.locator("#step-read details")).to_have_attribute("open", "")
    (lab / "read").touch()
    await expect(page.locator("#step-check tbody tr")).to_have_count(4)
    await expect(page.locator("#step-check .notice .n")).to_contain_text("4 of 12")
    await page.get_by_role("link", name="Show all").click()
    await page.get_by_role("button", name="status").click()
    await expect(page.locator("#step-check tbody tr").first).to_contain_text("203")
    before = polls(watch)
    await eventually(lambda: asyncio.sleep(0, polls(watch) > before + 1))
    await expect(page.locator("#step-check th[aria-sort=descending]")).to_be_visible()
    (lab / "well").touch()
    (lab / "check").touch()
    await page.locator("#f-note").press_sequentially("half a no")
    await expect(page.locator("#step-check")).to_contain_text("12 results")
    await expect(page.locator("#text")).to_have_value("half a thou")
    ended = polls(watch)
    await asyncio.sleep(0.7)  # longer than two polls would be apart
    assert polls(watch) == ended
    await expect(page.locator("#f-note")).to_have_value("half a no")


async def test_stop_and_go_on_by_keyboard_with_the_focus_in_the_card(page, lab):
    await begin(page, lab)
    await page.locator("#step-read").get_by_role("button", name="Stop").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#step-read")).to_contain_text("Stopped at 3 of 50.", timeout=1000)
    await expect(page.locator("#step-read-h")).to_be_focused()
    await expect(page.locator("#job-said")).to_have_text("Read is stopped.")
    await page.locator("#step-read").get_by_role("button", name="Go on").press("Enter")
    await expect(page.locator("#job-said")).to_have_text("Read started.")
    await page.locator("#step-read").get_by_role("button", name="Stop").click()


async def test_the_focus_goes_along_when_a_job_ends_under_it(page, lab):
    (lab / "well").touch()
    await begin(page, lab)
    await expect(page.locator("#step-read-h")).to_be_focused()
    (lab / "read").touch()
    await expect(page.locator("#step-check-h")).to_be_focused()
    await page.locator("#text").press_sequentially("else")  # who is elsewhere stays there
    (lab / "check").touch()
    await page.locator("#f-note").wait_for()
    await expect(page.locator("#text")).to_be_focused()


async def test_what_is_polled_stays_as_it_is_when_the_server_refuses(page, watch, lab):
    watch.expect("401")
    await begin(page, lab)
    async with page.expect_response(lambda answer: answer.status == 401):
        await page.route("**/jobs/read?*", lambda route: route.fulfill(status=401, body="<p>Sign in</p>"))
    await page.unroute_all()
    await expect(page.locator("#step-read")).to_contain_text("3 of 50")
    await page.locator("#step-read").get_by_role("button", name="Stop").click()
    await expect(page.locator("#step-read")).to_contain_text("Stopped")


async def test_the_bell_counts_elsewhere_and_its_panel_is_polled_only_while_open(page, watch, windows, lab):
    other = await (await windows.new()).new_page()
    await page.goto("/")
    await connected(page)
    await begin(other, lab)
    await expect(page.locator("#bell .badge")).to_have_text("1", timeout=1000)
    await asyncio.sleep(0.7)
    assert polls(watch) == 0  # closed: nothing is asked for
    await page.locator("#bell").click()
    await expect(page.locator("#jobs-list")).to_contain_text("3 of 50", timeout=400)
    await expect(page.get_by_role("button", name="Close")).to_be_focused()
    await eventually(lambda: asyncio.sleep(0, polls(watch, "/jobs/list") > 2))
    await page.get_by_role("button", name="Stop: Read").click()
    await expect(page.locator("#jobs-list")).to_contain_text("Stopped at 3 of 50", timeout=1000)
    await expect(page.locator("#bell .badge")).to_have_count(0)
    await expect(other.locator("#step-read")).to_contain_text("Stopped at 3 of 50.")
    await page.keyboard.press("Escape")
    closed = polls(watch)
    await asyncio.sleep(0.7)
    assert polls(watch) == closed
    await page.locator("#bell").click()
    await page.locator("#jobs-list .nm").first.click()
    await expect(page.locator("#step-read")).to_be_visible()
    await expect(page.locator("#jobs")).to_be_hidden()


async def test_who_does_not_look_asks_for_nothing(page, watch, lab):
    await begin(page, lab)
    await page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    asked = polls(watch)
    await asyncio.sleep(0.7)
    assert polls(watch) <= asked + 1  # one may have been on its way
    await page.locator("#step-read").get_by_role("button", name="Stop").click()


NOTICES = """window.told = []; window.Notification = class {
    static permission = 'default';
    static async requestPermission() { return this.permission = window.answer ?? 'granted'; }
    constructor(title, {body}) { window.told.push(`${title}: ${body}`); window.notice = this; } };"""
ENDED = ('<div id="ended" hidden hx-get="/jobs/ended?since=1" hx-trigger="every 10s" hx-swap="outerHTML">'
         '<a id="ended-1" href="/lab" title="Read is done">Lab, x</a></div>')


async def test_a_long_job_that_ended_is_told_to_who_asked_and_does_not_look(page, watch):
    await page.add_init_script(NOTICES)
    await page.route("**/jobs/ended*", lambda route: route.fulfill(body=ENDED, content_type="text/html"))

    async def polled() -> None:
        async with page.expect_response("**/jobs/ended*"):
            await page.evaluate("document.getElementById('ended').dispatchEvent(new Event('every'))")

    await page.goto("/")
    await connected(page)
    await page.evaluate("document.getElementById('ended').dispatchEvent(new Event('every'))")
    assert polls(watch) == 0  # nobody asked to be told
    await page.locator("#bell").click()
    await page.evaluate("window.answer = 'denied'")
    await page.locator("#notify").click()
    await expect(page.locator("#not-allowed")).to_be_visible()
    await expect(page.locator("#notify")).not_to_be_checked()
    await page.evaluate("window.answer = 'granted'")
    await page.locator("#notify").check()
    await page.evaluate("document.hasFocus = () => true")
    await polled()
    assert await page.evaluate("told") == []
    await page.evaluate("document.hasFocus = () => false")
    await polled()
    await eventually(lambda: page.evaluate("told.length"))
    assert await page.evaluate("told") == ["Read is done: Lab, x"]
    await page.evaluate("window.stays = true; notice.onclick()")
    await expect(page).to_have_url("/lab")
    assert await page.evaluate("stays")  # opened in the page, which keeps what is typed


SHOWN = """window.told = []; const Real = Notification; window.Notification = class extends Real {
    constructor(...given) { super(...given); for (const kind of ['show', 'error'])
        this.addEventListener(kind, () => told.push(`${kind}: ${this.title}, ${this.body}`)); } };"""


async def test_a_notice_is_really_shown_by_a_browser_that_allows_it(windows):
    window = await windows.new()
    await window.grant_permissions(["notifications"])
    page = await window.new_page()
    await page.add_init_script(SHOWN)
    await page.route("**/jobs/ended*", lambda route: route.fulfill(body=ENDED, content_type="text/html"))
    await page.goto("/")
    await connected(page)
    await page.locator("#bell").click()
    await page.locator("#notify").check()
    session = await window.new_cdp_session(page)
    await session.send("Emulation.setFocusEmulationEnabled", {"enabled": False})
    await (await window.new_page()).bring_to_front()  # its person looks at another tab
    await page.evaluate("document.getElementById('ended').dispatchEvent(new Event('every'))")
    await eventually(lambda: page.evaluate("told.length"))
    assert await page.evaluate("told") == ["show: Read is done, Lab, x"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_cards_and_panel_have_no_violation_and_fit(windows, lab, scheme):
    page = await (await windows.new(SMALL, color_scheme=scheme, reduced_motion="reduce")).new_page()
    await begin(page, lab)
    await page.locator("#step-read summary").click()
    assert await violations(page) == []
    assert await page.evaluate("document.getElementById('main').scrollWidth") <= SMALL[0]
    (lab / "read").touch()
    await page.locator("#step-check tbody tr").first.wait_for()
    assert await violations(page) == []
    await page.locator("#bell").click()
    await page.locator("#jobs-list progress").first.wait_for()
    assert await violations(page) == []
    box = await page.locator("#jobs").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= SMALL[0]
    await page.get_by_role("button", name="Stop: Check").first.click()
    await expect(page.locator("#jobs-list")).to_contain_text("Stopped")
    assert await violations(page) == []
    await page.goto("/jobs")
    assert await violations(page) == []
