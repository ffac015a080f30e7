"""The page of a run whose workflow has changed: what it says, and its two choices."""

from __future__ import annotations

import pytest

from treadle.config import Settings

FLOW = '''
from treadle import workflow

@workflow("Flow", message="m")
async def flow(ui):
    await ui.ask("Name", {type})
    await ui.ask("Note", str)
'''
KEY = "default-flow-01"


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "010_flow.py").write_text(FLOW.format(type="str"))
    return Settings(data=tmp_path / "data", plugins=tmp_path / "plugins", open_browser=False)


@pytest.fixture
async def changed(client, core, settings):
    """A run with one answer, whose workflow was saved with another type for it."""
    await client.post("/runs/new/flow", data={"value": "Ada", "client_id": "abcdefghijkl"})
    (settings.plugins / "010_flow.py").write_text(FLOW.format(type="int"))
    await core.plugins.reload()
    return (await client.get(f"/flow/{KEY}")).text


async def test_it_says_what_is_asked_again_and_leaves_a_form_that_may_be_half_filled_in(changed):
    assert "Flow has changed since this run began" in changed
    assert "Step 1, Name, is the first that is asked again." in changed
    assert 'id="f-note"' in changed


async def test_an_answer_from_before_is_kept_and_told_why_it_was_not_stored(client, core, changed):
    rev = (await core.runs.draw(KEY)).form_rev
    answer = await client.post(f"/runs/{KEY}/steps/note", data={"value": "My note", "rev": str(rev)},
                               headers={"HX-Request": "true"})
    assert answer.status_code == 409
    assert "Choose whether to go on here or to start a new run." in answer.text
    assert 'value="My note"' in answer.text and core.runs.get(KEY).answered == 1


async def test_going_on_asks_again_in_the_same_run(client, core, changed):
    answer = await client.post(f"/runs/{KEY}/go-on-here", headers={"HX-Request": "true"})
    assert answer.status_code == 200 and 'id="changed"' not in answer.text and 'id="f-name"' in answer.text
    assert core.archive.history(KEY)[0].what == "changed"


async def test_a_new_run_has_what_fits_and_the_old_one_is_locked(client, core, changed):
    answer = await client.post(f"/runs/{KEY}/start-anew")
    assert (answer.status_code, answer.headers["location"]) == (303, "/flow/default-flow-02")
    page = (await client.get("/flow/default-flow-02")).text
    assert 'id="changed"' not in page and 'id="f-name"' in page
    assert core.runs.get(KEY).state == "finished"
    assert 'id="changed"' not in (await client.get(f"/flow/{KEY}")).text
