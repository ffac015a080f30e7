"""What programs, jobs and authors' values may do to the API, the pages and the files: nothing but an error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.harness import serving, until

PLUGINS = '''
from typing import Any
from treadle import Json, Progress, Secret, Table, Ui, Upload, workflow

NUMBERS = {"nan": float("nan"), "inf": float("inf"), "huge": 10 ** 400, "below": -5, "text": "<b>"}


def odd(name: str, progress: Progress) -> Any:
    progress(NUMBERS[name], NUMBERS[name], "\\x1b[31m<script>alert(1)</script>")
    raise ValueError(name)


@workflow("Odd", message="Which?")
async def odd_numbers(ui: Ui) -> None:
    name = await ui.ask("Name", str)
    await ui.job("Job <img src=x onerror=alert(1)>", odd, name)


@workflow("Deep", message="What?")
async def deep(ui: Ui) -> None:
    given = await ui.ask("Given", Json)
    inner: Any = 0
    for _ in range(400):
        inner = [inner]
    ui.show(Table([{"a": float("inf"), "b": float("nan")}]))
    ui.export("all.json", given=given)
    return inner


def told(key: str) -> dict[str, str]:
    print("the key is", key)
    return {"key": key, key: "key"}


@workflow("Takes", message="Which?")
async def takes(ui: Ui) -> None:
    await ui.ask("File", Upload)


@workflow("Says", message="What?")
async def says(ui: Ui) -> None:
    given = await ui.ask("Given", str)
    ui.show(given)
    raise ValueError(given)


@workflow("Told", message="The key?")
async def told_key(ui: Ui) -> None:
    key = await ui.ask("Key", Secret)
    found = await ui.job("Call", told, key)
    ui.show(f"It is {found['key']}", Table([{"key": found["key"]}]))
    for name in ("all.json", "all.csv", "all.md", "all.html", "all.xlsx"):
        ui.export(name, rows=[found])
'''
KEY = 'hunter2-"TOP/secret&xyz'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("programs"), PLUGINS) as server:
        yield server


@pytest.fixture
async def client(server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


async def send(client: httpx.AsyncClient, path: str, body: bytes) -> httpx.Response:
    return await client.post(path, content=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("body", [
    b'{"value":' + b"[" * 900 + b"]" * 900 + b"}", b'{"value":' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
    b'{"value":' + b"[" * 100_000, b'{"value":NaN}', b'{"value":1e999}', b'{"value":' + b"9" * 5_000 + b"}",
    b'{"value":"\\ud800"}', b"[]", b"null", b"\xff\xfe\x00", b'{"value":1,"client_id":"\\ud800aaaaaaaa"}'])
async def test_a_body_made_to_harm_is_refused_and_makes_no_run(client, body):
    before = (await client.get("/api/runs")).json()
    answer = await send(client, "/api/workflows/deep/runs", body)
    assert 400 <= answer.status_code < 500 and answer.json()["error"]
    assert (await client.get("/api/runs")).json() == before


async def test_half_a_character_in_a_name_is_no_failure(client):
    key = (await send(client, "/api/workflows/deep/runs", b'{"value":[1]}')).json()["run"]
    for what in ("answer", "stop", "revert", "go-on", "undo"):
        answer = await send(client, f"/api/runs/{key}/{what}", b'{"value":1,"step":"\\ud800"}')
        assert answer.status_code < 500, what


async def test_an_id_of_a_file_may_be_anything_and_is_none(client):
    for body in (b'{"value":"\\ud800"}', b'{"value":{"file":["\\ud800"]}}', b'{"value":{"file":5}}'):
        assert (await send(client, "/api/workflows/takes/runs", body)).status_code == 422, body


async def test_values_that_json_does_not_hold_are_read_all_the_same(client):
    begun = await send(client, "/api/workflows/deep/runs", b'{"value":[[1]]}')
    assert begun.status_code == 201
    run = begun.json()
    assert run["shown"][0]["table"] == [{"a": None, "b": None}]
    assert (await client.get(run["url"])).status_code == 200


@pytest.mark.parametrize("name", ["nan", "inf", "huge", "below", "text"])
async def test_odd_numbers_of_a_job_harm_no_page(client, server, name):
    key = (await send(client, "/api/workflows/odd_numbers/runs", f'{{"value":"{name}"}}'.encode())).json()["run"]
    for _ in range(3):
        for path in (f"/api/runs/{key}", f"/odd_numbers/{key}", "/runs"):
            found = await client.get(path)
            assert found.status_code == 200
            assert path.startswith("/api") or not ("<script>alert" in found.text or "<img src=x" in found.text)
        await asyncio.sleep(0)


async def test_no_file_that_leaves_the_app_holds_a_secret_even_when_its_author_tells_it(client, server):
    begun = await send(client, "/api/workflows/told_key/runs", json.dumps({"value": KEY}).encode())
    key = begun.json()["run"]

    async def complete() -> bool:
        return bool((await client.get(f"/api/runs/{key}")).json()["complete"])

    await until(complete)
    exports = [f"/api/runs/{key}/exports/all.{kind}" for kind in ("json", "csv", "md", "html")]
    for path in (f"/runs/{key}/file", *exports):
        found = await client.get(path)
        assert found.status_code == 200
        assert "hunter2" not in found.text and "&xyz" not in found.text, path
    saved = await client.get(f"/runs/{key}/file")
    brought = await client.post("/runs/import", files={"value": ("run.html", saved.content, "text/html")})
    assert brought.status_code == 303
    assert "hunter2" not in server.log()


@pytest.mark.parametrize("endpoint", ["deep", "says"])
@pytest.mark.parametrize("value", ['{"file":["a"]}', '{"file":{"file":"a"}}', '{"secret":[]}', '{"form":[]}', "[[1]]",
                                   '{"json":NaN}', '{"json":"\\ud800"}', '{"form":{"a":{"file":[]}}}', '"x"',
                                   '"\\ud800"', "9" * 400])
async def test_a_saved_run_with_values_that_fit_no_field_is_read_compared_and_saved(client, value, endpoint):
    run = {"format": 1, "endpoint": endpoint, "key": "default-deep-77", "title": "<script>alert(1)</script>",
           "named": True, "state": "open", "complete": True, "version": "", "created_at": 1.0, "updated_at": 1.0}
    step = {"label": "Given", "key": "", "slug": "given", "kind": "ask", "state": "done", "value": value, "digest": "",
            "position": 1, "answered_at": 1.0, "created_at": 1.0, "was": "done", "again": 0, "version": "",
            "error": "", "log": "", "started_at": None, "by": "person"}
    lines = ",\n".join(json.dumps(part).replace("<", "\\u003c") for part in ({"run": run}, {"step": step}, {"end": 1}))
    sent = f'<p>\n<script type="application/json" id="treadle-run">\n[\n{lines}\n]\n</script>\n'
    brought = await client.post("/runs/import", files={"value": ("run.html", sent.encode(), "text/html")})
    assert brought.status_code == 303
    at = brought.headers["location"]
    key = at.rpartition("/")[2].partition("?")[0]
    other = (await send(client, "/api/workflows/deep/runs", b'{"value":[1]}')).json()["run"]
    for path in (at, f"/runs/{key}/file", f"/runs/{key}/history", f"/runs/compare?run={key}&run={other}", "/runs",
                 f"/runs/{key}/fork", f"/api/runs/{key}"):
        found = await client.get(path)
        assert found.status_code == 200, path
        assert path.startswith("/api/") or "<script>alert" not in found.text
    for what in ("unlock", "undo", "finalise", "unlock", "go-on", "stop", "revert"):
        answer = await client.post(f"/api/runs/{key}/{what}", json={"step": "given"})
        assert answer.status_code < 500, what
