"""The model's routes and what pages show of it, through the app, with the fake Ollama as a real server."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes import Model, Pull
from tests.harness import HX, NOWHERE, until


@pytest.fixture
async def ready(core, ollama):
    """The core has seen that its Ollama is there, with two models."""
    ollama.models["tiny:1b"] = Model(size=640_000_000)
    await core.llm.check()
    assert core.llm.status.ready
    return core.llm


async def test_the_page_names_the_model_and_lists_what_is_installed(client, ready):
    html = (await client.get("/")).text
    assert html.count('id="model"') == html.count('id="condition"') == html.count('id="model-address"') == 1
    assert "qwen3:8b" in html and "640 MB" in html


async def test_choosing_redraws_the_picker_closed_and_tells_the_other_tabs(client, core, ready):
    rev = core.feed.rev
    answer = await client.post("/model/choose", data={"model": "tiny:1b"}, headers=HX)
    assert answer.status_code == 200
    assert answer.text.startswith('<div id="model">') and 'value="tiny:1b" aria-current=true' in answer.text
    assert core.llm.status.chosen == "tiny:1b"
    assert core.db.one("SELECT rev FROM settings WHERE key = 'model.status'")["rev"] > rev


async def test_a_model_that_vanished_cannot_be_chosen_and_the_list_comes_anew(client, core, ready):
    answer = await client.post("/model/choose", data={"model": "gone:1b"}, headers=HX)
    assert answer.status_code == 422 and 'value="qwen3:8b" aria-current=true' in answer.text
    assert core.llm.status.chosen == "qwen3:8b"


async def test_without_javascript_choosing_leads_to_the_page_of_the_model(client, core, ready):
    answer = await client.post("/model/choose", data={"model": "tiny:1b"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/model")
    page = (await client.get("/model")).text
    assert '<form method="post" action="/model/choose" enctype' in page and 'action="/model/address"' in page
    assert core.llm.status.chosen == "tiny:1b"


async def test_an_address_is_saved_and_looked_at_before_the_answer(client, core, ready, ollama):
    core.llm._write("model.address", "http://127.0.0.1:9")
    await core.llm.check()
    assert core.llm.status.kind == "wrong_address"
    answer = await client.post("/model/address", data={"address": f"localhost:{ollama.port}"}, headers=HX)
    assert answer.status_code == 200 and f'value="localhost:{ollama.port}"' in answer.text
    assert core.llm.status.ready


@pytest.mark.parametrize("headers", [HX, {}])
async def test_what_is_no_address_is_refused_at_its_field_and_kept_there(client, core, ready, headers):
    before = core.llm.status.address
    answer = await client.post("/model/address", data={"address": 'two words"'}, headers=headers)
    assert answer.status_code == 422
    assert "is no address; write a host and a port, as in localhost:11434." in answer.text
    assert 'value="two words&quot;"' in answer.text and 'aria-invalid="true"' in answer.text
    assert core.llm.status.address == before


async def test_a_condition_is_in_the_page_and_noticed_without_a_reload(client, core, ollama, clock):
    ollama.models.clear()
    await core.llm.check()
    assert "Ollama has no model yet" in (await client.get("/")).text
    ollama.models["tiny:1b"] = Model()
    await clock.advance(1)
    await until(lambda: core.llm.status.ready)
    html = (await client.get("/")).text
    assert "Ollama has no model yet" not in html and "tiny:1b is ready." in html


async def test_a_download_is_begun_shown_and_stopped(client, core, ollama):
    ollama.models.clear()
    await core.llm.check()
    ollama.pulls = Pull(total=5_200_000_000, steps=10, stall=4)
    assert (await client.post("/model/pull", data={"model": "qwen3:8b"}, headers=HX)).status_code == 204
    await until(lambda: core.llm.status.pull and core.llm.status.pull.done)
    html = (await client.get("/")).text
    assert "Downloading qwen3:8b" in html and "of 5.2 GB" in html
    assert (await client.post("/model/pull", data={"model": "qwen3:8b"}, headers=HX)).status_code == 409
    assert (await client.post("/model/pull/stop", headers=HX)).status_code == 204
    await ollama.until(lambda: ollama.requests[-1].client_gone)
    assert "Download qwen3:8b" in (await client.get("/")).text
    assert (await client.post("/model/pull/stop", headers=HX)).status_code == 204  # nothing to stop is no error
    ollama.pulls = Pull(steps=2)
    assert (await client.post("/model/pull", data={"model": "qwen3:8b"})).headers["location"] == "/model"
    await until(lambda: core.llm.status.ready)


async def test_nothing_can_be_downloaded_where_nothing_answers(client, core):
    await core.llm.check()
    answer = await client.post("/model/pull", data={"model": "qwen3:8b"}, headers=HX)
    assert answer.status_code == 409 and "There is no Ollama" in answer.text


async def test_the_address_that_was_tried_is_named(client, core):
    await core.llm.check()
    assert f"No Ollama answers at {NOWHERE.removeprefix('http://')}." in (await client.get("/")).text


async def test_the_chat_without_javascript_says_the_condition_too(client, core):
    await core.llm.check()
    page = (await client.get("/chat/1")).text
    assert "No Ollama answers at" in page and 'href="/model"' in page


async def test_show_how_leads_to_a_page_that_exists(client, core):
    answer = await client.get("/docs/how-to/install-ollama")
    assert answer.status_code == 200 and "ollama pull qwen3:8b" in answer.text


async def test_get_changes_nothing(client, core, ready):
    rev = core.feed.rev
    for path in ("/model/choose", "/model/address", "/model/pull", "/model/pull/stop"):
        assert (await client.get(path)).status_code in (404, 405)
    await client.get("/model")
    assert core.feed.rev == rev


async def test_the_model_page_of_a_demo_offers_nothing_that_does_nothing(tmp_path, clock):
    import httpx

    from tests.harness import same_origin
    from treadle.config import Settings
    from treadle.core import Core
    from treadle.web.app import create_app

    async with Core.open(Settings(data=tmp_path / "demo", demo=True, token=False), clock=clock) as core:
        transport = httpx.ASGITransport(create_app(core))
        address = "http://127.0.0.1:5001"
        async with httpx.AsyncClient(transport=transport, base_url=address, headers=same_origin(address)) as client:
            html = (await client.get("/")).text
            assert "Answers are canned" in html and 'id="model-menu"' not in html
            assert "<form" not in (await client.get("/model")).text.split('id="main"')[1].split("</main>")[0]


async def test_a_question_typed_meanwhile_is_sent_when_the_model_is_back(client, core, ollama, clock):
    await asyncio.to_thread(ollama.stop)
    await core.llm.check()
    assert (await client.post("/chat/1", data={"text": "n=3", "client_id": "a"}, headers=HX)).status_code == 204
    assert core.conversations.active(1).state == "waiting"
    ollama.start()
    async with asyncio.timeout(5):  # the watcher may have seen it before it was stopped, and then looks later
        while (reply := core.conversations.active(1)) is not None and reply.state == "waiting":
            await clock.advance(1)
    await ollama.until(lambda: ollama.chats)
