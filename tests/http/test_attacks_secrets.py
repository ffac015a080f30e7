"""Secrets against authors who hand them on: they are in no row, page, answer, export or log, however short."""

# ruff: noqa: F811 - fixtures of other files

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import re
import sqlite3
import zipfile
from urllib.parse import quote

import httpx
import pytest

from tests.harness import serving, until
from tests.http.test_attacks_programs import client  # noqa: F401 - a fixture
from treadle.text import cover

PLUGINS = '''
    """Workflows that tell everybody what they were told in confidence."""
    import asyncio
    import logging
    from functools import partial
    from urllib.parse import quote

    from fasthtml.common import P

    from treadle import Download, Progress, Secret, Table, Ui, workflow


    def tell(key: str, progress: Progress) -> dict:
        print("the key is", key)
        progress(1, 2, f"with {key}")
        return {"key": key, "url": f"https://e.org/?key={quote(key, safe='')}&n=1", key: [f"({key})"], "count": 1234}


    def each(item: int, key: str) -> str:
        if item == 2:
            raise ValueError(f"refused: {key}")
        return f"{item}: {key}"


    def file(key: str) -> bytes:
        return b"<svg>" + key.encode() + b"</svg>"


    @workflow("Tells", message="The key?")
    async def tells(ui: Ui) -> None:
        key = await ui.ask("Key", Secret)
        found = await ui.job("Tell", tell, key)
        rows = await ui.each("Each", [1, 2], partial(each, key=key), failed="keep")
        ui.show(f"It is {key}", Table([found]))
        for name in ("all.json", "all.csv", "all.md", "all.html", "all.xlsx"):
            ui.export(name, rows=[{"key": key, "count": 1234, **found}])
        await ui.approve("Good", f"The key {key}")


    @workflow("Makes", message="The key?")
    async def makes(ui: Ui) -> None:
        key = await ui.ask("Key", Secret)
        await ui.job("Make a file", file, key)


    @workflow("Shows", message="The key?")
    async def shows(ui: Ui) -> None:
        key = await ui.ask("Key", Secret)
        ui.show(Table([{key: key}]), P(key), Download(f"It is {key}.", f"{key}.txt"), Download(key.encode(), "key.bin"))
        ui.export(f"{key}.md", key=key)
        await ui.ask("Name", str, default=f"{key}", help=f"Not {key}")
'''
KEYS = ['hunter2-"TOP/secret&xyz', "1234", "a/b!", "123456789012345"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("telling"), PLUGINS) as server:
        yield server


async def begun(client: httpx.AsyncClient, endpoint: str, secret: str) -> dict:
    """A run of it with this secret, at its next question or its end."""
    started = await client.post(f"/api/workflows/{endpoint}/runs", json={"value": secret})
    key, run = started.json()["run"], {}

    async def settled() -> bool:
        run.update((await client.get(f"/api/runs/{key}")).json())
        return run["complete"] or run["open"]["state"] in ("open", "failed")

    await until(settled)
    return run


@pytest.mark.parametrize("secret", KEYS)
async def test_what_a_workflow_hands_on_of_its_secret_is_kept_and_sent_without_it(client, server, secret):
    run = await begun(client, "tells", secret)
    forms = {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), secret.replace('"', "&quot;")} - {"1234"}
    assert run["steps"][1]["value"]["count"] == 1234  # a number stays one
    assert "[secret]" in json.dumps(run) and run["steps"][1]["value"]["key"] == "[secret]"
    with sqlite3.connect(server.data / "treadle.db") as db:
        rows = [*db.execute("SELECT value, error, details, log FROM steps WHERE run = ?", (run["run"],)),
                *db.execute("SELECT value, error, details, '' FROM items"),
                *db.execute("SELECT text, title, '', '' FROM history JOIN runs ON key = run")]
    texts = [json.dumps(run).replace("1234,", "").replace("1234}", ""), json.dumps(rows).replace(r"\": 1234", "")]
    for kind in ("json", "csv", "md", "html", "xlsx"):
        body = (await client.get(f"/api/runs/{run['run']}/exports/all.{kind}")).content
        if kind == "xlsx":
            with zipfile.ZipFile(io.BytesIO(body)) as book:
                body = b"".join(book.read(name) for name in book.namelist() if "sheet" in name or "Strings" in name)
        assert b"[secret]" in body
        texts.append(body.decode())
    texts.append(server.log())
    for text in texts:
        assert not [form for form in forms if form in text], text
        assert secret != "1234" or not [form for form in ('"1234"', "(1234)", "key=1234") if form in text]


async def test_a_file_that_holds_the_secret_is_refused_with_what_to_do(client, server):
    run = await begun(client, "makes", KEYS[0])
    assert run["open"]["label"] == "Make a file" and run["open"]["state"] == "failed"
    assert run["open"]["error"] == "The file it made holds a secret of this run. Make it without."


@pytest.mark.parametrize("secret", ["q7Zx9K", "hunter2-TOP-secret"])
async def test_the_saved_file_and_the_question_over_http_hold_no_secret_that_is_shown(client, secret):
    run = await begun(client, "shows", secret)
    saved = (await client.get(f"/runs/{run['run']}/file")).text
    packed = [base64.b64decode(body) for body in re.findall(r";base64,([\w+/=]+)", saved)]
    assert len(packed) == 3 and "[secret]" in saved
    assert secret not in saved and not [body for body in packed if secret.encode() in body]
    assert run["open"]["default"] == run["open"]["schema"]["default"] == "[secret]"
    assert secret not in json.dumps(run["open"])


async def test_what_a_step_is_known_by_cannot_be_tried_out_without_the_key_beside_the_secrets(client, server):
    run = await begun(client, "tells", "1234")
    with sqlite3.connect(server.data / "treadle.db") as db:
        kept = dict(db.execute("SELECT label, digest FROM steps WHERE run = ? AND digest != ''", (run["run"],)))
        items = {digest for (digest,) in db.execute("SELECT digest FROM items")}
    unkeyed = hashlib.sha256(json.dumps({"key": "1234"}).encode()).hexdigest()[:32]
    assert set(kept) == {"Tell", "Each", "Good"} and unkeyed not in kept.values()
    around = json.dumps([["item", "item"], ["key", "1234"]])
    plain = hashlib.sha256(json.dumps([around, 1]).encode()).hexdigest()[:32]
    assert items and not any(plain in digest for digest in items)
    assert (server.data / "secrets.key").stat().st_mode & 0o777 == 0o600
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    async with server.client() as again:  # the same key: nothing runs a second time
        after = (await again.get(f"/api/runs/{run['run']}")).json()
    assert (after["open"]["label"], after["steps"]) == ("Good", run["steps"])


def test_short_secrets_are_words_of_their_own_and_long_ones_stand_anywhere():
    assert cover({"a": ["1234", 1234, "x1234", "1234%"]}, ["1234"]) == {"a": ["[secret]", 1234, "x1234", "[secret]%"]}
    assert cover("see ABCDEFGHIJKLmn", ["ABCDEFGHIJKL"]) == "see [secret]mn"
    assert cover("abc", ["abc"]) == "abc"
