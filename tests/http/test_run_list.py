"""All runs through the app: found, named, deleted and brought back, forked, compared, saved and opened again."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from tests.browsing import form_to, submit
from tests.harness import HX
from tests.partials import parse
from tests.trips import plugins_at
from treadle.config import Settings
from treadle.web.components.runlist import runs_changed

EVIL = "<img src=x onerror=alert(1)> \"'&amp;</script>"
INTO_LIST = HX | {"HX-Target": "div#runs-list"}


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", plugins=plugins_at(tmp_path / "plugins"), open_browser=False,
                    ollama_host="http://127.0.0.1:9", max_upload=50_000)


async def trip(core, town: str = "Rome", *answers: str) -> str:
    key = (await core.runs.begin("trip", {"value": [town[:20]]})).key
    for slug, value in zip(("days", "go", "note"), answers, strict=False):
        view = await core.runs.draw(key)
        await core.runs.answer(key, slug, {"value": [value]}, rev=view.form_rev)
    return key


def titles(html: str) -> list[str]:
    return [node.text for node in parse(html).walk() if node.has_class("nm")]


def row(html: str, key: str):
    return parse(html).find(f"row-{key}")


# -- the list


async def test_the_list_tells_state_progress_and_where_each_run_is(client, core):
    open_, asked = await trip(core, "Rome"), await trip(core, "Oslo", "3")
    done, locked = await trip(core, "Bonn", "3", "yes", "x"), await trip(core, "Lima", "3", "yes", "x")
    await core.runs.finalise(locked)
    page = (await client.get("/runs")).text
    assert titles(page) == ["Trip, Lima", "Trip, Bonn", "Trip, Oslo", "Trip, Rome"]
    for key, state, where in ((open_, "Unfinished", "Trip, step 2, Days"), (asked, "Waits for you", "Trip, step 3, Go"),
                              (done, "All steps done", "Trip"), (locked, "Finished", "Trip, locked")):
        assert state in row(page, key).text and where in row(page, key).text
    assert "All 4" in page and "Unfinished 2" in page and "Finished 2" in page and "Deleted 0" not in page
    home = (await client.get("/")).text
    assert 'href="/runs"' in home and "All 4 runs" in home


async def test_the_list_is_searched_and_filtered_without_javascript(client, core):
    await trip(core, "Rome")
    await trip(core, "Oslo", "3", "yes", "Take an umbrella")
    await core.runs.begin("skip", {"value": ["left"]})
    form = parse((await client.get("/runs")).text).find("runs-filter")
    assert titles((await submit(client, form, q="umbrella")).text) == ["Trip, Oslo"]
    assert titles((await submit(client, form, state="unfinished", workflow="trip")).text) == ["Trip, Rome"]
    nothing = (await submit(client, form, q="nowhere")).text
    assert "No run is found." in nothing and titles(nothing) == []


async def test_a_search_without_a_hit_is_no_first_visit(client, core):
    assert "once they have begun" in (await client.get("/runs")).text
    await trip(core, "Rome")
    page = (await client.get("/runs?q=nowhere")).text
    assert "once they have begun" not in page and "All 0" in page and "No run is found." in page


async def test_many_runs_are_turned_page_by_page(client, core):
    core.db.connection.executemany(
        "INSERT INTO runs (key, endpoint, number, title, state, version, created_at, updated_at, rev) "
        "VALUES (?, 'trip', ?, ?, 'open', '', 0, 0, ?)",
        [(f"default-trip-{n}", n, f"Run {n}", n) for n in range(1, 121)])
    first = (await client.get("/runs?q=run")).text
    assert "1 to 50 of 120." in first and titles(first)[0] == "Run 120" and "Previous page" not in first
    link = re.search(r'<a href="([^"]+)"[^>]*>Next page', first)[1]
    assert titles((await client.get(unescape(link))).text)[0] == "Run 70"
    assert "101 to 120 of 120." in (await client.get("/runs?page=9999999")).text


async def test_a_list_that_is_open_keeps_its_rows_and_is_told_of_newer_ones(client, core):
    old, gone = await trip(core, "Rome"), await trip(core, "Oslo")
    asked = parse((await client.get("/runs")).text).find("runs-asked")
    params = {node.attrs["name"]: node.attrs["value"] for node in asked.walk() if node.tag == "input"}
    await trip(core, "Bonn")
    await core.archive.rename(old, "My own")
    await core.archive.delete([gone])
    answer = (await client.get("/runs/rows", params=params, headers=HX)).text
    assert titles(answer) == ["Trip, Oslo", "My own"] and "1 newer run." in answer
    assert "Deleted" in row(answer, gone).text and "Undo" in row(answer, gone).text
    assert 'hx-target="#runs-seg"' in answer and "Deleted 1" in answer
    assert "#runs-live" in runs_changed() and 'hx-get="/runs/rows"' in runs_changed()


async def test_a_run_is_named_in_its_row_and_on_its_page(client, core):
    key = await trip(core)
    page = await client.get(f"/runs?rename={key}")
    await submit(client, form_to(page.text, f"/runs/{key}/rename"), title=EVIL)
    page = (await client.get("/runs")).text
    assert titles(page) == [" ".join(EVIL.split())] and "<img" not in page
    form = form_to((await client.get(f"/runs/{key}/rename")).text, f"/runs/{key}/rename")
    refused = await submit(client, form, title="x" * 200)
    assert refused.status_code == 422 and "200 characters; the limit is 120" in refused.text
    assert "x" * 200 in refused.text
    named = await submit(client, form, title="Mine")
    assert named.headers["location"] == f"/trip/{key}"
    assert "<title>Mine · Treadle</title>" in (await client.get(f"/trip/{key}")).text
    answer = await client.post(f"/runs/{key}/rename", data={"title": "Yours", "page": "1"}, headers=INTO_LIST)
    assert titles(answer.text) == ["Yours"] and "<html" not in answer.text


# -- deleting


async def test_deleting_is_undone_from_the_toast_without_javascript(client, core):
    key = await trip(core)
    deleted = await submit(client, form_to((await client.get("/runs")).text, f"/runs/{key}/delete"))
    page = (await client.get(deleted.headers["location"])).text
    assert "Trip, Rome was deleted." in page and titles(page) == []
    await submit(client, form_to(page, "/runs/restore"))
    assert titles((await client.get("/runs")).text) == ["Trip, Rome"]


async def test_what_is_brought_back_is_seen_in_a_list_that_was_opened_after_it_had_gone(client, core):
    stays, gone = await trip(core, "Rome"), await trip(core, "Oslo")
    await core.archive.delete([gone])
    back = await client.post("/runs/restore", data={"run": gone, "keys": stays}, headers=INTO_LIST)
    assert titles(back.text) == ["Trip, Oslo", "Trip, Rome"] and "newer run" not in back.text


async def test_several_are_deleted_at_once_and_found_again_for_a_day(client, core):
    keys = [await trip(core, town) for town in ("Rome", "Oslo")]
    response = await client.post("/runs/delete", data={"run": keys})
    assert "2 runs were deleted." in (await client.get(response.headers["location"])).text
    page = (await client.get("/runs?state=deleted")).text
    assert titles(page) == ["Trip, Oslo", "Trip, Rome"]
    await submit(client, form_to(page, f"/runs/{keys[0]}/restore"))
    assert titles((await client.get("/runs")).text) == ["Trip, Rome"]
    assert (await client.post("/runs/delete")).status_code == 400
    assert (await client.post(f"/runs/{keys[0]}/restore")).status_code == 409


async def test_the_page_of_a_deleted_run_says_so_and_brings_it_back(client, core):
    key = await trip(core)
    await core.archive.delete([key])
    for address in (f"/trip/{key}", f"/runs/{key}/body"):
        html = (await client.get(address, headers=HX)).text
        assert "This run was deleted." in parse(html).find(f"run-{key}").text
    form = form_to((await client.get(f"/trip/{key}")).text, f"/runs/{key}/restore")
    assert (await submit(client, form)).headers["location"] == f"/trip/{key}"
    assert "Days" in (await client.get(f"/trip/{key}")).text
    assert (await client.post(f"/runs/{key}/delete", headers=HX)).status_code == 303
    assert (await client.post(f"/runs/{key}/steps/days", data={"value": "3", "rev": "1"})).status_code == 404


# -- forks, comparing, history


async def test_a_run_is_forked_at_a_step_and_compared_with_its_fork(client, core):
    key = await trip(core, "Rome", "3", "yes", "umbrella")
    response = await submit(client, form_to((await client.get(f"/runs/{key}/fork")).text, f"/runs/{key}/fork/days"))
    path = response.headers["location"]
    fork = path.rpartition("/")[2]
    page = (await client.get(path)).text
    assert f"A fork of {key}." in parse(page).find("origin").text
    await submit(client, form_to(page, f"/runs/{fork}/steps/days"), value="4")
    both = unescape(re.search(r'href="(/runs/compare[^"]+)"', page)[1])
    compared = (await client.get(both)).text
    assert "3 of 4 steps differ." in compared
    rows = [node.text for node in parse(compared).walk() if node.tag == "tr"]
    assert rows[1:] == ["WhereThe same in both: Rome", "Daysdiffers34", "Goonly on the leftBook it–",
                        "Noteonly on the leftumbrella–", "After Noteshown, only on the leftBooked: Rome–"]
    swapped = unescape(re.search(r'href="(/runs/compare[^"]+)"[^>]*>Swap', compared)[1])
    assert "Daysdiffers43" in parse((await client.get(swapped)).text).text
    for wrong in ("", f"?run={key}", f"?run={key}&run={key}"):
        assert (await client.get(f"/runs/compare{wrong}")).status_code == 422


async def test_the_history_says_who_did_what_and_escapes_it(client, core):
    key = await trip(core, EVIL[:20], "3")
    await core.runs.revert(key, "days", by="model")
    await core.runs.undo(key, by="command line")
    page = await client.get(f"/runs/{key}/history")
    rows = [[cell.text for cell in node.walk() if cell.tag == "td"][:3] for node in parse(page.text).walk()
            if node.tag == "tr"][1:]
    assert rows == [["–", "Undid the revert", "Command line"], ["Days", "Reverted", "The model"], ["Days", "3", "You"],
                    ["Where", EVIL[:20].strip(), "You"], ["–", "Started", "You"]]
    assert "<img" not in page.text
    assert len(parse((await client.get(f"/trip/{key}")).text).find("history").text) > 50


# -- saved and opened again


async def test_a_saved_run_needs_nothing_and_comes_back_with_the_same_answers(client, core):
    key = await trip(core, EVIL[:20], "3", "yes", f"two\nlines {EVIL}")
    saved = await client.get(f"/runs/{key}/file")
    assert saved.headers["content-disposition"].startswith(f'attachment; filename="{key}.html"')
    html = saved.text
    assert re.findall(r"<script[^>]*>", html) == ['<script type="application/json" id="treadle-run">']
    assert not re.findall(r"<(?:link|img|iframe|form|button|input)\b", html)
    assert "http" not in html.replace("http-equiv", "")
    assert "default-src &#x27;none&#x27;" in html and html.count("data:") == html.count("data:application") + 1
    assert "Book it" in html and "Booked:" in html and "trip.json" in html and "@media print" in html
    assert json.loads(html.partition('id="treadle-run">')[2].partition("</script>")[0])[0]["run"]["endpoint"] == "trip"
    response = await client.post("/runs/import", files={"value": ("saved.html", saved.content, "text/html")})
    new = response.headers["location"].rpartition("/")[2]
    assert new != key and core.files.folder.exists() and [*core.files.folder.iterdir()] == []

    def values(run: str) -> list[tuple]:
        return [tuple(each) for each in core.db.rows("SELECT label, value, state FROM steps WHERE run = ?", (run,))]

    assert values(new) == values(key)
    page = (await client.get(response.headers["location"])).text
    assert "Nothing of it runs until it is unlocked." in page and "Finished" in page
    await submit(client, form_to(page, f"/runs/{new}/unlock"))
    assert core.runs.get(new).state == "open" and core.runs.get(new).complete


async def test_a_run_with_a_file_and_a_table_is_saved_whole(client, core):
    async with core.files.receive("words.txt", run="new/client-1", step="list", max_bytes=9_000) as sink:
        await sink.write(" ".join(f"w{n:03}" for n in range(130)).encode())
    key = (await core.runs.begin("listing", {"value": [sink.file.id]}, client_id="client-1")).key
    view = await core.runs.draw(key)
    await core.runs.answer(key, "kind", {"value": [""]}, rev=view.form_rev)
    html = (await client.get(f"/runs/{key}/file")).text
    assert all(f"<td>w{n:03}</td>" in html for n in range(130)) and 'download="words.txt"' in html
    response = await client.post("/runs/import", files={"value": ("saved.html", html.encode(), "text/html")})
    new = response.headers["location"].rpartition("/")[2]
    assert (await core.runs.draw(new)).drawing.items[0].value.read_text().startswith("w000 w001")


async def test_a_run_of_a_workflow_that_is_not_here_is_a_record_to_read(client, core):
    key = await trip(core, "Rome", "3", "yes", "umbrella")
    saved = (await client.get(f"/runs/{key}/file")).text.replace('"endpoint": "trip"', '"endpoint": "elsewhere"')
    response = await client.post("/runs/import", files={"value": ("saved.html", saved.encode(), "text/html")})
    assert response.headers["location"] == "/elsewhere/default-elsewhere-01"
    page = (await client.get("/elsewhere/default-elsewhere-01")).text
    assert "The workflow elsewhere is not installed here." in page and "umbrella" in page
    assert "/unlock" not in page and "/steps/" not in page and "/fork" not in page
    for at in ("/runs", "/runs/default-elsewhere-01/file", "/runs/default-elsewhere-01/history",
               f"/runs/compare?run={key}&run=default-elsewhere-01"):
        assert (await client.get(at)).status_code == 200
    assert (await client.get("/elsewhere/default-elsewhere-02")).status_code == 404


async def test_what_is_no_saved_run_is_said_at_the_field(client, core):
    for name, content in (("x.html", b"<html>"), ("", b""), ("x.html", b'<script type="application/json" '
                                                             b'id="treadle-run">\n[\n{"run": {}}\n]\n</script>')):
        response = await client.post("/runs/import", files={"value": (name, content, "text/html")})
        assert response.status_code == 422
        page = parse(response.text)
        assert page.find("import-file").attrs["aria-invalid"] == "true" and page.find("import-err").text
    assert core.archive.list().matched == 0 and [*core.files.folder.iterdir()] == []
    assert (await client.get("/runs/import")).headers["location"] == "/runs"


async def test_every_form_of_the_list_keeps_the_conversation(client, core):
    core.db.execute("INSERT INTO conversations (id, created_at, rev) VALUES (2, 0, 0)")
    await trip(core)
    main = parse((await client.get("/runs?chat=2")).text).find("main")
    for form in (node for node in main.walk() if node.tag == "form"):
        chat = [node.attrs.get("value") for node in form.walk() if node.attrs.get("name") == "chat"]
        assert "chat=2" in form.attrs["action"] or chat == ["2"], form.attrs


SHOWS = '''
from fasthtml.common import Div, Script
from treadle import Code, Diagram, Download, Graph, Image, Table, workflow

PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000"
                    "1f15c4890000000d49444154789c6360f8cf00000003000153a2d5d20000000049454e44ae426082")


@workflow("Gallery", message="m")
async def gallery(ui):
    name = await ui.ask("Name", str)
    ui.show(Image(PNG, title="One pixel", alt="A dot"), Code("x = '</script>'", "python"), Diagram("graph TD; a-->b"))
    ui.show(Graph(["n1", "n2"], [("n1", "n2")]), Download(b"taken", "away.txt"), Download("x" * 1_000_001, "large.txt"))
    ui.show(Div("part", Script("alert(1)"), onclick="alert(1)"), f"![x](http://127.0.0.1/x.png) **{name}**")
    ui.export("rows.csv", rows=[{"a": 1}])
'''


async def test_what_a_run_shows_stands_in_its_file_without_script_or_request(client, core):
    (core.settings.plugins / "030_gallery.py").write_text(SHOWS)
    core.plugins.load()
    key = (await core.runs.begin("gallery", {"value": ["Ann"]})).key
    html = (await client.get(f"/runs/{key}/file")).text
    assert '<img alt="A dot" src="data:image/png;base64,' in html and "graph TD; a--&gt;b" in html
    assert "x = &#x27;&lt;/script&gt;&#x27;" in html and "<td>n1</td>" in html and "<strong>Ann</strong>" in html
    assert 'download="away.txt"' in html and "large.txt" in html and "too large to be part of this page" in html
    assert 'download="rows.csv"' in html and "alert(1)" not in html.partition("treadle-run")[0]
    assert re.findall(r"<(?:script|iframe|button|svg|use|link)\b[^>]*", html) == [
        '<script type="application/json" id="treadle-run"']
    assert not re.findall(r'\bsrc="(?!data:)', html.partition("treadle-run")[0])  # links elsewhere are only that
