"""Plugins as pages: saved, broken and mended while the server runs; tools, pages, and what they need."""

from __future__ import annotations

import platform

import pytest

from tests.browsing import form_to, submit
from tests.harness import HX, until
from tests.partials import parse
from treadle.config import VERSION, Settings
from treadle.web.viewport import viewports

HELLO = '''from treadle import workflow

@workflow("Hello", message="Who are you?", needs=["network: example.org", "model"])
async def hello(ui):
    name = await ui.ask("Your name", str)
    if name == "Bad Bob":
        raise ValueError(f"{name} again")
    ui.show("Good day, **" + name + "**.")
    await ui.ask("Your town", str)
'''

ABOUT = '''from fasthtml.common import Div, P
from treadle import Table, page

@page("About", about="What this is.")
def about(ui):
    ui.show(Table([{"n": 1}]))
    return Div(P("A page of components."))

@page("Asking")
def asking(ui):
    return ui.ask("Name", str)
'''


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "040_hello.py").write_text(HELLO)
    (folder / "050_about.py").write_text(ABOUT)
    return folder


@pytest.fixture
def settings(tmp_path, folder):
    return Settings(data=tmp_path / "data", plugins=folder, open_browser=False, ollama_host="http://127.0.0.1:9")


async def reloaded(core) -> None:
    """Wait until the watch has seen what was saved."""
    changed: list[str] = []

    async def looked():
        changed.extend(await core.watch.look())
        return changed

    await until(looked)


async def begin(client, name="Ann") -> str:
    form = form_to((await client.get("/hello")).text, "/runs/new/hello")
    return (await submit(client, form, value=name)).headers["location"]


async def test_a_broken_save_is_a_card_at_its_own_address_and_mending_brings_the_page_back(client, core, folder):
    (folder / "040_hello.py").write_text(HELLO + "\n1 / 0\n")
    await reloaded(core)
    page = parse((await client.get("/hello")).text)
    fault = page.find("fault")
    assert "040_hello.py does not load" in fault.text
    assert "plugins/040_hello.py, line 11" in fault.text and "division by zero" in fault.text
    assert "1 / 0" in page.find("fault-trace").text
    assert (await client.get("/about")).status_code == 200
    (folder / "040_hello.py").write_text(HELLO)
    await reloaded(core)
    assert "Your name" in (await client.get("/hello")).text


async def test_a_run_goes_on_with_the_last_good_version_while_its_file_is_broken(client, core, folder):
    path = await begin(client)
    (folder / "040_hello.py").write_text(HELLO + "\n1 / 0\n")
    await reloaded(core)
    page = (await client.get(path)).text
    assert "Good day" in page
    await submit(client, form_to(page, "/runs/default-hello-01/steps/"), value="Rome")
    assert core.runs.get("default-hello-01").complete
    card = (await client.get("/hello")).text
    assert path in card or "the run that is not finished" not in card


async def test_the_card_of_a_broken_file_lists_the_runs_it_leaves_alone(client, core, folder):
    path = await begin(client)
    (folder / "040_hello.py").write_text("def (")
    await reloaded(core)
    page = parse((await client.get("/hello")).text)
    assert "goes on serving the run that is not finished" in page.text
    assert any(node.attrs.get("href") == path for node in page.walk())


async def test_viewers_are_told_to_fetch_the_menu_home_and_the_page_that_changed(client, core, folder):
    viewport = viewports(core).of(1)
    at = viewport.now()
    assert 'id="at-hello-live"' in (await client.get("/hello")).text
    assert 'id="at-home-live"' in (await client.get("/")).text
    assert 'id="at-hello-live"' not in (await client.get(await begin(client))).text
    (folder / "040_hello.py").write_text(HELLO.replace('"Hello"', '"Good day"'))
    await reloaded(core)
    frame = viewport.frame(at).data.decode()
    for target in ("#menu-live", "#at-home-live", "#at-hello-live"):
        assert f'hx-target="{target}"' in frame
    assert "#at-about-live" not in frame
    menu = (await client.get("/home/menu", headers={**HX, "HX-Current-URL": "http://127.0.0.1:5001/hello"})).text
    assert "Good day" in menu and menu.count('aria-current="page"') == 1


async def test_a_form_that_came_back_is_not_fetched_over(client):
    form = form_to((await client.get("/hello")).text, "/runs/new/hello")
    refused = await submit(client, form, value="")
    assert refused.status_code == 422 and 'id="at-hello-live"' not in refused.text


async def test_what_a_plugin_needs_is_said_before_its_first_use_and_then_no_more(client):
    needs = parse((await client.get("/hello")).text).find("needs")
    assert "Hello asks for two things" in needs.text
    assert "It fetches from example.org." in needs.text and "the model you have chosen" in needs.text
    await begin(client)
    assert parse((await client.get("/hello")).text).find("needs") is None


async def test_a_page_is_drawn_anew_each_time_and_has_nothing_to_start(client, core):
    html = (await client.get("/about")).text
    page = parse(html).find("main")
    assert "A page of components." in page.text and "Start" not in page.text
    assert 'aria-labelledby="menu-page"' in html
    assert (await client.post("/runs/new/about", data={}, headers=HX)).status_code == 404
    assert core.runs.list() == []


async def test_a_page_that_asks_is_an_error_card(client):
    assert "A page asks nothing" in (await client.get("/asking")).text


async def test_the_person_gets_plain_words_what_was_typed_and_a_report_that_quotes_nobody(client, core):
    path = await begin(client, "Bad Bob")
    page = parse((await client.get(path)).text)
    failed = page.find("failed")
    assert "Your answers are kept." in failed.text and "You typed" in failed.text and "Bad Bob" in failed.text
    assert any(node.text == "Try again" and node.attrs["href"] == path for node in failed.walk() if node.tag == "a")
    report = page.find("report").text
    for part in (f"Treadle {VERSION}", platform.python_version(), core.plugins.get("hello").code, "ValueError",
                 "plugins/040_hello.py, line 7", "Reference: "):
        assert part in report
    assert "Bob" not in report
    assert "Your name: Bad Bob" in page.find("report-typed").text


async def test_the_version_in_reports_is_that_of_the_project():
    from treadle.config import ROOT

    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
