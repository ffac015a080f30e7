"""Forms of several fields without JavaScript: every type, errors at each field, files and secrets kept, limits."""

from __future__ import annotations

import pytest

from tests.browsing import fields, form_to
from tests.every import GOOD, plugins_at
from tests.harness import HX
from tests.partials import parse
from treadle.config import Settings
from treadle.fields.secrets import Secrets

NEW = "/runs/new/every"


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", plugins=plugins_at(tmp_path / "plugins"), open_browser=False,
                    ollama_host="http://127.0.0.1:9", max_body=50_000, max_upload=3_000_000)


async def sent(client, form, typed, files=None, headers=None):
    """Send a form with these fields, and its file fields empty where `files` has none."""
    data = {"client_id": fields(form).get("client_id", []), "rev": fields(form).get("rev", []), **typed}
    files = {"value.file": ("", b""), "value.other": ("", b""), **(files or {})}
    return await client.post(form.attrs["action"], data=data, files=files, headers=headers)


async def new_form(client):
    return form_to((await client.get("/every")).text, NEW)


def said(page, number: int) -> str:
    found = parse(page).find(f"f-scope-{number}-err")
    return found.text if found is not None else ""


async def test_every_type_is_answered_without_javascript_and_the_code_gets_its_value(client, core):
    form = await new_form(client)
    assert "novalidate" in form.attrs and form.attrs["enctype"] == "multipart/form-data"
    response = await sent(client, form, GOOD, {"value.file": ("k.csv", b"a,b\n"), "value.other": ("o.bin", b"12")})
    assert response.status_code == 303, response.text
    path = response.headers["location"]
    page = (await client.get(path)).text
    assert "Settings <b>{ &quot;a&quot;: 1 }</b>" in page
    assert 'download>k.csv</a>, 4 bytes' in page and "Name <b>Spring</b>" in page and "hunter2" not in page
    days = await client.post("/runs/default-every-01/steps/days", data={
        "rev": fields(form_to(page, "/runs/default-every-01/steps/days"))["rev"], "value": ["Friday", "Monday"]})
    assert days.status_code == 303
    last = form_to((await client.get(path)).text, "/runs/default-every-01/steps/key")
    assert (await client.post(last.attrs["action"], data=fields(last))).status_code == 303
    shown = parse((await client.get(path)).text).find("shown-1").text
    assert shown.strip() == ("Spring 1500 9.5 18.11. 14:05 Canonical ['HTML', 'Documents'] LARGE k.csv 8 {'a': 1} 20 "
                             "True [1, 3] True")
    owners = {row["step"]: row["run"] for row in core.db.rows("SELECT * FROM files WHERE kept = 1")}
    assert owners == {"scope.file": "default-every-01", "scope.other": "default-every-01"}


@pytest.mark.parametrize("headers", [None, HX], ids=["plain", "htmx"])
async def test_a_refused_form_keeps_all_that_was_typed_and_says_each_problem_at_its_field(client, headers):
    typed = GOOD | {"value.pages": "9000", "value.start": "docs.example", "value.settings": "{", "value.on": "soon",
                    "value.notes": "two\nlines"}
    response = await sent(client, await new_form(client), typed, {"value.file": ("k.csv", b"a,b\n")}, headers)
    assert response.status_code == 422
    tree = parse(response.text)
    assert said(response.text, 1) == "9,000 is over the limit of 5,000."
    assert said(response.text, 6) == "This is no full address: begin with https:// and name a host."
    assert said(response.text, 15).startswith("This is no JSON: expecting property name") and "line 1, column 2" in \
        said(response.text, 15)
    notice = next(node for node in tree.walk() if node.has_class("bad") and node.has_class("notice")
                  and "hidden" not in node.attrs)
    assert notice.text == "Four answers need a change: Pages, On, Start, Settings. Everything else is kept."
    assert [node.attrs["href"] for node in notice.walk() if node.tag == "a"] == [
        "#f-scope-1", "#f-scope-3", "#f-scope-6", "#f-scope-15"]
    focused = [node.attrs["id"] for node in tree.walk() if "autofocus" in node.attrs and "id" in node.attrs]
    assert focused == ["f-scope-1"]  # the first bad one
    bad = tree.find("f-scope-1")
    assert bad.attrs["aria-invalid"] == "true" and bad.attrs["aria-describedby"].split()[0] == "f-scope-1-err"
    back = form_to(response.text, NEW)
    assert {name: value for name, value in fields(back).items() if name in GOOD and name != "value.key"} == {
        name: value if isinstance(value, list) else [value] for name, value in typed.items() if name != "value.key"}
    assert tree.find("f-scope-3").attrs["type"] == "text"  # a field for dates would show nothing of "soon"
    assert "k.csv" in response.text and "Sent with the form and kept, 4 bytes" in response.text


