"""Runs through the app, with and without JavaScript: nothing that was typed or sent is ever lost."""

from __future__ import annotations

import asyncio

import pytest

from tests.browsing import form_to, forms, submit
from tests.harness import HX
from tests.partials import parse
from tests.trips import plugins_at
from treadle.config import Settings
from treadle.web.components.runs import run_changed

EVIL = "<img src=x onerror=alert(1)> \"'&amp;"
TRIP = "/trip/default-trip-01"


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", plugins=plugins_at(tmp_path / "plugins"), open_browser=False,
                    ollama_host="http://127.0.0.1:9", max_body=20_000, max_upload=50_000)


async def begin(client, town: str = "Rome") -> str:
    """Begin a trip without JavaScript; the path of its page."""
    form = form_to((await client.get("/trip")).text, "/runs/new/trip")
    response = await submit(client, form, value=town)
    assert response.status_code == 303, response.text
    return response.headers["location"]


async def answer_form(client, path: str):
    return form_to((await client.get(path)).text, f"/runs/{path.rpartition('/')[2]}/steps/")


async def answer(client, path: str, value: str):
    response = await submit(client, await answer_form(client, path), value=value)
    assert response.status_code == 303, response.text


# -- beginning


async def test_a_page_of_a_workflow_shows_its_first_question_and_writes_nothing(client, core):
    for _ in range(3):
        page = parse((await client.get("/trip")).text)
    assert page.find("step-where").attrs["aria-current"] == "step"
    assert [li.text for li in page.walk() if li.has_class("wait")] == ["2DaysLater", "3GoLater", "4NoteLater"]
    assert [core.db.rows(f"SELECT * FROM {table}") for table in ("runs", "steps", "files")] == [[], [], []]


async def test_a_run_is_carried_to_its_end_without_javascript(client, core):
    path = await begin(client)
    assert path == TRIP
    await answer(client, path, "3")
    await answer(client, path, "yes")
    await answer(client, path, "two\r\nlines")
    page = await client.get(path)
    assert "Booked: <strong>Rome</strong>" in page.text and "4 of 4 steps done" in page.text
    assert core.runs.get("default-trip-01").complete
    export = await client.get("/runs/default-trip-01/exports/trip-json")
    assert export.json() == {"where": "Rome", "days": 3, "note": "two\nlines"}


async def test_with_htmx_a_first_answer_leads_to_the_page_of_its_run(client):
    form = form_to((await client.get("/trip", headers=HX)).text, "/runs/new/trip")
    assert form.attrs["hx-push-url"] == "true" and form.attrs["hx-target"] == "#main"
    response = await submit(client, form, headers=HX, value="Rome")
    assert (response.status_code, response.headers["location"]) == (303, TRIP)
    assert "<html" not in (await client.get(TRIP, headers=HX)).text


async def test_the_same_first_form_sent_twice_leads_to_one_run(client, core):
    form = form_to((await client.get("/trip")).text, "/runs/new/trip")
    sent = await asyncio.gather(*(submit(client, form, value="Rome") for _ in range(5)))
    assert {response.headers["location"] for response in sent} == {TRIP}


async def test_a_refused_first_answer_comes_back_with_its_text_and_changes_no_address(client, core):
    form = form_to((await client.get("/trip")).text, "/runs/new/trip")
    for headers in ({}, HX):
        response = await submit(client, form, headers=headers, value="x" * 21)
        again = form_to(response.text, "/runs/new/trip")
        field = parse(response.text).find("f-where")
        assert response.status_code == 422 and response.headers["hx-push-url"] == "false"
        assert field.attrs["value"] == "x" * 21 and "autofocus" in field.attrs and field.attrs["aria-invalid"] == "true"
        assert "Where is 21 characters; the limit is 20." in parse(response.text).find("f-where-err").text
        assert again.outer.count(form.children[0].attrs["value"]) == 1  # the same client id
    assert core.runs.list() == []


