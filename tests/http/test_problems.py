"""What a person sees when something cannot be had, or fails."""

from __future__ import annotations

import re

import pytest
from loguru import logger
from starlette.routing import Route

from tests.harness import HX
from treadle.errors import Conflict, InvalidAnswer, StorageError

REFERENCE = re.compile(r"(?<=<dd>)[a-z2-9]{4}-[0-9]{2}(?=,)")


@pytest.fixture
def fails(core):
    """A client's address /fails/now at which a handler raises what the test puts in."""
    import httpx

    from tests.conftest import ADDRESS
    from tests.harness import same_origin
    from treadle.web.app import create_app

    app = create_app(core)
    error: list[Exception] = []

    async def fail(_request):
        raise error[0]

    app.app.router.routes.insert(0, Route("/fails/now", fail, methods=["GET", "POST"]))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS, headers=same_origin(ADDRESS),
                               cookies={"treadle-5001": core.folder.secret("token")})

    async def asks(raised, **headers):
        error[:] = [raised]
        return await client.get("/fails/now", headers=headers)

    return asks


@pytest.fixture
def lines():
    """The lines logged during the test."""
    seen: list[str] = []
    sink = logger.add(lambda line: seen.append(str(line)), format="{message} {extra}")
    yield seen
    logger.remove(sink)


async def test_an_unknown_address_is_a_page_in_the_shell_that_names_the_nearest(client):
    answer = await client.get("/helo")
    assert answer.status_code == 404
    assert "There is no page at /helo" in answer.text
    assert 'href="/hello"' in answer.text.partition("<main")[2]
    assert 'id="composer"' in answer.text and 'id="menu"' in answer.text


async def test_an_address_like_no_other_leads_to_every_page(client):
    inside = (await client.get("/zzz")).text.partition("<main")[2].partition("</main")[0]
    assert all(f'href="{at}"' in inside for at in ("/", "/introduction", "/hello", "/url_counts"))


@pytest.mark.parametrize("path", ["/a/b/c/d", "/x.txt", "/hello/nothing-99", "/%3Cscript%3E", "/" + "x" * 5_000,
                                  "/%00", "/%F0%9F%A6%8A", "/runs/x/y/z"])
async def test_any_other_unknown_address_is_a_page_too(client, path):
    answer = await client.get(path)
    assert answer.status_code == 404
    assert 'id="composer"' in answer.text
    assert "<script>" not in answer.text
    assert len(answer.text) < 100_000


async def test_inside_an_open_page_the_404_is_a_fragment(client):
    answer = await client.get("/helo", headers={**HX, "HX-Target": "main#main"})
    assert answer.status_code == 404
    assert "<html" not in answer.text and "There is no page at /helo" in answer.text


async def test_an_address_that_takes_no_such_request_says_so(client):
    answer = await client.delete("/redirect/home")
    assert answer.status_code == 405
    assert "Traceback" not in answer.text


async def test_a_failure_shows_a_reference_that_finds_its_line(fails, lines):
    answer = await fails(ZeroDivisionError("secret words"))
    assert answer.status_code == 500
    assert "secret words" not in answer.text and "Traceback" not in answer.text
    reference = REFERENCE.search(answer.text)[0]
    assert len([line for line in lines if reference in line]) == 1
    assert f"{reference} GET '/fails/now' failed" in "".join(lines)


async def test_every_failure_has_its_own_reference(fails):
    seen = {REFERENCE.search((await fails(ZeroDivisionError())).text)[0] for _ in range(20)}
    assert len(seen) == 20


async def test_a_part_of_a_page_that_fails_is_a_notice_and_leaves_the_page(fails):
    answer = await fails(ZeroDivisionError(), **{"HX-Request": "true", "HX-Target": "div#run-default-hello-01"})
    assert answer.status_code == 500
    assert (answer.headers["hx-retarget"], answer.headers["hx-reswap"]) == ("#main", "afterbegin")
    assert 'role="alert"' in answer.text and "<html" not in answer.text and "<h1" not in answer.text


@pytest.mark.parametrize("error,status", [
    (Conflict("Somebody answered <first>.", hint="Look at what they said."), 409),
    (InvalidAnswer("Your name is <too long>.", field="value", hint="Shorten it."), 422),
    (StorageError("The disk is <full>.", hint="Make room."), 507),
])
async def test_a_refusal_says_what_happened_and_what_to_do(fails, lines, error, status):
    answer = await fails(error)
    assert answer.status_code == status
    assert error.message.rstrip(".").replace("<", "&lt;").replace(">", "&gt;") in answer.text
    assert error.hint in answer.text
    assert bool(lines) is (status >= 500), "what a person asked for and cannot have is no failure"


async def test_a_shell_that_cannot_be_drawn_leaves_a_plain_page(fails, core, monkeypatch):
    monkeypatch.setattr(core.plugins, "all", lambda: 1 / 0)
    answer = await fails(ValueError())
    assert answer.status_code == 500
    assert REFERENCE.search(answer.text)


async def test_an_unknown_conversation_says_so(client):
    for number in ("99", "x", "-1", "1e3", "9" * 30, "%00"):
        answer = await client.get(f"/?chat={number}")
        assert answer.status_code == 404
        assert "There is no conversation" in answer.text