async def test_a_file_and_a_secret_of_a_refused_form_count_when_it_is_sent_again(client, core):
    refused = await sent(client, await new_form(client), GOOD | {"value.pages": "x"},
                         {"value.file": ("k.csv", b"a,b\n"), "value.other": ("o.bin", b"12")})
    assert refused.status_code == 422 and "hunter2" not in refused.text
    assert "Kept" in refused.text and "Type another to replace it." in refused.text
    again = form_to(refused.text, NEW)
    response = await sent(client, again, fields(again) | {"value.pages": ["1500"]})
    assert response.status_code == 303, response.text
    value = core.db.one("SELECT value FROM steps WHERE label = 'Scope'")["value"]
    assert "hunter2" not in value and value.count('"file"') == 3 and "secret-" in value
    assert "hunter2!" in (core.folder.path / "secrets.json").read_text()


async def test_what_does_not_go_together_is_said_once_on_top(client):
    file = {"value.file": ("k.csv", b"a")}
    for typed, words in (({"value.pages": "5"}, "There are fewer pages than workers."),
                         ({"value.name": "Nobody"}, "Nobody crawls.")):
        response = await sent(client, await new_form(client), GOOD | typed, file, HX)
        assert response.status_code == 422 and response.text.count(words) == 1 and 'class="err"' not in response.text


@pytest.mark.parametrize(("name", "data", "status", "words"), [
    ("keywords.pdf", b"x", 422, "keywords.pdf is no .csv or .gz and was not kept."),
    ("big.csv", b"x" * 10_001, 413, "big.csv is over the limit of 10 kB. Send a smaller file.")])
async def test_a_file_that_is_not_taken_is_refused_while_it_streams_and_all_else_is_kept(
        client, core, name, data, status, words):
    response = await sent(client, await new_form(client), GOOD, {"value.file": (name, data),
                                                                 "value.other": ("o.bin", b"12")})
    assert response.status_code == status and said(response.text, 12) == words
    assert fields(form_to(response.text, NEW))["value.name"] == ["Spring"]
    assert [row["name"] for row in core.db.rows("SELECT name FROM files")] == ["o.bin"]
    assert len(list(core.files.folder.iterdir())) == 1
    assert ".csv or .gz, up to 10 kB." in response.text


async def test_each_file_of_a_form_has_a_bar_and_an_owner_of_its_own(client, core):
    form = await new_form(client)
    bars = [node.attrs["hx-get"] for node in parse(form.outer).walk() if node.attrs.get("id", "").endswith("-bar")]
    assert [at.rpartition("field=")[2] for at in bars] == ["f-scope-12", "f-scope-13"]
    client_id = fields(form)["client_id"][0]
    seen, waits = [], []

    async def body():
        yield f'--B\r\nContent-Disposition: form-data; name="client_id"\r\n\r\n{client_id}\r\n'.encode()
        yield b'--B\r\nContent-Disposition: form-data; name="value.other"; filename="big.bin"\r\n\r\n'
        for _ in range(20):
            yield b"x" * 50_000
            seen.append([(await client.get(at, headers=HX)).text for at in bars])
            waits.append((await client.get(f"{bars[0]}&tries=20", headers=HX)).text)  # while another one comes in
        yield b"\r\n--B--\r\n"

    response = await client.post(form.attrs["action"], content=body(), headers={
        "content-type": "multipart/form-data; boundary=B", "content-length": "1000300"})
    assert response.status_code == 422  # all else is missing
    assert "<progress" in seen[9][1] and "big.bin" in seen[9][1] and "<progress" not in seen[9][0]
    late = f"{bars[0]}&tries=20"
    assert "every" not in (await client.get(late, headers=HX)).text and "every" in waits[0]
    assert [row["step"] for row in core.db.rows("SELECT step FROM files WHERE kept = 0")] == ["scope.other"]


