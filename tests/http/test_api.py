"""`/api/...`: the same commands and the same checks as the pages, as JSON."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import httpx
import pytest

from tests.harness import until
from tests.trips import plugins_at
from treadle.config import ROOT
from treadle.web.app import create_app

ADDRESS = "http://127.0.0.1:5001"


@pytest.fixture
def settings(request, settings, tmp_path):
    if "shipped" in request.keywords:
        return settings
    return replace(settings, plugins=plugins_at(tmp_path / "plugins"))


@pytest.fixture
async def program(core):
    """A program with the token of commands: no cookie, no Origin."""
    headers = {"Authorization": f"Bearer {core.folder.secret('cli.token')}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(core)), base_url=ADDRESS,
                                 headers=headers) as client:
        yield client


async def begin(program, endpoint="trip", value="Rome", **more):
    answer = await program.post(f"/api/workflows/{endpoint}/runs", json={"value": value, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_the_workflows_are_listed_also_the_broken_ones(program):
    found = {each["workflow"]: each for each in (await program.get("/api/workflows")).json()}
    assert found["trip"]["title"] == "Trip" and found["trip"]["outline"] == ["Where", "Days", "Go", "Note"]
    assert all("title" in each for each in found.values())


async def test_a_workflow_comes_with_the_schema_of_its_first_question(program):
    found = (await program.get("/api/workflows/trip")).json()
    assert found["open"]["label"] == "Where" and found["open"]["step"] == "where"
    assert found["open"]["schema"] == {"title": "Where", "description": "A town.", "type": "string", "maxLength": 20}


async def test_a_run_is_played_to_its_end(program):
    run = await begin(program)
    url = f"/api/runs/{run['run']}"
    run = (await program.post(f"{url}/answer", json={"value": 3, "step": "days"})).json()
    assert run["open"]["schema"]["type"] == "boolean" and run["open"]["what"] == ["3 days in Rome"]
    run = (await program.post(f"{url}/answer", json={"value": True, "rev": run["open"]["rev"]})).json()
    run = (await program.post(f"{url}/answer", json={"value": None})).json()
    assert run["complete"] and run["open"] is None and run["shown"] == ["Booked: **Rome**"]
    assert [(step["label"], step["value"]) for step in run["steps"]] == [
        ("Where", "Rome"), ("Days", 3), ("Go", True), ("Note", None)]
    assert run["exports"][0]["name"] == "trip.json"
    assert (await program.get(f"{url}/exports/trip.json")).json() == {"where": "Rome", "days": 3, "note": None}
    assert (await program.get(url)).json() == run


async def test_what_a_run_waits_for_and_what_is_open_are_said_of_one_moment(program, core):
    run = await begin(program)
    core.db.execute("UPDATE runs SET complete = 1 WHERE key = ?", (run["run"],))  # its row is behind the drawing
    run = (await program.get(f"/api/runs/{run['run']}")).json()
    assert (run["complete"], run["waiting_for"], run["open"]["label"]) == (False, "Days", "Days")


async def test_the_checks_are_those_of_the_pages(program):
    refused = await program.post("/api/workflows/trip/runs", json={"value": "x" * 21})
    assert refused.status_code == 422
    assert refused.json() == {"error": "Where is 21 characters; the limit is 20.", "hint": "Shorten it.", "fields": {}}
    url = f"/api/runs/{(await begin(program))['run']}"
    assert (await program.post(f"{url}/answer", json={"value": 31})).json()["error"] == "At most 30 days."
    assert (await program.post(f"{url}/answer", json={"value": "many"})).status_code == 422
    assert (await program.get(url)).json()["open"]["label"] == "Days"


async def test_who_comes_second_is_told(program):
    run = await begin(program)
    url, rev = f"/api/runs/{run['run']}/answer", run["open"]["rev"]
    assert (await program.post(url, json={"value": 3, "rev": rev})).status_code == 200
    late = await program.post(url, json={"value": 4, "rev": rev})
    assert late.status_code == 409 and late.json()["error"]
    wrong = await program.post(url, json={"value": 4, "step": "note"})
    assert wrong.status_code == 409 and wrong.json()["hint"] == "It waits for Go."


async def test_the_same_client_id_is_the_same_run(program, core):
    first, again = [await begin(program, client_id="program-1") for _ in range(2)]
    assert first["run"] == again["run"] and len(core.runs.list("trip")) == 1


async def test_a_run_is_reverted_undone_locked_and_opened(program):
    run = await begin(program)
    url = f"/api/runs/{run['run']}"
    await program.post(f"{url}/answer", json={"value": 3})
    assert (await program.post(f"{url}/revert", json={"step": "Where"})).json()["open"]["default"] == "Rome"
    assert (await program.post(f"{url}/undo")).json()["open"]["label"] == "Go"
    assert (await program.post(f"{url}/finalise")).json()["locked"] is True
    assert (await program.post(f"{url}/answer", json={"value": True})).status_code == 409
    assert (await program.post(f"{url}/unlock")).json()["locked"] is False
    assert (await program.post(f"{url}/revert", json={"step": "nothing"})).status_code == 404
    assert (await program.post(f"{url}/explode")).status_code == 404


async def test_a_file_is_sent_first_and_belongs_to_its_run(program, core):
    sent = await program.post("/api/workflows/listing/files?client_id=program-2&name=../w%0d.txt", content=b"a bb ccc")
    assert sent.status_code == 201 and sent.json()["name"] == "w.txt"
    value = {"file": sent.json()["file"]}
    assert (await program.post("/api/workflows/listing/runs", json={"value": value})).status_code == 422
    run = await begin(program, "listing", value, client_id="program-2")
    assert run["steps"][0]["value"]["name"] == "w.txt"
    url = f"/api/runs/{run['run']}"
    assert (await program.post(f"{url}/files?name=b.txt", content=b"b")).status_code == 409, "no file is asked for"
    await program.post(f"{url}/revert", json={"step": "list"})
    other = (await program.post(f"{url}/files?name=b.txt", content=b"one two")).json()
    for value in (other, None):
        run = (await program.post(f"{url}/answer", json={"value": value})).json()
    assert run["shown"][1]["rows"] == 2 and run["shown"][1]["table"][0]["word"] == "one"


@pytest.mark.parametrize("method,path,status", [
    ("GET", "/api/workflows/nowhere", 404), ("GET", "/api/runs/nothing", 404), ("GET", "/api/nothing", 404),
    ("GET", "/api", 404), ("POST", "/api/workflows", 405), ("POST", "/api/runs/nothing/answer", 400),
    ("POST", "/api/workflows/listing/files", 400), ("GET", "/api/runs/nothing/exports/x.csv", 404)])
async def test_every_error_is_json_with_a_sentence(program, method, path, status):
    answer = await program.request(method, path)
    if path != "/api":
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["error"] and set(answer.json()) == {"error", "hint", "fields"}
    assert answer.status_code == status


@pytest.mark.parametrize("body,kind,status", [
    (b"value=Rome", "application/x-www-form-urlencoded", 415), (b'{"value": "Rome"}', "text/plain", 415),
    (b"[1]", "application/json", 400), (b"{", "application/json", 400), (b"[" * 100_000, "application/json", 400),
    (b'{"value": "' + b"x" * 1_000_001 + b'"}', "application/json", 413)])
async def test_what_is_no_json_object_is_refused(program, core, body, kind, status):
    answer = await program.post("/api/workflows/trip/runs", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status and core.runs.list("trip") == []


async def test_without_the_token_nothing_is_told_and_nothing_changed(program, core):
    program.headers.pop("Authorization")
    for answer in (await program.get("/api/workflows"),
                   await program.get("/api/workflows", headers={"Authorization": "Bearer wrong"})):
        assert answer.status_code == 401 and answer.json()["hint"]
    cookie = {"Cookie": f"treadle-{core.settings.port}={core.folder.secret('token')}"}
    body = {"value": "Rome"}
    assert (await program.get("/api/workflows", headers=cookie)).status_code == 200
    assert (await program.post("/api/workflows/trip/runs", json=body, headers=cookie)).status_code == 403
    evil = {**cookie, "Origin": "http://evil.test"}
    assert (await program.post("/api/workflows/trip/runs", json=body, headers=evil)).status_code == 403
    assert core.runs.list("trip") == []
    own = {**cookie, "Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}
    assert (await program.post("/api/workflows/trip/runs", json=body, headers=own)).status_code == 201


WORK = """
import asyncio
from pathlib import Path
from treadle import Progress, workflow

