"""The addresses of the chat: what a page posts and gets, with JavaScript and without."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from tests.fakes import Script
from tests.harness import HX, soak, until
from treadle.conversation import FIRST, Place
from treadle.web.components.chat import ComposerAction, MessageRow

HELLO = {"at": "hello"}
REFRESH = '<meta http-equiv="refresh"'


@pytest.fixture
async def ready(core, ollama):
    """A core whose model is ready."""
    await until(lambda: core.llm.status.ready)
    return core


@pytest.fixture
def rows(core):
    """What the conversation holds: role, state and text of each row."""
    return lambda: [(row.role, row.state, row.text) for row in core.conversations.messages(FIRST)]


async def post(client, path="/chat/1", headers=HX, **fields):
    return await client.post(path, data=fields, headers=headers)


def said(core, text):
    """A question that has its answer."""
    _, reply = core.conversations.ask(FIRST, text, client_id=text, place=Place(), waiting=False)
    core.conversations.settle(reply.id, "done", rest="a")


async def idle(core):
    await until(lambda: core.conversations.active(FIRST) is None)


# -- with JavaScript


async def test_a_question_is_answered_with_204_and_both_rows_are_there(client, ready, rows):
    response = await post(client, text="n=3", client_id="c1")
    assert (response.status_code, response.content) == (204, b"")
    assert rows()[0] == ("user", "done", "n=3") and rows()[1][0] == "assistant"
    await idle(ready)
    assert rows()[1] == ("assistant", "done", "w00001 w00002 w00003 ")


async def test_i17_a_post_answers_within_100_ms_whatever_the_model_does(client, ready, ollama):
    ollama.next(Script(ttft=8))
    await post(client, "/chat/1/stop")  # the first request of a process imports more than any other
    asked = time.monotonic()
    response = await post(client, text="Why?", client_id="c1")
    assert time.monotonic() - asked < 0.1
    assert response.status_code == 204


async def test_i20_of_20_posts_at_once_one_is_taken_and_19_are_told_so(client, ready, ollama, rows):
    for round_ in range(1, soak(2, 50) + 1):
        ollama.next(Script(stall=0))
        answers = await asyncio.gather(*(post(client, text="x", client_id=f"{round_}-{n}") for n in range(20)))
        assert sorted(answer.status_code for answer in answers) == [204] + [409] * 19
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert refused.text == "A reply is running in another tab. Sending works again when it ends."
        assert refused.headers["content-type"].startswith("text/plain")
        assert len(rows()) == 2 * round_
        assert (await post(client, "/chat/1/stop")).status_code == 204


async def test_i24_the_same_client_id_twice_is_one_question(client, ready, rows):
    first, second = await asyncio.gather(*(post(client, text="x", client_id="c1") for _ in range(2)))
    assert (first.status_code, second.status_code) == (204, 204)
    await idle(ready)
    assert (await post(client, text="x", client_id="c1")).status_code == 204
    assert len(rows()) == 2


async def test_without_a_client_id_every_post_is_a_question_of_its_own(client, ready, rows):
    for _ in range(2):
        assert (await post(client, text="n=1")).status_code == 204
        await idle(ready)
    assert len(rows()) == 4


@pytest.mark.parametrize(("text", "status", "said"), [
    ("", 422, "The message is empty. Write something, then send it."),
    ("  \r\n ", 422, "The message is empty. Write something, then send it."),
    ("é" * 60_000, 413, "The message is 120 KB; the limit is 100 KB. Shorten it, then send it."),
])
async def test_a_question_that_cannot_be_asked_is_told_why_and_leaves_no_row(client, rows, text, status, said):
    response = await post(client, text=text, client_id="c1")
    assert (response.status_code, response.text) == (status, said)
    assert rows() == []


@pytest.mark.parametrize("path", ["/chat/7", "/chat/7/stop", "/chat/7/cancel", "/chat/7/retry/1", "/chat/1/retry/99",
                                  "/chat/1/continue/99", "/chat/99999999999999999999", "/chat/1/retry/9" + "9" * 20])
async def test_what_does_not_exist_is_404(client, path, rows):
    assert (await post(client, path, text="x")).status_code == 404
    assert rows() == []


async def test_a_reply_of_another_conversation_is_404(client, core):
    other = core.db.one("INSERT INTO conversations (created_at, rev) VALUES (0, 0) RETURNING id")["id"]
    _, reply = core.conversations.ask(other, "x", client_id="c", place=Place(), waiting=False)
    core.conversations.settle(reply.id, "failed", error="x")
    for verb in ("retry", "continue"):
        assert (await post(client, f"/chat/1/{verb}/{reply.id}")).status_code == 404
    assert (await post(client, "/chat/1/cancel", reply=str(reply.id))).status_code == 404


async def test_stop_after_the_end_is_204(client, rows):
    assert (await post(client, "/chat/1/stop")).status_code == 204
    assert rows() == []


async def test_retry_and_continue_are_posts_and_a_second_one_of_what_is_gone_is_409(client, ready, ollama, rows):
    ollama.next(Script(die=2))
    await post(client, text="x", client_id="c1")
    await idle(ready)
    failed = ready.conversations.messages(FIRST)[-1]
    assert (await post(client, f"/chat/1/continue/{failed.id}")).status_code == 409
    assert (await post(client, f"/chat/1/retry/{failed.id}")).status_code == 204
    await idle(ready)
    assert rows()[1:] == [("assistant", "done", "".join(f"w{n:05d} " for n in range(1, 21)))]
    done = ready.conversations.messages(FIRST)[-1]
    refused = await post(client, f"/chat/1/retry/{done.id}")
    assert (refused.status_code, refused.text) == (409, "This reply has been followed by another. Ask again below.")


async def test_cancel_answers_with_the_text_and_a_late_one_with_nothing(client, core, rows):
    await post(client, text="Take it\r\nback <b>", client_id="c1")
    reply = core.conversations.active(FIRST)
    response = await post(client, "/chat/1/cancel", reply=str(reply.id))
    assert (response.status_code, response.text) == (200, "Take it\nback <b>")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert rows() == []
    assert (await post(client, "/chat/1/cancel")).status_code == 204
    assert (await post(client, "/chat/1/cancel", reply="x")).status_code == 204


async def test_the_place_comes_from_the_page_the_person_is_on(client, core):
    await post(client, text="x", headers=HX | {"HX-Current-URL": "http://127.0.0.1:5001/hello"})
    assert core.conversations.active(FIRST).place == Place("hello")


async def test_earlier_messages_come_above_the_others(client, core):
    for number in range(60):
        said(core, f"q{number:03d}.")
    page = (await client.get("/")).text
    assert "q009." not in page and "q010." in page
    link = re.search(r'hx-get="(/chat/1\?before=\d+)"', page)
    older = await client.get(link[1], headers=HX)
    assert re.findall(r"q\d\d\d\.", older.text) == [f"q{number:03d}." for number in range(10)]
    assert '<div id="earlier"></div>' in older.text and 'hx-target="#log-items" hx-swap="afterbegin"' in older.text


# -- without JavaScript


async def test_a_post_without_javascript_goes_back_to_the_page_at_its_place(client, ready):
    response = await post(client, "/chat/1?at=hello", headers={}, text="n=2", client_id="c1")
    assert (response.status_code, response.headers["location"]) == (303, "/chat/1?at=hello")
    assert ready.conversations.messages(FIRST)[0].place == Place("hello")


async def test_the_page_reloads_itself_only_while_a_reply_runs_and_has_no_composer_then(client, ready, ollama):
    page = (await client.get("/chat/1", params=HELLO)).text
    assert REFRESH not in page and "<textarea" in page and "Back to Hello" in page and 'href="/hello"' in page
    ollama.next(Script(stall=2))
    await post(client, "/chat/1?at=hello", headers={}, text="Why?", client_id="c1")
    await until(lambda: ready.conversations.messages(FIRST)[-1].answered_at)
    page = (await client.get("/chat/1", params=HELLO)).text
    assert f'{REFRESH} content="2">' in page and "<textarea" not in page
    assert 'action="/chat/1/stop?at=hello"' in page and "w00001" in page
    response = await post(client, "/chat/1/stop?at=hello", headers={})
    assert response.headers["location"] == "/chat/1?at=hello"
    page = (await client.get("/chat/1", params=HELLO)).text
    assert REFRESH not in page and "<textarea" in page and "Stopped" in page
    assert 'action="/chat/1/retry/2?at=hello"' in page and "hx-post=\"/chat" not in page


async def test_the_page_reloads_itself_while_an_arrival_is_pending(client, core):
    core.narrator.arrive(FIRST, "hello")
    assert REFRESH in (await client.get("/chat/1")).text
    await core.clock.advance(1)
    page = (await client.get("/chat/1")).text
    assert REFRESH not in page and 'class="arrival"' in page


async def test_the_icon_of_a_place_stands_beside_its_message(client):
    for endpoint in ("url_counts", "home"):
        await client.post(f"/redirect/{endpoint}", data={"to": "chat"})
    page = (await client.get("/chat/1")).text
    first, second = re.findall(r'class="arrival".*?svg#([a-z-]+)"', page)
    assert (first, second) == ("link", "layers")


@pytest.mark.parametrize(("text", "status"), [("", 422), ("<b>" + "x" * 100_000, 413)])
async def test_a_refused_question_comes_back_in_the_composer_of_the_page(client, text, status):
    response = await post(client, "/chat/1?at=hello", headers={}, text=text, client_id="c1")
    assert response.status_code == status
    assert 'aria-invalid="true"' in response.text and REFRESH not in response.text
    assert text.replace("<", "&lt;").replace(">", "&gt;") in response.text


async def test_a_question_while_a_reply_runs_comes_back_with_the_reason(client, ready, ollama):
    ollama.next(Script(stall=0))
    await post(client, text="first", client_id="c1")
    response = await post(client, headers={}, text="my second", client_id="c2")
    assert response.status_code == 409
    assert "A reply is running in another tab." in response.text and "my second" in response.text


async def test_cancel_without_javascript_leads_to_a_composer_with_the_text(client, core):
    await post(client, "/chat/1?at=hello", headers={}, text="Take \"it\"\nback", client_id="c1")
    page = (await client.get("/chat/1", params=HELLO)).text
    assert "Your question waits for a model" in page and "Sent when a model is ready" in page
    reply = core.conversations.active(FIRST)
    response = await post(client, "/chat/1/cancel?at=hello", headers={}, reply=str(reply.id))
    assert (response.status_code, response.headers["location"]) == (303, "/chat/1?at=hello&taken=1")
    page = (await client.get(response.headers["location"])).text
    assert "\nTake &quot;it&quot;\nback</textarea>" in page


async def test_the_page_gives_away_no_text_that_was_not_taken_back(client, ready):
    await post(client, text="n=1 secret", client_id="c1")
    await idle(ready)
    page = (await client.get("/chat/1", params={"taken": "1"})).text
    assert page.count("secret") == 1


async def test_the_page_of_an_unknown_conversation_is_404(client):
    assert (await client.get("/chat/7")).status_code == 404


async def test_the_page_leads_to_earlier_messages_and_back(client, core):
    for number in range(60):
        said(core, f"q{number:03d}.")
    page = (await client.get("/chat/1", params=HELLO)).text
    link = re.search(r'href="(/chat/1\?before=\d+&amp;at=hello)"', page)[1].replace("&amp;", "&")
    older = (await client.get(link)).text
    assert "q009." in older and "q010." not in older and "Newest messages" in older


async def test_i48_a_post_that_the_disk_refuses_says_so_and_the_text_is_kept(client, core, rows):
    pages = core.db.one("PRAGMA page_count")[0]
    core.db.execute(f"PRAGMA max_page_count = {pages}")
    text = "precious " * 9_000
    response = await post(client, text=text, client_id="c1")
    assert response.status_code == 507 and response.text.startswith("The disk refused to save")
    response = await post(client, headers={}, text=text, client_id="c1")
    assert response.status_code == 507 and text in response.text
    assert rows() == []
    core.db.execute("PRAGMA max_page_count = 1000000")
    assert (await post(client, text=text, client_id="c1")).status_code == 204


# -- rows


@pytest.fixture
def message(core):
    """A reply in the state that is asked for, as the row would be."""
    def make(state, **values):
        _, reply = core.conversations.ask(FIRST, "q", client_id="c", place=Place(), waiting=state == "waiting",
                                          model="m")
        if state not in ("waiting", "streaming"):
            core.conversations.settle(reply.id, state, **values)
        return core.conversations.get(reply.id)
    return make


@pytest.mark.parametrize(("state", "values", "there", "not_there"), [
    ("waiting", {}, ["Sent when a model is ready"], ["aria-busy", "<footer"]),
    ("streaming", {}, ['aria-busy="true"', "Waiting for m", "data-since="], ["<footer", "notice"]),
    ("done", {"rest": "x", "tokens_per_s": 38.2}, ["Copy the reply", "<span>m</span>", "<span>38 tokens/s</span>"],
     ["Retry", "notice", "aria-busy"]),
    ("done", {"rest": "x", "note": "The reply was cut at 1 MB."}, ["notice", "cut at 1 MB"], ["notice bad", "Retry"]),
    ("stopped", {"rest": "x"}, ["<span>Stopped</span>", 'action="/chat/1/retry/2"', "Copy the reply"], ["notice"]),
    ("failed", {"rest": "x", "error": "It <broke>."}, ["notice bad", "It &lt;broke&gt;.", "Retry"], ["<footer"]),
    ("interrupted", {"rest": "x"}, ["The server restarted during this reply.", "Continue", "Retry"], ["notice bad"]),
    ("interrupted", {}, ["The server restarted during this reply.", "Retry"], ["Continue", "Copy"]),
])
def test_i50_a_row_says_how_its_reply_ended_and_nothing_else(message, state, values, there, not_there):
    drawn = str(MessageRow(message(state, **values), "<p>x</p>"))
    assert [text for text in there if text not in drawn] == []
    assert [text for text in not_there if text in drawn] == []


def test_settling_keeps_the_wrappers_and_their_ids(message, core):
    live = str(MessageRow(reply := message("streaming"), "<p>x</p>", "hm"))
    core.conversations.settle(reply.id, "done", rest="x")
    final = str(MessageRow(core.conversations.get(reply.id), "<p>x</p>", "hm"))
    wrappers = [re.findall(r'<(\w+)[^>]* id="(m\d+(?:-fold|-thinking|-body)?)"', drawn) for drawn in (live, final)]
    assert wrappers[0] == wrappers[1] and len(wrappers[0]) == 4


def test_a_question_is_drawn_as_the_text_it_is(core):
    question, _ = core.conversations.ask(FIRST, "<script>**x**\n&amp;", client_id="c", place=Place(), waiting=True)
    assert str(MessageRow(question)).endswith(">&lt;script&gt;**x**\n&amp;amp;</article>")


def test_what_would_turn_a_line_around_or_hide_is_seen(core):
    question, _ = core.conversations.ask(FIRST, "a\u202eb\x1b[31m\0", client_id="c", place=Place(), waiting=True)
    assert ">a\ufffdb\u241b[31m\u2400</article>" in str(MessageRow(question))


def test_a_reply_over_200_kb_says_that_it_is_plain_text(message):
    assert "longer than 200 KB" in str(MessageRow(message("done", rest="x" * 200_001)))


def test_the_button_of_the_composer_is_one_element_in_every_state(message, core):
    states = [None, message("waiting")]
    core.conversations.begin(states[1].id, model="m")
    states.append(core.conversations.active(FIRST))
    drawn = [str(ComposerAction(state)) for state in states]
    assert all(html.count("<button") == html.count('id="act"') == 1 for html in drawn)
    assert 'aria-label="Send"' in drawn[0] and ">Cancel<" in drawn[1] and 'aria-label="Stop the reply"' in drawn[2]
