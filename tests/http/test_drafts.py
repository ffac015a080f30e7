"""Drafts: the model writes into the field of an open question until the person types; nothing is stored before Save."""

from __future__ import annotations

import pytest

from tests.browsing import fields, form_to
from tests.fakes import Gate, Script
from tests.harness import HX, until
from tests.partials import parse
from treadle.config import Settings

PLUGIN = '''
from treadle import LongText, Secret, workflow


@workflow("Note", message="m")
async def note(ui):
    url = await ui.ask("URL", str)
    key = await ui.ask("Key", Secret)
    text = await ui.ask("Note", LongText, draft=f"Summarise the broken links of {url} with {key}")
    ui.show(text)
'''
AT = "/runs/default-note-01/drafts/note"


@pytest.fixture
def settings(tmp_path, ollama):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "010_note.py").write_text(PLUGIN)
    return Settings(data=tmp_path / "data", plugins=tmp_path / "plugins", open_browser=False,
                    ollama_host=ollama.address)


@pytest.fixture
async def begun(client, core):
    await client.post("/runs/new/note", data={"value": "docs.example.org"})
    form = form_to((await client.get("/note/default-note-01")).text, "/runs/default-note-01/steps/key")
    await client.post(form.attrs["action"], data=fields(form) | {"value": "hunter2!"})
    await until(lambda: core.llm.status.ready)
    return "default-note-01"


async def test_a_draft_whose_run_is_gone_meanwhile_has_ended(core, begun):
    view = await core.drafts.begin(begun, "note")
    core.db.execute("UPDATE runs SET deleted = 1")
    draft = core.drafts.of(view)
    await until(draft.task.done)
    assert draft.state == "failed" and "no run" in draft.problem


def text_of(html: str) -> str:
    return parse(html).find("f-note").text


async def test_the_model_drafts_from_the_answered_steps_without_the_secrets_and_nothing_is_stored(
        client, core, ollama, begun):
    ollama.next(Script(text="Two of 20 links are broken."))
    page = (await client.get("/note/default-note-01")).text
    line = parse(page).find("f-note-draft")
    assert line.attrs["hx-post"] == AT and line.attrs["hx-trigger"] == "load"
    assert not ollama.chats  # a GET begins nothing
    first = (await client.post(AT, headers=HX)).text
    assert "is drafting. Type to take over." in first and "every 500ms" in first and "Stop the draft" in first
    answer = await until(lambda: _done(client))
    assert text_of(answer) == "Two of 20 links are broken." and "Drafted by" in answer and "every" not in answer
    told = "".join(message["content"] for message in ollama.chats[-1].body["messages"])
    assert "URL: docs.example.org" in told and "Summarise the broken links of docs.example.org with [secret]" in told
    assert "hunter2" not in told
    assert core.db.one("SELECT value FROM steps WHERE label = 'Note'")["value"] is None
    assert text_of((await client.get("/note/default-note-01")).text) == "Two of 20 links are broken."
    await client.post(AT, headers=HX)
    assert len(ollama.chats) == 1  # once for each question


async def _done(client):
    answer = await client.get(AT, headers=HX)
    return answer.text if "Drafted by" in answer.text or "Stopped" in answer.text else ""


async def test_typing_takes_over_at_once_and_the_draft_can_be_had_back(client, core, ollama, begun):
    ollama.next(Script(n=9, gate=(gate := Gate())))
    await client.post(AT, headers=HX)
    gate.allow(2)
    await until(lambda: _has(core, "w00002"))
    taken = (await client.post(f"{AT}?taken=yes", headers=HX)).text
    assert "Yours since you typed. The draft has 2 words." in taken and "Bring the draft back" in taken
    assert 'id="f-note"' not in taken  # what is typed is not touched
    await until(lambda: ollama.chats[-1].client_gone)
    assert (await client.get(AT, headers=HX)).text.count('id="f-note"') == 0
    assert text_of((await client.get("/note/default-note-01")).text) == ""
    back = (await client.post(f"{AT}?back=yes", headers=HX)).text
    assert text_of(back).split() == ["w00001", "w00002"]


def _has(core, word):
    return any(word in draft.text for draft in core.drafts._known.values())


async def test_stop_ends_the_draft_and_keeps_what_is_written(client, core, ollama, begun):
    ollama.next(Script(n=9, gate=(gate := Gate())))
    await client.post(AT, headers=HX)
    gate.allow(1)
    await until(lambda: _has(core, "w00001"))
    known = (await client.get(AT, headers=HX)).text
    seen = parse(known).find("f-note-draft").attrs["hx-get"]
    assert (await client.get(seen, headers=HX)).status_code == 204  # as it was
    stopped = (await client.post(f"{AT}?stop=yes", headers=HX)).text
    assert "Stopped. The draft has 1 word." in stopped and text_of(stopped) == "w00001"
    await until(lambda: ollama.chats[-1].client_gone)


async def test_without_javascript_a_button_has_it_drafted_and_the_field_holds_it(client, ollama, begun):
    ollama.next(Script(text="A draft."))
    page = (await client.get("/note/default-note-01")).text
    button = next(node for node in parse(page).walk() if node.tag == "button" and node.text == "Have it drafted")
    assert (await client.post(button.attrs["formaction"], data={"value": ""})).status_code == 303
    again = (await client.get("/note/default-note-01")).text
    assert text_of(again) == "A draft."
    form = form_to(again, "/runs/default-note-01/steps/note")
    assert (await client.post(form.attrs["action"], data=fields(form))).status_code == 303
    assert "A draft." in (await client.get("/note/default-note-01")).text


async def test_without_a_model_the_field_is_empty_and_says_so(client, core, ollama, begun):
    ollama.stop()
    await core.llm.check()
    page = (await client.get("/note/default-note-01")).text
    assert "No model is ready, so there is no draft. Write your own." in page and "Have it drafted" not in page
    assert text_of(page) == "" and "No model is ready" in (await client.post(AT, headers=HX)).text


async def test_a_draft_that_fails_says_why_and_keeps_what_came(client, ollama, begun):
    ollama.next(Script(n=3, error="out of memory"))
    await client.post(AT, headers=HX)

    async def failed():
        answer = (await client.get(AT, headers=HX)).text
        return answer if "ended early" in answer else ""

    answer = await until(failed)
    assert "out of memory" in answer and text_of(answer).startswith("w00001")


async def test_a_question_that_is_not_open_has_no_draft(client, begun):
    assert (await client.post("/runs/default-note-01/drafts/url", headers=HX)).status_code in (404, 409)
    assert (await client.get("/runs/default-note-01/drafts/nope", headers=HX)).status_code == 404