@workflow("Work", message="m")
async def work(ui):
    await ui.ask("Name", str)
    done = await ui.each("Tens", [1, 2, 13, 4], ten, name=str)
    return [list(done.ok), [each.error for each in done.failed]]

async def ten(n: int) -> int:
    while n == 4 and not Path(__file__).with_name("go").exists():
        await asyncio.sleep(0.005)
    if n == 13:
        raise ValueError("thirteen")
    return n * 10
"""


async def test_jobs_are_followed_stopped_and_gone_on_with(program, core, settings):
    (settings.plugins / "800_work.py").write_text(WORK)
    await core.plugins.reload()
    run = await begin(program, "work", "Ada")
    url = f"/api/runs/{run['run']}"

    async def opened():
        return (await program.get(url)).json()["open"]

    assert run["open"]["kind"] == "each" and run["open"]["state"] == "running"
    await until(lambda: is_at(opened, 3))
    told = (await opened())["progress"]
    assert (told["done"], told["total"], told["failed"]) == (3, 4, 1)
    assert (await program.post(f"{url}/answer", json={"value": 1})).status_code == 409
    assert (await program.post(f"{url}/stop", json={"step": "Tens"})).json()["open"]["state"] == "stopped"
    (settings.plugins / "go").touch()
    assert (await program.post(f"{url}/go-on", json={"step": "tens"})).status_code == 200
    await until(lambda: is_state(opened, "failed"))
    assert (await opened())["error"] == "1 of 4 failed."
    run = (await program.post(f"{url}/continue", json={"step": "tens"})).json()
    assert run["complete"] and run["result"] == [[10, 20, 40], ["ValueError: thirteen"]]
    assert run["steps"][1]["value"][2] == {"failed": "ValueError: thirteen", "item": 13}


async def is_at(opened, done):
    step = await opened()
    return step["progress"] is not None and step["progress"]["done"] == done


async def is_state(opened, state):
    return (await opened())["state"] == state


async def test_a_run_whose_code_has_changed_waits_for_a_decision(program, core, settings):
    path = settings.plugins / "800_ask.py"
    path.write_text(ASK.format("Colour"))
    await core.plugins.reload()
    run = await begin(program, "ask", "Ada")
    await program.post(f"/api/runs/{run['run']}/answer", json={"value": "red"})
    path.write_text(ASK.format("Shade"))
    await core.plugins.reload()
    run = (await program.get(f"/api/runs/{run['run']}")).json()
    assert run["changed"] is True
    anew = (await program.post(f"/api/runs/{run['run']}/start-anew")).json()
    assert anew["run"] != run["run"] and anew["open"]["label"] == "Shade" and anew["changed"] is False
    assert (await program.get(f"/api/runs/{run['run']}")).json()["locked"] is True


ASK = """
from treadle import workflow

