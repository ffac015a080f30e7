"""Arriving through the menu: a row before the answer, a plain 303, and the way without JavaScript."""

from __future__ import annotations

import pytest

from tests.browsing import form_to, submit
from tests.harness import HX


@pytest.fixture
def arrivals(core):
    return lambda: [(row["conversation"], row["endpoint"])
                    for row in core.db.rows("SELECT conversation, endpoint FROM arrivals ORDER BY id")]


def said(core, conversation=1):
    return [row.endpoint for row in core.conversations.messages(conversation)]


async def test_a_click_is_a_row_before_it_is_answered_with_a_plain_303(client, core, arrivals):
    answer = await client.post("/redirect/hello", headers=HX)
    assert (answer.status_code, answer.headers["location"]) == (303, "/hello")
    assert arrivals() == [(1, "hello")]
    assert said(core) == []
    await core.clock.advance(0.4)
    assert said(core) == ["hello"]


async def test_home_is_at_the_root(client, arrivals):
    answer = await client.post("/redirect/home", headers=HX)
    assert answer.headers["location"] == "/"
    assert arrivals() == [(1, "home")]


async def test_the_conversation_of_the_page_is_kept(client, core, arrivals):
    core.db.execute("INSERT INTO conversations (id, created_at, rev) VALUES (2, 0, 0)")
    for path, more in (("/redirect/hello?chat=2", {}), ("/redirect/hello", {"HX-Current-URL": "http://x/hello?chat=2"})):
        answer = await client.post(path, headers=HX | more)
        assert answer.headers["location"] == "/hello?chat=2"
    assert arrivals() == [(2, "hello")]
    await core.clock.advance(0.4)
    assert (said(core, 2), said(core)) == (["hello"], [])


@pytest.mark.parametrize("path", ["/redirect/nowhere", "/redirect/..%2fhello", "/redirect/hello?chat=99", "/redirect/"])
async def test_an_unknown_place_or_conversation_is_a_404_without_a_row(client, arrivals, path):
    answer = await client.post(path, headers=HX)
    assert answer.status_code == 404
    assert arrivals() == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_link_preview_arrives_nowhere(client, arrivals, method):
    answer = await client.request(method, "/redirect/hello")
    assert answer.status_code in (404, 405)
    assert arrivals() == []


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                                     {"Origin": "http://127.0.0.1:5002"}, {"Origin": "null"}])
async def test_another_page_makes_nobody_arrive(client, arrivals, headers):
    assert (await client.post("/redirect/hello", headers=HX | headers)).status_code == 403
    assert arrivals() == []


async def test_a_get_consumes_no_arrival(client, core):
    await client.post("/redirect/hello", headers=HX)
    for _ in range(3):
        assert (await client.get("/hello")).status_code == 200
    await core.clock.advance(0.4)
    assert said(core) == ["hello"]


async def test_without_javascript_the_message_is_there_before_the_page_is(client, core):
    answer = await client.post("/redirect/hello")
    assert (answer.status_code, answer.headers["location"]) == (303, "/hello")
    assert said(core) == ["hello"]


@pytest.mark.parametrize(("place", "where"), [("hello", "/chat/1?at=hello"), ("home", "/chat/1")])
async def test_without_javascript_the_button_leads_to_the_chat_about_the_place(client, core, place, where):
    answer = await client.post(f"/redirect/{place}", data={"to": "chat"})
    assert (answer.status_code, answer.headers["location"]) == (303, where)
    assert (await client.get(where)).status_code == 200
    assert said(core) == [place]


async def test_without_javascript_the_chat_knows_from_which_run_one_came(client, core):
    run = await core.runs.begin("hello", {"value": ["Ann"]}, client_id="c1")
    page = (await client.get(f"/hello/{run.key}")).text
    answer = await submit(client, form_to(page, "/redirect/hello"))
    assert answer.headers["location"] == f"/chat/1?at=hello&run={run.key}"
    assert f'href="/hello/{run.key}"' in (await client.get(answer.headers["location"])).text