async def test_a_workflow_that_asks_nothing_begins_with_start(client):
    response = await submit(client, form_to((await client.get("/nothing")).text, "/runs/new/nothing"))
    assert response.headers["location"] == "/nothing/default-nothing-01"
    assert "There is &lt;b&gt;nothing&lt;/b&gt; to ask." in (await client.get("/nothing/default-nothing-01")).text


async def test_unfinished_runs_stand_under_their_workflow(client):
    await begin(client, "Rome")
    await begin(client, "Oslo")
    page = await client.get("/trip")
    assert page.text.index("Trip, Oslo") < page.text.index("Trip, Rome")
    assert "Step 2, Days" in page.text and f'href="{TRIP}"' in page.text
    assert "Finished runs" not in page.text


async def test_finished_runs_stand_there_too(client, core):
    await begin(client, "Rome")
    await client.post("/runs/new/nothing", data={"client_id": "nothing-01"})
    await core.runs.finalise("default-trip-01")
    trips, others = [parse((await client.get(at)).text).find("main") for at in ("/trip", "/nothing")]
    assert trips.find("unfinished") is None and trips.find("finished") is not None
    assert "Trip, Rome" in trips.text and "Finished and locked" in trips.text
    assert "All steps done" in others.text


# -- answering


async def test_the_answer_to_a_form_is_the_run_with_its_next_question_in_focus(client):
    path = await begin(client)
    form = await answer_form(client, path)
    response = await submit(client, form, headers=HX, value="3")
    page = parse(response.text)
    assert response.status_code == 200 and "<html" not in response.text
    assert page.find("run-default-trip-01") is not None and page.find("step-go").has_class("decide")
    assert [node.attrs["id"] for node in page.walk() if "autofocus" in node.attrs] == ["step-go-h"]


async def test_a_choice_that_is_asked_again_has_the_focus_on_what_was_chosen(client):
    form = form_to((await client.get("/skip")).text, "/runs/new/skip")
    await submit(client, form, value="right")
    page = parse((await client.post("/runs/default-skip-01/revert/fork", headers=HX)).text)
    assert [node.attrs["value"] for node in page.walk() if "autofocus" in node.attrs] == ["right"]


async def test_page_answer_and_redrawing_draw_the_same_body(client):
    path = await begin(client)
    answered = parse((await submit(client, await answer_form(client, path), headers=HX, value="3")).text)
    page, redrawn = [parse((await client.get(at)).text) for at in (path, "/runs/default-trip-01/body")]
    bodies = [tree.find("run-default-trip-01") for tree in (answered, page, redrawn)]
    for node in bodies[0].walk():
        node.attrs.pop("autofocus", None)
    check = bodies[0].find("run-default-trip-01-live").children.pop()  # it asks once whether it is still the newest
    assert check.attrs["hx-trigger"] == "load"
    assert bodies[1].outer == bodies[2].outer == bodies[0].outer


@pytest.mark.parametrize("headers", [HX, {}], ids=["htmx", "plain"])
async def test_a_refused_answer_comes_back_with_its_text_and_the_reason(client, headers):
    path = await begin(client)
    response = await submit(client, await answer_form(client, path), headers=headers, value=f"31 {EVIL}")
    page = parse(response.text)
    assert response.status_code == 422 and ("<html" in response.text) == (not headers)
    assert page.find("f-days").attrs["value"] == f"31 {EVIL}" and "autofocus" in page.find("f-days").attrs
    assert "whole number" in page.find("f-days-err").text
    assert page.find("f-days").attrs["aria-describedby"].split() == ["f-days-err"]