async def test_a_reverted_form_proposes_what_it_held_and_never_the_secret(client, core):
    await sent(client, await new_form(client), GOOD, {"value.file": ("k.csv", b"a,b\n")})
    await client.post("/runs/default-every-01/revert/scope")
    page = (await client.get("/every/default-every-01")).text
    back = fields(form_to(page, "/runs/default-every-01/steps/scope"))
    assert back["value.name"] == ["Spring"] and back["value.include"] == ["HTML", "Documents"]
    assert back["value.key"] == [""] and "hunter2" not in page and "Your earlier answer, 4 bytes" in page
    form = form_to(page, "/runs/default-every-01/steps/scope")
    assert (await sent(client, form, back | {"value.pages": ["77"]})).status_code == 303
    assert "Pages <b>77</b>" in (await client.get("/every/default-every-01")).text


async def test_the_loser_of_two_answers_sees_theirs_by_field_without_the_secret_and_can_use_it(client, core):
    await sent(client, await new_form(client), GOOD, {"value.file": ("k.csv", b"a,b\n")})
    await client.post("/runs/default-every-01/revert/scope")
    page = (await client.get("/every/default-every-01")).text
    form = form_to(page, "/runs/default-every-01/steps/scope")
    assert (await sent(client, form, GOOD)).status_code == 303
    late = await sent(client, form, GOOD | {"value.name": "Autumn", "value.key": "mine!"})
    assert late.status_code == 409 and "Name: Autumn" in late.text and "mine!" not in late.text
    mine = next(each for each in [form_to(late.text, "/runs/default-every-01/steps/scope")])
    assert (await client.post(mine.attrs["action"], data=fields(mine))).status_code == 303
    view = await core.runs.draw("default-every-01")
    value = view.drawing.items[0].value
    assert (value.name, value.key, value.file.name) == ("Autumn", "mine!", "k.csv")


async def test_hundreds_of_boxes_are_one_answer(client):
    form = form_to((await client.get("/pick")).text, "/runs/new/pick")
    response = await client.post(form.attrs["action"], data={"client_id": fields(form)["client_id"],
                                                             "value": [f"Page {n}" for n in range(300)]})
    assert response.status_code == 303
    assert "300 pages" in (await client.get(response.headers["location"])).text


async def test_a_secret_is_in_no_export_and_in_nothing_the_model_is_told(client, core):
    await sent(client, await new_form(client), GOOD | {"value.notes": "my key is hunter2!"},
               {"value.file": ("k.csv", b"a,b\n")})
    facts = await core.runs.facts("default-every-01")
    assert "hunter2" not in facts and "Key: Kept" in facts
    rows = core.db.rows("SELECT * FROM history WHERE run = 'default-every-01'")
    assert rows and not any("hunter2" in str(tuple(row)) for row in rows)


async def test_every_control_has_a_name_and_says_what_describes_it(client):
    tree = parse((await new_form(client)).outer)
    ids = {node.attrs["id"] for node in tree.walk() if "id" in node.attrs}
    labels = {node.attrs["for"] for node in tree.walk() if node.tag == "label" and "for" in node.attrs}
    for node in tree.walk():
        if node.tag in ("input", "select", "textarea") and node.attrs.get("name", "").startswith("value."):
            within, above = False, node.parent
            while above is not None:
                within, above = within or above.tag in ("label", "fieldset"), above.parent
            assert node.attrs.get("id") in labels or within, node.outer
            assert set(node.attrs.get("aria-describedby", "").split()) <= ids


async def test_a_secret_is_removed_with_its_run(client, core):
    await sent(client, await new_form(client), GOOD, {"value.file": ("k.csv", b"a,b\n")})
    kept = core.folder.path / "secrets.json"
    await core.archive.delete(["default-every-01"])
    again = Secrets(kept)
    assert "hunter2!" in kept.read_text()  # deleting can be undone for a day
    core.db.execute("UPDATE runs SET deleted_at = 0")
    core.archive.recover()
    core.runs._secrets = again
    await core.runs.forget_secrets()
    assert kept.read_text() == "{}"


async def test_what_an_authors_code_says_in_an_error_holds_no_secret(client, core):
    refused = await sent(client, await new_form(client), GOOD | {"value.name": "Leak"},
                         {"value.file": ("k.csv", b"a,b\n")})
    assert refused.status_code == 500 and "hunter2" not in refused.text and "LookupError" in refused.text
