"""Home: the first start, and a person who returns."""

from __future__ import annotations

import pytest

from tests.browsing import form_to, submit
from tests.harness import HX
from tests.partials import parse
from tests.trips import plugins_at
from treadle.config import Settings
from treadle.web.components.runs import when


def main(html: str):
    return parse(html).find("main") or parse(html)


async def test_the_first_start_offers_the_introduction_then_the_other_places(client):
    page = main((await client.get("/")).text)
    assert next(node.text for node in page.walk() if node.tag == "h1") == "Start here"
    start = next(node for node in page.walk() if node.text == "Start" and node.tag == "a")
    assert (start.attrs["href"], start.attrs["hx-post"]) == ("/introduction", "/redirect/introduction")
    cards = [node for node in page.walk() if node.tag == "a" and node.has_class("card")]
    assert "/introduction" not in [card.attrs["href"] for card in cards]
    assert all(card.attrs["hx-post"] == f"/redirect{card.attrs['href']}" for card in cards) and len(cards) >= 2


async def test_a_returning_person_finds_unfinished_runs_and_every_place(client, core):
    form = form_to((await client.get("/hello")).text, "/runs/new/hello")
    path = (await submit(client, form, value="Ann")).headers["location"]
    page = main((await client.get("/")).text)
    assert "One run waits for your answer." in page.text and "Step 2, Greeting" in page.text
    row = next(node for node in page.walk() if node.attrs.get("href") == path)
    assert row.text == "Hello, Ann" and row.attrs["hx-get"] == path
    await core.runs.finalise("default-hello-01")
    page = main((await client.get("/")).text)
    assert "Nothing waits for you." in page.text and "Step 2" not in page.text
    cards = [node.attrs["href"] for node in page.walk() if node.tag == "a" and node.has_class("card")]
    assert cards[:2] == ["/introduction", "/hello"]


async def test_the_runs_that_wait_are_counted_also_where_not_all_are_listed(client, core):
    for number in range(11):
        await core.runs.begin("hello", {"value": ["Ann"]}, client_id=f"c{number}")
    page = main((await client.get("/")).text)
    assert "11 runs wait for your answer." in page.text and page.text.count("Step 2, Greeting") == 10


async def test_home_as_a_fragment_is_the_inside_of_main(client):
    response = await client.get("/", headers=HX)
    assert "<html" not in response.text and response.text.startswith("<title>Home")


async def test_home_under_its_name_leads_to_the_root(client):
    response = await client.get("/home")
    assert (response.status_code, response.headers["location"]) == (303, "/")


@pytest.mark.parametrize(("ago", "text"), [(0, "today, "), (86_400, "yesterday"), (9 * 86_400, "6 January"),
                                           (400 * 86_400, "11 December 2025")])
def test_times_are_told_as_a_person_says_them(ago, text):
    now = 1_800_000_000.0  # 15 January 2027, at 8 in the morning or another hour of that day's middle
    assert when(now - ago, now).startswith(text)


class TestOtherPlaces:
    @pytest.fixture
    def settings(self, tmp_path):
        return Settings(data=tmp_path / "data", plugins=plugins_at(tmp_path / "plugins"), open_browser=False,
                        ollama_host="http://127.0.0.1:9")

    async def test_without_an_introduction_there_is_none_and_a_broken_plugin_keeps_its_place(self, client):
        page = main((await client.get("/")).text)
        cards = {node.attrs["href"]: node.text for node in page.walk() if node.tag == "a" and node.has_class("card")}
        assert list(cards) == ["/trip", "/listing", "/extra", "/skip", "/fails", "/swap", "/leap", "/nothing", "/gap"]
        assert cards["/trip"] == "TripPlan a trip." and cards["/gap"] == "GapThis workflow does not load at present."
        assert page.find("intro") is None