@pytest.mark.parametrize("headers", [HX, {}], ids=["htmx", "plain"])
async def test_i52_an_answer_that_came_second_is_shown_beside_the_stored_one(client, headers):
    path = await begin(client)
    older = await answer_form(client, path)
    await answer(client, path, "3")
    response = await submit(client, older, headers=headers, value="4")
    page = parse(response.text)
    assert response.status_code == 409 and ("<html" in response.text) == (not headers)
    card = page.find("step-days").text
    assert "answered in another tab at" in card and "Stored3" in card and "Yours4" in card
    mine = form_to(response.text, "/runs/default-trip-01/steps/days")
    taken = await submit(client, mine, headers=headers)
    assert taken.status_code == (200 if headers else 303)
    assert "5" not in parse((await client.get(path)).text).find("step-days").text
    assert ">4<" in (await client.get(path)).text


async def test_a_run_that_shows_two_answers_is_not_redrawn_until_one_is_chosen(client):
    path = await begin(client)
    older = await answer_form(client, path)
    await answer(client, path, "3")
    response = await submit(client, older, headers=HX, value="4")
    page = parse(response.text)
    assert page.find("run-default-trip-01") is None and page.find("run-default-trip-01-live") is None
    held = page.find("run-default-trip-01-held")
    assert [node.text for node in held.walk() if node.has_class("solid")] == ["Go on with the stored one"]
    targets = {(node.attrs["hx-target"], node.attrs["hx-swap"]) for node in held.walk() if "hx-target" in node.attrs}
    assert targets == {("#run-default-trip-01-held", "outerHTML")} and response.headers["hx-reswap"] == "outerHTML"
    on = next(node for node in held.walk() if node.has_class("solid"))
    assert parse((await client.get(on.attrs["hx-get"], headers=HX)).text).find("run-default-trip-01-live") is not None


async def test_a_long_answer_that_came_second_is_kept_letter_for_letter(client):
    path = await begin(client)
    for value in ("3", "yes"):
        await answer(client, path, value)
    older = await answer_form(client, path)
    await answer(client, path, "mine was first")
    text = f"\n  one\r\n\r\n{EVIL}\r\n</textarea><b>two"
    response = await submit(client, older, value=text)
    assert response.status_code == 409 and "<b>two" not in response.text
    again = form_to(response.text, "/runs/default-trip-01/steps/note")
    assert (await submit(client, again)).status_code == 303
    draw = await client.get("/runs/default-trip-01/exports/trip-json")
    assert draw.json()["note"] == text.replace("\r\n", "\n")


async def test_an_answer_to_a_step_that_is_no_longer_asked_is_shown_to_be_copied(client):
    path = await begin(client)
    await answer(client, path, "3")
    older = await answer_form(client, path)
    await client.post("/runs/default-trip-01/revert/where")
    response = await submit(client, older, headers=HX, value="yes")
    assert response.status_code == 409
    outdated = parse(response.text).find("outdated").text
    assert "Your answer was not stored" in outdated and "YoursBook it" in outdated


async def test_an_answer_to_a_locked_run_is_shown_and_not_stored(client, core):
    path = await begin(client)
    older = await answer_form(client, path)
    await client.post("/runs/default-trip-01/finalise")
    response = await submit(client, older, headers=HX, value="12")
    assert response.status_code == 409 and "locked" in response.text
    assert "Yours12" in parse(response.text).find("outdated").text
    assert core.runs.get("default-trip-01").answered == 1


async def test_i52_of_twenty_answers_at_once_one_wins_and_each_loser_sees_both(client):
    form = await answer_form(client, await begin(client))
    sent = await asyncio.gather(*(submit(client, form, headers=HX, value=str(n % 10 + 1)) for n in range(20)))
    assert sorted(response.status_code for response in sent) == [200] + [409] * 19
    assert all("Yours" in response.text for response in sent if response.status_code == 409)


async def test_two_tabs_on_two_runs_never_touch_each_other(client):
    one, two = await begin(client, "Rome"), await begin(client, "Oslo")
    first, second = await answer_form(client, one), await answer_form(client, two)
    await submit(client, second, value="2")
    await submit(client, first, value="1")
    assert ">1<" in (await client.get(one)).text and ">2<" in (await client.get(two)).text
    assert "Oslo" not in parse((await client.get(one)).text).find("run-default-trip-01").text


