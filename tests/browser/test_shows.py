"""Frames in a real browser: what they draw, how they are reached, and that they reach nothing themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Error, Frame, Page, expect

from tests.browser.conftest import PHONE, SMALL, eventually
from tests.browser.test_pages import AXE, violations
from tests.harness import Server

PLUGIN = '''
from treadle import Diagram, Graph, LongText, Ui, workflow

NODES = [{"id": "/", "group": "page"}, {"id": "/a", "group": "page"}, {"id": "/gone", "group": "broken"}]


@workflow("Frames", message="m")
async def frames(ui: Ui):
    ui.show(Diagram("flowchart LR; shop[/shop/]-->help[/help/]", title="Redirects"))
    ui.show(Graph(NODES, [("/", "/a"), ("/a", "/gone")], title="Links"))
    note = await ui.ask("Diagram", LongText)
    ui.show(Diagram(note, title="Yours"))
    await ui.ask("More", str)


@workflow("Chart", message="m")
async def chart(ui: Ui):
    ui.show(await ui.job("Build", built))


def built():
    from plotly.graph_objects import Figure, Scatter

    return Figure(Scatter(y=[1, 3, 2]), layout={"title": {"text": "Clicks"}})
'''
TRY = """async (address) => {
  const tried = {};
  const note = (name, run) => { try { tried[name] = String(run()); } catch (error) { tried[name] = error.name; } };
  note("parent", () => parent.document.title);
  note("cookie", () => document.cookie);
  note("storage", () => localStorage.length);
  note("top", () => { top.location = "about:blank"; return "moved"; });
  for (const path of ["/", "/static/app.js", "/frame/new/frames/1"])
    tried[path] = await fetch(address + path).then((answer) => answer.status, (error) => error.name);
  tried.image = await new Promise((done) => Object.assign(new Image(), {
    onload: () => done("loaded"), onerror: () => done("refused"), src: `${address}/favicon.ico`}));
  tried.script = await new Promise((done) => {
    const script = Object.assign(document.createElement("script"), {textContent: "window.ran = true"});
    document.body.append(script);
    done(String(window.ran));
  });
  return tried;
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("frames")
    (folder / "010_frames.py").write_text(PLUGIN)
    with Server(tmp_path_factory.mktemp("server"), plugins=folder) as server:
        yield server


async def framed(page: Page, title: str) -> Frame:
    """The frame of that title, once its content is there."""
    box = page.locator(f'iframe[title="{title}"]')
    await box.scroll_into_view_if_needed()
    frame = await (await box.element_handle()).content_frame()
    await frame.wait_for_selector("#box svg, #box pre", state="attached")
    return frame


async def test_a_diagram_is_drawn_as_high_as_it_is_and_its_frame_reaches_nothing(page, watch, server):
    await page.goto("/frames")
    frame = await framed(page, "Diagram: Redirects")
    await expect(frame.locator("svg").first).to_have_attribute("aria-label", "Redirects")
    assert "/shop" not in await page.locator("#main").inner_text()
    assert "shop" in await frame.locator("#box").inner_text()
    box = page.locator('iframe[title="Diagram: Redirects"]')
    inner = await frame.evaluate("document.body.scrollHeight")
    await eventually(lambda: box.evaluate("(box, inner) => Math.abs(box.offsetHeight - inner) < 4", inner))
    await page.locator("summary", has_text="Source").first.click()
    await expect(page.locator("details", has_text="flowchart LR").first).to_be_visible()
    watch.expect("")  # what it tries now is refused, and said
    tried = await frame.evaluate(TRY, server.address)
    assert tried == {"parent": "SecurityError", "cookie": "SecurityError", "storage": "SecurityError",
                     "top": "SecurityError", "/": "TypeError", "/static/app.js": "TypeError",
                     "/frame/new/frames/1": "TypeError", "image": "refused", "script": "undefined"}
    assert page.url.endswith("/frames")


async def test_a_frame_opened_in_a_tab_of_its_own_still_has_no_origin(page):
    await page.goto("/frame/new/frames/1")
    await page.wait_for_selector("#box svg")
    assert await page.evaluate("origin") == "null"
    with pytest.raises(Error, match=r"SecurityError|sandboxed"):
        await page.evaluate("document.cookie")


async def test_what_mermaid_cannot_read_is_said_in_its_place(page):
    await page.goto("/frames")
    await page.locator("textarea[name=value]").fill("flowchart LR; a--")
    await page.locator(".card-foot .btn.solid").click()
    await page.wait_for_url("**/frames/*")
    frame = await framed(page, "Diagram: Yours")
    await expect(frame.get_by_role("alert")).to_contain_text("not yet a Mermaid diagram")
    await expect(frame.get_by_role("alert")).to_contain_text("Parse error")
    await frame.evaluate("window.mine = true")  # the run is drawn again, the frame stays as it is
    box = page.locator('iframe[title="Diagram: Yours"]')
    height = await box.evaluate("box => box.offsetHeight")
    await page.locator("#f-more").fill("no")
    await page.locator(".card-foot .btn.solid").click()
    await expect(page.locator("#step-more.done")).to_be_visible()
    assert await frame.evaluate("window.mine")
    assert await box.evaluate("box => box.offsetHeight") == height != 320


async def test_a_graph_follows_the_theme_and_is_walked_by_keyboard(page):
    await page.goto("/")
    await page.locator("#main a", has_text="Frames").first.click()  # by htmx: the script that listens comes with it
    frame = await framed(page, "Graph: Links")
    box = page.locator('iframe[title="Graph: Links"]')
    await eventually(lambda: box.evaluate("box => box.offsetHeight !== 320"))
    await frame.evaluate("window.mine = true")
    dark = "getComputedStyle(document.body).color"
    before = await frame.evaluate(dark)
    await page.locator("#theme").click()
    await eventually(lambda: frame.evaluate(f"{dark} !== '{before}'"))
    await page.locator("#theme").click()
    await eventually(lambda: frame.evaluate(f"{dark} === '{before}'"))
    assert await frame.evaluate("window.mine")
    await frame.locator("svg.graph").focus()
    await page.keyboard.press("Home")
    said = frame.get_by_role("status")
    await expect(said).to_have_text("/, page. 0 in, 1 out: /a.")
    await frame.get_by_role("searchbox").fill("gone")
    await page.keyboard.press("Enter")
    await expect(said).to_have_text("/gone, broken. 1 in, 0 out.")
    await frame.locator("svg.graph").focus()
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
        await page.keyboard.press(key)
    await page.keyboard.press("Escape")
    await expect(said).to_be_empty()
    await page.locator("summary", has_text="The same as a table").click()
    await expect(page.locator("table", has_text="leads to")).to_contain_text("/gone")


async def test_a_figure_of_plotly_is_drawn_by_its_own_script(page):
    pytest.importorskip("plotly")
    await page.goto("/chart")
    await page.locator(".btn.solid", has_text="Start").click()
    await page.locator("iframe").wait_for()
    frame = await framed(page, "Plotly: Clicks")
    await frame.wait_for_selector(".scatterlayer .point")


async def test_no_frame_has_a_violation_axe_can_find_nor_scrolls_its_page(windows):
    page = await (await windows.new(PHONE, reduced_motion="reduce")).new_page()
    await page.goto("/frames")
    for scheme, title in (("light", "Diagram: Redirects"), ("light", "Graph: Links"), ("dark", "Graph: Links"),
                          ("dark", "Diagram: Redirects")):
        await page.emulate_media(color_scheme=scheme)
        frame = await framed(page, title)
        await frame.evaluate(AXE)
        found = await frame.evaluate("""async () => (await axe.run(document, {preload: false})).violations
            .map(({id, nodes}) => `${id} ${nodes[0].html}`)""")
        assert [each for each in found if not each.startswith(("landmark-", "page-has-", "region "))] == []
    assert await violations(page) == []
    for size in (PHONE, SMALL):
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        assert await page.evaluate("document.getElementById('main').scrollWidth") <= size[0]
