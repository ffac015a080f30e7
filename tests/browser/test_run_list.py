"""All runs in a real browser: followed live without moving what one reads, and the journey of a run to a file and back.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, SMALL, connected
from tests.browser.test_pages import violations
from tests.harness import NOWHERE, Server
from tests.trips import plugins_at


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("runs")
    with Server(folder, ollama=NOWHERE, plugins=plugins_at(folder / "plugins")) as server:
        yield server


def row(page: Page, key: str):
    return page.locator(f"#row-{key}")


async def more(page: Page, key: str, action: str) -> None:
    await page.locator(f"#more-{key}-b").click()
    await page.locator(f"#more-{key}").get_by_text(action, exact=True).click()


async def begun(page: Page, town: str) -> str:
    """A trip begun by hand; its key."""
    await page.goto("/trip")
    await page.locator("#f-where").fill(town)
    await page.locator("#f-where").press("Enter")
    await page.locator("#f-days").wait_for()
    return page.url.rpartition("/")[2]


async def test_a_run_is_named_deleted_and_brought_back_by_hand(page):
    first, second = await begun(page, "Rome"), await begun(page, "Oslo")
    await page.goto("/runs")
    await connected(page)
    await more(page, first, "Rename")
    await expect(page.locator(f"#name-{first}")).to_be_focused()
    await page.keyboard.press("Control+A")
    await page.keyboard.type("The trip to Rome")
    await page.keyboard.press("Enter")
    await expect(row(page, first).locator(".nm")).to_have_text("The trip to Rome")
    await more(page, second, "Delete")
    toast = page.locator(".toast")
    await expect(toast).to_contain_text("Trip, Oslo was deleted.")
    await toast.get_by_role("button", name="Undo").click()
    await expect(toast).to_have_count(0)
    await expect(row(page, second).locator(".nm")).to_have_attribute("href", f"/trip/{second}")
    await row(page, second).get_by_role("checkbox").check()
    await page.get_by_role("button", name="Delete", exact=True).first.click()
    await expect(page.locator(".toast")).to_be_visible()
    await page.locator(".toast").hover()
    assert await page.locator(".toast").evaluate("toast => toast.getAnimations().length") == 0  # it stays
    await page.locator("h1").hover()
    assert await page.locator(".toast").evaluate("""toast => {
        const [ending] = toast.getAnimations();
        ending.finish();
        return ending.effect.getTiming().delay;
    }""") == 8000
    await expect(page.locator(".toast")).to_be_hidden()
    await expect(row(page, second)).to_have_count(0)
    await page.get_by_label("Deleted 1").check()
    await row(page, second).get_by_role("button", name="Undo").click()
    await expect(page.locator("#runs-seg")).not_to_contain_text("Deleted 1")


async def test_the_list_follows_without_moving_what_one_reads_or_types(page):
    key, other = await begun(page, "Bonn"), await page.context.new_page()
    await page.goto("/runs")
    await connected(page)
    rows = await page.locator("#runs-list .nm").all_inner_texts()
    await page.get_by_label("Select Trip, Bonn").check()
    await more(page, key, "Rename")
    await page.locator(f"#name-{key}").press("End")
    await page.keyboard.type(" at last")
    new = await begun(other, "Lima")
    await expect(page.get_by_text("1 newer run.")).to_be_visible()
    await expect(page.locator(f"#name-{key}")).to_have_value("Trip, Bonn at last")
    await expect(page.locator(f"#name-{key}")).to_be_focused()
    await page.get_by_role("link", name="Cancel").click()
    await expect(page.locator("#runs-list .nm")).to_have_text(["Trip, Lima", *rows])
    await page.get_by_label("Select Trip, Lima").check()
    await other.get_by_role("button", name="Finish and lock").click()
    await expect(row(page, new).locator(".state")).to_have_text("Finished")
    await expect(page.get_by_label("Select Trip, Lima")).to_be_checked()
    await page.locator("#runs-q").press_sequentially("lima")
    await expect(page.locator("#runs-list .nm")).to_have_text(["Trip, Lima"])
    await expect(page.locator("#runs-q")).to_be_focused()
    assert "/runs?" in page.url and "q=lima" in page.url


async def test_a_run_is_forked_compared_saved_opened_alone_and_brought_back(page, windows, tmp_path):
    key = await begun(page, "Kiel")
    await page.locator("#f-days").fill("3")
    await page.locator("#f-days").press("Enter")
    await page.get_by_role("button", name="Book it").click()
    await page.locator("#f-note").fill("Take an umbrella")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("Booked: Kiel").wait_for()
    await more(page, key, "Fork at a step")
    await page.get_by_role("button", name="Fork here, at Days").click()
    await expect(page.locator("#f-days")).to_have_value("3")
    await page.locator("#f-days").fill("5")
    await page.locator("#f-days").press("Enter")
    await page.locator("#step-go").wait_for()
    await page.locator("#origin").get_by_role("link", name="Compare").click()
    await expect(page.locator(".compare tr", has_text="Days")).to_contain_text("differs")
    await page.get_by_label("Only what differs").check()
    await expect(page.locator(".compare tr", has_text="Where")).to_be_hidden()
    await page.goto(f"/trip/{key}")
    await page.locator(f"#more-{key}-b").click()
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="Save as one HTML file").click()
    saved = tmp_path / (await waiting.value).suggested_filename
    await (await waiting.value).save_as(saved)
    alone = await windows.new(PHONE, signed_in=False, offline=True, color_scheme="dark")
    reader = await alone.new_page()
    await alone.route("http*://**", lambda route: route.abort())
    await reader.goto(saved.as_uri())
    await expect(reader.locator("li.step", has_text="Note")).to_contain_text("Take an umbrella")
    await expect(reader.get_by_text("Booked: Kiel")).to_be_visible()
    async with reader.expect_download() as waiting:
        await reader.get_by_role("link", name="trip.json").click()
    assert b'"days": 3' in (await (await waiting.value).path()).read_bytes()
    assert not [url for url in windows.watch(alone).requests if url.startswith("http")]
    windows.watch(alone).expect("asked another host: file:")
    assert await reader.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await violations(reader) == []
    await page.goto("/runs")
    await page.get_by_text("Open a saved run").click()
    await page.locator("#import-file").set_input_files(saved)
    await page.get_by_role("button", name="Open it").click()
    await page.get_by_text("Nothing of it runs until it is unlocked.").wait_for()
    await expect(page.locator("#step-note .sum")).to_have_text("Take an umbrella")
    await page.get_by_role("button", name="Unlock").click()
    await expect(page.get_by_role("button", name="Revert to Note")).to_be_visible()


@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", SMALL)])
async def test_the_pages_of_runs_have_no_violation_and_are_no_wider_than_their_window(windows, scheme, size):
    page = await (await windows.new(size, color_scheme=scheme, reduced_motion="reduce")).new_page()
    first, second = await begun(page, f"Ulm {scheme}"), await begun(page, f"Jena {scheme}")
    await page.goto("/runs")
    await page.locator(f"#pick-{first}").check()
    await page.locator(f"#pick-{second}").check()
    await page.locator(f"#more-{first}-b").click()
    assert await violations(page) == []
    compared, run = f"/runs/compare?run={first}&run={second}", f"/trip/{first}"
    for path in (compared, run, f"/runs/{first}/rename") if scheme == "light" else (
            compared, f"/runs?rename={first}", f"/runs/{first}/fork"):
        await page.goto(path)
        if "/trip/" in path:
            await page.locator("#history summary").click()
        assert (path, await violations(page)) == (path, [])
        assert await page.evaluate("document.querySelector('#main').scrollWidth <= innerWidth"), path
    await page.goto("/runs")
    await more(page, second, "Delete")
    await page.locator(".toast").wait_for()
    assert await violations(page) == []