async def test_what_a_person_types_becomes_no_element(client):
    path = await begin(client, "<b>&lt;i&gt;\"'</b>")
    await answer(client, path, "3")
    for at in (path, "/", "/trip", "/runs/default-trip-01/body"):
        assert "<b>&lt;" not in (await client.get(at)).text.replace("<b>Trip</b>", "")


async def test_an_error_in_an_authors_check_keeps_the_text(client):
    path = await begin(client)
    response = await submit(client, await answer_form(client, path), headers=HX, value="13")
    page = parse(response.text)
    assert response.status_code == 500
    assert page.find("f-days").attrs["value"] == "13" and "LookupError" in page.find("fault").text


# -- reverting and locking


@pytest.mark.parametrize("headers", [HX, {}], ids=["htmx", "plain"])
async def test_a_run_is_reverted_and_brought_back_by_its_buttons(client, headers):
    path = await begin(client)
    await answer(client, path, "3")
    for button, shown in (("revert/where", "Reverted to Where"), ("undo", "Trip, Rome")):
        form = form_to((await client.get(path)).text, f"/runs/default-trip-01/{button}")
        response = await submit(client, form, headers=headers)
        assert response.status_code == (200 if headers else 303)
        assert shown in (await client.get(path)).text
    assert "Undo" not in (await client.get(path)).text


async def test_a_finished_run_has_no_forms_but_unlock(client):
    path = await begin(client)
    await answer(client, path, "3")
    await submit(client, form_to((await client.get(path)).text, "/runs/default-trip-01/finalise"))
    body = (await client.get("/runs/default-trip-01/body")).text
    assert [form.attrs["action"] for form in forms(body)] == [
        "/runs/default-trip-01/unlock", "/runs/default-trip-01/delete"]
    assert "Finished today" in body and body.count("Locked") == body.count("Not answered") == 2
    await submit(client, forms(body)[0])
    assert len(forms((await client.get("/runs/default-trip-01/body")).text)) == 5


async def test_undo_with_nothing_to_undo_says_so(client):
    await begin(client)
    response = await client.post("/runs/default-trip-01/undo", headers=HX)
    assert response.status_code == 409 and "nothing to undo" in response.text


async def test_a_branch_not_taken_is_shown_as_not_needed(client):
    await submit(client, form_to((await client.get("/skip")).text, "/runs/new/skip"), value="right")
    body = (await client.get("/runs/default-skip-01/body")).text
    assert [li.text for li in parse(body).walk() if li.has_class("wait")] == ["–LeftNot needed", "3EndLater"]


# -- the stream


async def test_a_change_sends_one_constant_partial_that_fetches_the_run(client):
    partial = parse(run_changed("default-trip-01"))
    await begin(client)
    page = parse((await client.get(TRIP)).text)
    target = partial.children[0].attrs["hx-target"]
    assert page.find(target.removeprefix("#")) is not None
    asks = partial.children[0].children[0].attrs
    assert (asks["hx-trigger"], asks["hx-target"]) == ("load", "#run-default-trip-01")
    assert (await client.get(asks["hx-get"], headers=HX)).status_code == 200


async def test_a_page_that_shows_the_newest_gets_nothing(client, core):
    await begin(client)
    rev = core.runs.get("default-trip-01").rev
    assert (await client.get(f"/runs/default-trip-01/body?rev={rev}", headers=HX)).status_code == 204
    assert (await client.get(f"/runs/default-trip-01/body?rev={rev - 1}", headers=HX)).status_code == 200


# -- what is wrong


async def test_a_workflow_that_fails_shows_plain_words_the_fault_and_a_reference_that_is_in_the_log(client):
    await submit(client, form_to((await client.get("/fails")).text, "/runs/new/fails"), value="0")
    page = parse((await client.get("/fails/default-fails-01")).text)
    assert "Your answers are kept." in page.find("failed").text and "Reference" in page.find("failed").text
    fault = page.find("fault").text
    assert "ZeroDivisionError" in fault and "010_trip.py, line" in fault
    assert "1 / number" in page.find("fault-trace").text
    assert (await client.get("/trip")).status_code == 200


