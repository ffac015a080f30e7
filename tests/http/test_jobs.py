"""Jobs as pages show them: cards in each state, what is done to them, the list under the bell; without a script too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browsing import form_to, submit
from tests.harness import HX, until
from tests.lab import lab_at
from tests.partials import parse
from treadle.config import Settings

KEY = "default-lab-01"
RUN = f"/lab/{KEY}"


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", plugins=lab_at(tmp_path / "plugins"), open_browser=False,
                    ollama_host="http://127.0.0.1:9")


@pytest.fixture
def lab(tmp_path) -> Path:
    """The folder whose files let the jobs go on."""
    folder = tmp_path / "gates"
    folder.mkdir()
    return folder


async def begin(client, lab: Path) -> None:
    form = form_to((await client.get("/lab")).text, "/runs/new/lab")
    assert (await submit(client, form, value=str(lab))).status_code == 303


def state(core, slug: str) -> str:
    row = core.db.first("SELECT state FROM steps WHERE slug = ? AND state != 'reverted'", (slug,))
    return row["state"] if row else ""


async def at(core, slug: str, wanted: str) -> None:
    await until(lambda: state(core, slug) == wanted)


def step_id(core, slug: str) -> int:
    return core.db.one("SELECT id FROM steps WHERE slug = ? AND state != 'reverted'", (slug,))["id"]


async def checking(client, core, lab: Path) -> None:
    """To the each, with four of its twelve items done."""
    (lab / "read").touch()
    await begin(client, lab)
    await until(lambda: core.db.one("SELECT count(*) AS n FROM items WHERE state = 'done'")["n"] == 4)


async def card(client, slug: str):
    return parse((await client.get(RUN)).text).find(f"step-{slug}")


def buttons(node) -> list[str]:
    return [each.text for each in node.walk() if each.tag == "button" and "data-copy" not in each.attrs]


# -- a card in each state


async def test_a_running_job_shows_how_far_it_is_its_log_and_stop(client, core, lab):
    await begin(client, lab)
    await until(lambda: core.jobs.panel()[0].live.total == 50)
    html = (await client.get(RUN)).text
    step = parse(html).find("step-read")
    assert "Reading <pages>" in step.text and "3 of 50" in step.text and "begun <b>" in step.text
    bar = next(node for node in step.walk() if node.tag == "progress")
    assert (bar.attrs["value"], bar.attrs["max"]) == ("3", "50")
    assert buttons(step) == ["Stop"] and "<b>begun" not in html and "Reading <pages>" not in html


async def test_only_what_runs_is_polled(client, core, lab):
    await begin(client, lab)
    polled = parse((await client.get(RUN)).text).find("job-read")
    assert polled.attrs["hx-trigger"] == "every 500ms" and polled.attrs["hx-target"] == "#step-read"
    (lab / "read").touch()
    await at(core, "check", "running")
    html = (await client.get(RUN)).text
    assert 'id="job-check"' in html and 'id="job-read"' not in html


async def test_a_poll_answers_with_the_card_then_with_nothing_then_with_the_run(client, core, lab):
    await begin(client, lab)
    await until(lambda: core.jobs.panel()[0].live.total == 50)
    first = parse((await client.get(RUN)).text).find("job-read").attrs["hx-get"]
    stale = await client.get(first.partition("&seen")[0] + "&seen=0", headers=HX)
    assert parse(stale.text).find("step-read") is not None
    again = parse(stale.text).find("job-read").attrs["hx-get"]
    assert (await client.get(again, headers=HX)).status_code == 204
    (lab / "read").touch()
    await at(core, "check", "running")
    ended = await client.get(again, headers=HX)
    assert ended.headers["HX-Retarget"] == f"#run-{KEY}" and parse(ended.text).find(f"run-{KEY}") is not None


async def test_a_failed_job_says_why_in_the_author_s_words_and_is_tried_again(client, core, lab):
    (lab / "read").touch()
    (lab / "bad").touch()
    await begin(client, lab)
    await at(core, "read", "failed")
    step = await card(client, "read")
    assert step.has_class("failed") and "The <site> gave no answer." in step.text and buttons(step) == [
        "Try again", "Revert to Where"]
    assert "Traceback" in step.text and "ValueError: The" not in step.text.partition("Log")[0]
    (lab / "bad").unlink()
    await submit(client, form_to((await client.get(RUN)).text, f"/runs/{KEY}/jobs/read/go-on"))
    await at(core, "read", "done")
    assert "pages: 50" in (await card(client, "read")).text


async def test_stop_then_go_on(client, core, lab):
    await begin(client, lab)
    await until(lambda: core.jobs.panel()[0].live.total == 50)
    answer = await submit(client, form_to((await client.get(RUN)).text, f"/runs/{KEY}/jobs/read/stop"))
    assert (answer.status_code, answer.headers["location"], state(core, "read")) == (303, RUN, "stopped")
    step = await card(client, "read")
    assert "Stopped at 3 of 50." in step.text and buttons(step) == ["Go on"]
    again = await client.post(f"/runs/{KEY}/jobs/read/stop", headers=HX)  # by somebody else, meanwhile
    assert again.status_code == 200 and "Stopped at 3 of 50." in parse(again.text).find("step-read").text
    await client.post(f"/runs/{KEY}/jobs/read/go-on")
    (lab / "read").touch()
    await at(core, "read", "done")


async def test_a_stopped_job_says_while_its_call_cannot_be_broken_off(client, core, lab):
    for name in ("read", "deaf"):
        (lab / name).touch()
    await begin(client, lab)
    await until(lambda: core.jobs.panel()[0].live.log)
    await client.post(f"/runs/{KEY}/jobs/read/stop")
    step = await card(client, "read")
    assert "is still ending; its result is not used." in step.text and step.find("job-read") is not None
    (lab / "deaf").unlink()
    await until(lambda: not core.jobs.ending(core.db.one("SELECT id FROM steps WHERE slug = 'read'")["id"]))
    ended = await client.get(step.find("job-read").attrs["hx-get"], headers=HX)
    assert "still ending" not in ended.text and parse(ended.text).find("job-read") is None
    assert state(core, "read") == "stopped"


async def test_an_each_shows_its_newest_results_while_it_runs(client, core, lab):
    await checking(client, core, lab)
    step = await card(client, "check")
    rows = [node.text for node in step.walk() if node.tag == "tr"]
    assert len(rows) == 5 and rows[1].endswith("203") and "4 of 12 results" in step.text


async def test_all_results_are_sorted_and_searched_on_the_server(client, core, lab):
    await checking(client, core, lab)
    html = (await client.get(f"/runs/{KEY}/items/check?sort=-status", headers=HX)).text
    form = parse(html)
    assert [node.text for node in form.walk() if node.tag == "tr"][1].endswith("203") and "data-view" in html
    assert (await client.get(f"/runs/{KEY}/items/read")).status_code == 404
    page = (await client.get(f"/runs/{KEY}/items/check?q=/2")).text  # without JavaScript: a page of its own
    assert "<title>" in page and page.count("<tr>") == 2


async def test_a_stopped_each_goes_on_or_continues_with_what_there_is(client, core, lab):
    await checking(client, core, lab)
    await client.post(f"/runs/{KEY}/jobs/check/stop")
    step = await card(client, "check")
    assert "Stopped at 4 of 12 items." in step.text and buttons(step) == ["Go on", "Continue with those 4"]
    await client.post(f"/runs/{KEY}/jobs/check/continue")
    done = await card(client, "check")
    assert done.has_class("done") and "4 results" in done.text
    assert buttons(done) == ["Go on with the other 8", "Run again"]


async def test_some_failed_are_named_and_tried_again_alone(client, core, lab):
    (lab / "check").touch()
    (lab / "read").touch()
    await begin(client, lab)
    await at(core, "check", "failed")
    step = await card(client, "check")
    assert "10 of 12 items are done; 2 failed." in step.text and "No answer <5>." in step.text and "L/7" in step.text
    assert buttons(step) == ["Try again", "Try again", "Try the 2 again", "Continue with those 10"]
    (lab / "well").touch()
    await client.post(f"/runs/{KEY}/jobs/check/go-on")
    await at(core, "check", "done")
    assert "12 results" in (await card(client, "check")).text


async def test_what_fails_is_counted_and_named_while_the_others_go_on(client, core, lab):
    (lab / "slow").touch()
    await checking(client, core, lab)
    (lab / "check").touch()
    await until(lambda: (live := core.jobs.live(step_id(core, "check"))) is not None and live.done == 11)
    step = await card(client, "check")
    assert "11 of 12 items, 2 failed" in step.text and "L/7" in step.text and buttons(step) == ["Stop"]
    (lab / "slow").unlink()
    await at(core, "check", "failed")
    [told] = [line for line in core.archive.history(KEY) if line.by == "job" and line.label == "Check"]
    assert (told.what, told.text) == ("failed", "2 of 12 failed.")
    assert "Failed: 2 of 12 failed." in (await client.get(f"/runs/{KEY}/history")).text


async def test_one_that_failed_is_tried_again_alone(client, core, lab):
    (lab / "check").touch()
    (lab / "read").touch()
    await begin(client, lab)
    await at(core, "check", "failed")
    (lab / "well").touch()
    await submit(client, form_to((await client.get(RUN)).text, f"/runs/{KEY}/jobs/check/go-on?item=5"))
    await at(core, "check", "failed")
    step = await card(client, "check")
    assert "11 of 12 items are done; 1 failed." in step.text and "No answer <7>." in step.text
    assert buttons(step) == ["Try again", "Continue with those 11"]


async def test_a_list_that_was_accepted_with_failures_is_completed_and_what_followed_is_asked_again(client, core, lab):
    (lab / "check").touch()
    (lab / "read").touch()
    await begin(client, lab)
    await at(core, "check", "failed")
    await client.post(f"/runs/{KEY}/jobs/check/continue")
    await submit(client, form_to((await client.get(RUN)).text, f"/runs/{KEY}/steps/note"), value="as it is")
    await until(lambda: core.runs.get(KEY).complete)
    (lab / "well").touch()
    (lab / "check").unlink()
    whole = (await client.get(RUN)).text
    assert buttons(parse(whole).find("step-check")) == ["Try the 2 failed again", "Run again"]
    await submit(client, form_to(whole, f"/runs/{KEY}/revert/check?keep=yes"))
    await until(lambda: (live := core.jobs.live(step_id(core, "check"))) is not None and live.done == 10)
    (lab / "check").touch()
    await at(core, "check", "done")
    await until(lambda: core.runs.get(KEY).waiting_for == "Note")
    page = (await client.get(RUN)).text
    assert "12 results" in parse(page).find("step-check").text and 'value="as it is"' in page
    assert [line.what for line in core.archive.history(KEY)][:2] == ["done", "tried again"]
    await client.post(f"/runs/{KEY}/undo")
    assert "10 results, 2 failed" in (await card(client, "check")).text and core.runs.get(KEY).complete


async def test_run_again_starts_a_finished_job(client, core, lab):
    (lab / "read").touch()
    await begin(client, lab)
    await at(core, "check", "running")
    (lab / "read").unlink()
    form = form_to((await client.get(RUN)).text, f"/runs/{KEY}/revert/read")
    assert "Run again" in form.text
    await submit(client, form)
    await at(core, "read", "running")


async def test_what_cannot_be_done_is_explained(client, core, lab):
    await begin(client, lab)
    assert (await client.post(f"/runs/{KEY}/jobs/nothing/stop")).status_code == 404
    await client.post(f"/runs/{KEY}/jobs/read/stop")
    refused = await client.post(f"/runs/{KEY}/jobs/read/continue", headers={**HX, "HX-Target": f"div#run-{KEY}"})
    assert refused.status_code == 409 and "Try it again." in refused.text
    await client.post(f"/runs/{KEY}/finalise")
    locked = await client.post(f"/runs/{KEY}/jobs/read/go-on", headers={**HX, "HX-Target": f"div#run-{KEY}"})
    assert locked.status_code == 409 and "Unlock it" in locked.text
    assert buttons(await card(client, "read")) == []


# -- without JavaScript


async def test_a_run_fetches_itself_again_only_while_it_waits_for_a_job(client, core, lab):
    assert "http-equiv=\"refresh\"" not in (await client.get("/lab")).text
    await begin(client, lab)
    whole = (await client.get(RUN)).text
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript></head>' in whole
    assert "refresh" not in (await client.get(RUN, headers=HX)).text  # htmx would insert it, and it would count
    await client.post(f"/runs/{KEY}/jobs/read/stop")
    assert "http-equiv=\"refresh\"" not in (await client.get(RUN)).text


# -- the bell


def bell(html: str):
    return parse(html).find("bell").attrs["aria-label"]


async def test_the_bell_counts_what_runs_and_what_failed_until_the_list_is_opened(client, core, lab):
    assert bell((await client.get("/")).text) == "Background jobs, none running"
    (lab / "bad").touch()
    await begin(client, lab)
    assert bell((await client.get("/")).text) == "Background jobs, 1 running"
    (lab / "read").touch()
    await at(core, "read", "failed")
    html = (await client.get("/")).text
    assert bell(html) == "Background jobs, 1 failed" and parse(html).find("bell").attrs["hx-post"] == "/jobs/seen"
    assert (await client.post("/jobs/seen", headers=HX)).status_code == 204
    assert bell((await client.get("/")).text) == "Background jobs, none running"


async def test_the_list_is_polled_cheaply_and_acts(client, core, lab):
    assert "No job is running." in (await client.get("/jobs/list", headers=HX)).text
    await begin(client, lab)
    await until(lambda: core.jobs.panel()[0].live.total == 50)
    html = (await client.get("/jobs/list", headers=HX)).text
    polled = parse(html).find("jobs-list")
    assert "3 of 50" in polled.text and f'href="{RUN}"' in html
    stopped = await client.post(f"/runs/{KEY}/jobs/read/stop?panel=yes", headers=HX)
    now = parse(stopped.text).find("jobs-list")
    assert "Stopped at 3 of 50" in now.text and buttons(now) == ["Go on"]
    assert (await client.get(now.attrs["hx-get"], headers=HX)).status_code == 204
    page = (await client.get("/jobs")).text
    assert "<h1>Background jobs</h1>" in page
    answer = await submit(client, form_to(page, f"/runs/{KEY}/jobs/read/go-on"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
    assert 'http-equiv="refresh"' in (await client.get("/jobs")).text


async def test_a_job_that_ended_leaves_the_list_after_a_while(client, core, clock, lab, monkeypatch):
    monkeypatch.setattr("treadle.web.job_rows.KEPT_S", 150.0)
    await begin(client, lab)
    await client.post(f"/runs/{KEY}/jobs/read/stop")
    await clock.advance(130)
    assert "2 min ago" in (await client.get("/jobs")).text
    await clock.advance(30)
    assert "No job is running." in (await client.get("/jobs")).text


async def test_only_long_jobs_that_ended_since_are_told(client, core, clock, lab):
    page = (await client.get("/")).text
    asked = parse(page).find("ended").attrs["hx-get"]
    await begin(client, lab)
    assert (await client.get(asked, headers=HX)).status_code == 204
    await until(lambda: core.jobs.panel()[0].live.total == 50)
    await clock.advance(31)
    (lab / "read").touch()
    await at(core, "check", "running")
    told = await client.get(asked, headers=HX)
    link = parse(told.text).find("ended")
    assert [node.attrs["title"] for node in link.walk() if node.tag == "a"] == ["Read is done"]
    assert (await client.get(link.attrs["hx-get"], headers=HX)).status_code == 204


async def test_two_events_for_a_job(client, core, lab):
    """The bell is sent when it starts and when it ends, and for nothing between."""
    from treadle.web.job_rows import jobs_since

    start = core.feed.rev
    await begin(client, lab)
    assert jobs_since(core, start) == ["Read started."]
    begun = core.feed.rev
    await until(lambda: core.jobs.panel()[0].live.total == 50)
    assert jobs_since(core, begun) is None and core.feed.rev == begun
    await client.post(f"/runs/{KEY}/jobs/read/stop")
    assert jobs_since(core, begun) == ["Read is stopped."]