@workflow("Ask", message="m")
async def ask(ui):
    await ui.ask("Name", str)
    await ui.ask("{}", str)
    await ui.ask("Note", str)
"""


async def test_a_workflow_that_fails_says_where(program):
    run = await begin(program, "fails", 0)
    assert run["error"]["line"] and run["error"]["file"].endswith(".py") and run["open"] is None


@pytest.mark.shipped
async def test_the_examples_in_the_documentation_work(program, core):
    text = (ROOT / "docs" / "reference" / "api.md").read_text()
    examples = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
                if line.startswith("curl")]
    assert len(examples) == 22
    kept = {"TREADLE": ADDRESS, "TOKEN": core.folder.secret("cli.token"), "FILE": ""}
    statuses, files = [], dict[str, bytes]()
    for example in examples:
        for name, value in kept.items():
            example = example.replace(f"${name}", value)
        answer = await curl(program, shlex.split(example)[1:], files)
        statuses.append(answer.status_code)
        kept["FILE"] = answer.json()["file"] if b'"file"' in answer.content[:10] else kept["FILE"]
    assert statuses == [200, 200, 201, *[200] * 12, 201, 200, 200, 201, 201, 200, 422]


async def curl(program, words, files):
    """One request as curl would send it. `files`: those it writes and reads."""
    headers, content, method, address, out = {}, None, "GET", "", ""
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word in ("-d", "--data-binary"):
            content, method = words.pop(0).encode(), "POST"
            content = files[content[1:].decode()] if content.startswith(b"@") else content
        elif word == "-o":
            out = words.pop(0)
        elif word == "-X":
            method = words.pop(0)
        else:
            address = word
    answer = await program.request(method, address, content=content, headers=headers)
    files[out] = answer.content
    return answer

ODD = '''
from treadle import workflow


@workflow("Odd", message="m")
async def odd(ui):
    return Broken(await ui.ask("How", str))


class Broken:
    def __init__(self, how):
        self.how = how

    def __iter__(self):
        raise {"exit": SystemExit(3), "zero": ZeroDivisionError("by zero")}[self.how]
'''


@pytest.mark.parametrize(("how", "said"), [("zero", "ZeroDivisionError: by zero"), ("exit", "SystemExit: 3")])
async def test_a_result_that_cannot_be_read_is_the_authors_error(program, core, settings, how, said):
    """Also one that would end the server."""
    (settings.plugins / "odd.py").write_text(ODD)
    core.plugins.load()
    answer = await program.post("/api/workflows/odd/runs", json={"value": how})
    assert (answer.status_code, answer.json()["error"]) == (500, said)
