"""SECURITY.md rows 9, 10, 41: who is let in, and how."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import httpx
import pytest

from tests.conftest import ADDRESS
from tests.harness import same_origin
from treadle.core import Core
from treadle.web.app import create_app
from treadle.web.guard import TICKET_S, Guard

TYPED = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FOLLOWED = {**TYPED, "Sec-Fetch-Site": "cross-site"}


@pytest.fixture
def app(core: Core) -> Guard:
    return create_app(core)


@pytest.fixture
async def stranger(app):
    """A browser that was never here."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS) as client:
        yield client


@pytest.fixture
def token(core: Core) -> str:
    return core.folder.secret("token")


async def test_the_token_is_128_bits_and_only_its_owner_reads_it(core, token):
    assert len(token) >= 22
    assert (core.folder.path / "token").stat().st_mode & 0o777 == 0o600


async def test_a_browser_nobody_knows_is_told_where_the_link_is(stranger):
    for path in ("/", "/hello", "/hello/default-hello-01", "/nowhere", "/chat/1", "/events/1"):
        answer = await stranger.get(path, headers={**TYPED, "Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 401
        assert "The link is printed in the terminal" in answer.text
        assert "Hello" not in answer.text, "no names of workflows"


async def test_a_browser_nobody_knows_changes_nothing(stranger, core):
    answer = await stranger.post("/redirect/home", headers=same_origin(ADDRESS))
    assert answer.status_code == 401
    assert core.db.rows("SELECT * FROM arrivals") == []


@pytest.mark.parametrize("arriving", [TYPED, FOLLOWED])
async def test_the_link_signs_the_browser_in(stranger, token, arriving):
    answer = await stranger.get(f"/login?token={token}", headers=arriving)
    assert answer.status_code == 200, "not a redirect: after one from another site the cookie would be kept back"
    assert '<meta http-equiv="refresh" content="0;url=/">' in answer.text
    assert '<a class="btn solid" href="/">Open Treadle</a>' in answer.text
    assert token not in answer.text
    assert (await stranger.get("/", headers=TYPED)).status_code == 200


async def test_the_cookie_is_named_after_the_port_and_kept_from_scripts_and_other_sites(stranger, token):
    cookies = (await stranger.get(f"/login?token={token}", headers=TYPED)).headers.get_list("set-cookie")
    assert f"treadle-5001={token}" in [cookie.partition("; ")[0] for cookie in cookies]
    for cookie in cookies:
        assert "-5001=" in cookie
        assert set(cookie.split("; ")) >= {"HttpOnly", "SameSite=Strict", "Path=/"}
        assert "Domain" not in cookie


async def test_a_wrong_link_signs_nobody_in(stranger, token):
    for wrong in (token[:-1], token + "x", token.swapcase(), "x", "%00", "é"):
        answer = await stranger.get("/login", params={"token": wrong}, headers=TYPED)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert "This token belongs to another Treadle." in answer.text


@pytest.mark.parametrize("before", ["", "http://127.0.0.1:5001/login?token="])
async def test_a_pasted_token_or_link_signs_in(stranger, token, before):
    answer = await stranger.post("/login", data={"token": f" {before}{token}\n"}, headers=same_origin(ADDRESS))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await stranger.get("/", headers=TYPED)).status_code == 200


async def test_pasting_gets_slower_with_each_wrong_token(stranger, token, clock):
    async def pastes(text: str) -> float:
        began = clock.monotonic()
        answer = asyncio.create_task(stranger.post("/login", data={"token": text}, headers=same_origin(ADDRESS)))
        for _ in range(200):
            await clock.settle()
            if answer.done():
                break
            await clock.advance(0.1)
        assert (await answer).status_code == (303 if text == token else 401)
        return clock.monotonic() - began

    waits = [await pastes("wrong") for _ in range(6)]
    assert waits == pytest.approx([0, 0.5, 1, 2, 4, 8], abs=0.2)
    assert await pastes(token) == pytest.approx(8, abs=0.2)
    assert await pastes(token) == 0


async def test_many_pasting_at_once_take_turns(stranger, clock):
    tries = [asyncio.create_task(stranger.post("/login", data={"token": "wrong"}, headers=same_origin(ADDRESS)))
             for _ in range(8)]
    await clock.settle()
    assert sum(each.done() for each in tries) <= 1
    await clock.advance(1.6)
    assert sum(each.done() for each in tries) <= 3
    await clock.advance(60)
    assert [(await each).status_code for each in tries] == [401] * 8


async def test_a_ticket_signs_in_once(stranger, app):
    ticket = app.ticket()
    assert (await stranger.get(f"/login?token={ticket}", headers=TYPED)).status_code == 200
    assert (await stranger.get(f"/login?token={ticket}", headers=TYPED)).status_code == 401


async def test_a_ticket_expires(stranger, app, clock):
    ticket = app.ticket()
    await clock.advance(TICKET_S + 1)
    assert (await stranger.get(f"/login?token={ticket}", headers=TYPED)).status_code == 401


async def test_a_link_from_another_site_asks_again_by_itself_when_the_cookie_was_kept_back(stranger):
    answer = await stranger.get("/hello", headers=FOLLOWED)
    assert (answer.status_code, answer.headers["refresh"]) == (401, "0")
    assert "refresh" not in (await stranger.get("/hello", headers=TYPED)).headers, "and only once"


async def test_a_command_line_uses_the_token_as_a_bearer(stranger, token):
    assert (await stranger.get("/", headers={"Authorization": f"Bearer {token}"})).status_code == 200
    for wrong in (f"Bearer {token}x", f"Basic {token}", "Bearer", token):
        assert (await stranger.get("/", headers={"Authorization": wrong})).status_code == 401


async def test_a_cookie_of_another_port_lets_nobody_in(stranger, token):
    cookies = f"treadle-5002={token}; treadle={token}; treadle-5001="
    answer = await stranger.get("/", headers={**TYPED, "Cookie": cookies})
    assert answer.status_code == 401


async def test_the_form_can_be_used_without_seeing_it(stranger):
    page = (await stranger.get("/login", headers=TYPED)).text
    assert re.search(r'<label[^>]* for="token"', page) and re.search(r'<input[^>]* id="token"', page)


class TestWithoutToken:
    """`--no-token`."""

    @pytest.fixture
    def settings(self, settings):
        return replace(settings, token=False)

    async def test_everybody_on_this_computer_is_let_in(self, stranger):
        assert (await stranger.get("/", headers=TYPED)).status_code == 200

    async def test_other_sites_are_not(self, stranger):
        answer = await stranger.post("/redirect/home", headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403
        assert (await stranger.post("/redirect/home")).status_code == 403