async def test_a_plugin_that_does_not_load_has_its_card_at_its_own_address(client):
    page = await client.get("/gap")
    assert page.status_code == 200
    assert "It needs no_such_module, which is not installed" in page.text and "pip install no_such_module" in page.text
    assert (await client.post("/runs/new/gap", data={"value": "x"}, headers=HX)).status_code == 500


@pytest.mark.parametrize("path", [
    "/nowhere", "/trip/default-trip-99", "/skip/default-trip-01", "/nowhere/default-trip-01",
    "/runs/default-trip-99/body", "/runs/default-trip-99/shows/1", "/runs/default-trip-01/shows/1",
    "/runs/default-trip-01/shows/x", "/runs/default-trip-99/exports/x", "/runs/default-trip-01/exports/trip-json",
])
async def test_what_is_not_there_is_a_page_in_the_shell(client, path):
    await begin(client)
    response = await client.get(path)
    assert response.status_code == 404 and 'id="menu"' in response.text


async def test_addresses_keep_the_conversation(client, core):
    core.db.execute("INSERT INTO conversations (id, created_at, rev) VALUES (2, 0, 0)")
    form = form_to((await client.get("/trip?chat=2")).text, "/runs/new/trip")
    response = await submit(client, form, value="Rome")
    assert response.headers["location"] == f"{TRIP}?chat=2"
    body = parse((await client.get(response.headers["location"])).text).find("run-default-trip-01")
    at = [node.attrs[name] for node in body.walk() for name in ("href", "action", "hx-post") if name in node.attrs]
    assert at and all(address.endswith("chat=2") for address in at if not address.startswith("/static/"))


async def test_the_second_of_two_equal_first_forms_is_told_no_sooner_that_it_is_saved(core):
    await core.runs.begin("trip", {"value": ["Rome"]}, client_id="c1")
    before = core.db.sync_count
    await core.runs.begin("trip", {"value": ["Rome"]}, client_id="c1")
    assert core.db.sync_count > before


# -- loops

LOOP = '''from treadle import workflow

@workflow("Prices", message="m")
async def prices(ui):
    for n in range(8):
        ui.show(await ui.ask("Price", int, key=f"article {n}"))
    for n in range(8):
        await ui.ask("Stock", int, key=f"article {n}")
    ui.show("end")
'''


async def test_steps_of_a_loop_that_are_done_stand_in_one_line_but_those_that_show_something(client, core, settings):
    (settings.plugins / "300_prices.py").write_text(LOOP)
    await core.plugins.reload()
    run = await core.runs.begin("prices", {"value": ["0"]}, client_id="c" * 12)
    for n in range(1, 16):
        if n == 13:
            assert 'class="step done many"' not in (await client.get(f"/prices/{run.key}")).text, "five are few"
        view = await core.runs.draw(run.key)
        await core.runs.answer(run.key, view.drawing.open.slug, {"value": [str(n)]}, rev=view.form_rev)
    page = parse((await client.get(f"/prices/{run.key}")).text)
    [fold] = [li for li in page.walk() if li.has_class("many")]
    assert fold.text.startswith("Done8 steps: Stock")
    inside = [li.attrs["id"] for li in fold.walk() if li.has_class("done") and "id" in li.attrs]
    assert inside[0].startswith("step-stock")
    assert "/revert/" in str([form.attrs for form in fold.walk() if form.tag == "form"])
    shown = [li for li in page.walk() if li.has_class("done") and li.attrs.get("id", "").startswith("step-price")]
    assert len(shown) == 8 and not [li for li in fold.walk() if li in shown]
    assert "Fork here, at Price article 7" in (await client.get(f"/runs/{run.key}/fork")).text
