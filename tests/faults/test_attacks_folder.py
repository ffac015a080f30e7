"""A data folder that was damaged, shared or prepared: nobody gets in by it, nothing in it that is not ours goes."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import stat
from pathlib import Path

import httpx
import pytest

from tests.faults.test_start import files, sentence, start
from tests.harness import Server, same_origin
from treadle.errors import StartError
from treadle.folder import DataFolder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("left", [b"", b"\n", b"  \t", b"x", b"0123456789"])
def test_what_a_loss_of_power_left_of_a_token_opens_nothing(data, tmp_path, left):
    (data / "token").write_bytes(left)
    with Server(tmp_path) as server, httpx.Client(base_url=server.address, trust_env=False) as client:
        given = left.decode().strip()
        name = f"treadle-{server.port}"
        assert client.get("/", headers={"Cookie": f"{name}={given}"}).status_code == 401
        assert client.get("/", headers={"Authorization": f"Bearer {given}".strip()}).status_code == 401
        answer = client.post("/login", data={"token": given}, headers=same_origin(server.address))
        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
        assert len(server.token) >= 22


@pytest.mark.parametrize("name", ["token", "key"])
def test_a_secret_that_others_could_read_is_made_private(data, name):
    (data / name).write_text("abcdefghijklmnopqrstuv\n")
    (data / name).chmod(0o644)
    folder = DataFolder(data)
    assert folder.secret(name) == "abcdefghijklmnopqrstuv"
    assert stat.S_IMODE((data / name).stat().st_mode) == 0o600
    folder.close()


@pytest.mark.parametrize("left", [b"\xff\xfe\x00" * 9, None], ids=["no text", "a folder"])
def test_a_secret_that_cannot_be_read_is_said(data, left):
    (data / "token").mkdir() if left is None else (data / "token").write_bytes(left)
    folder = DataFolder(data)
    with pytest.raises(StartError, match="token"):
        folder.secret("token")
    folder.close()


def test_a_new_folder_is_its_owners_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        folder = DataFolder(tmp_path / "new")
        folder.secret("token")
        folder.announce(address="x")
    finally:
        os.umask(before)
    for path in [tmp_path / "new", *(tmp_path / "new").iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    folder.close()


def test_a_folder_of_old_that_others_could_look_into_is_closed(data):
    for name in ("code", "files", "logs"):
        (data / name).mkdir()
        (data / name).chmod(0o755)
    DataFolder(data).close()
    assert {stat.S_IMODE((data / name).stat().st_mode) for name in ("code", "files", "logs")} == {0o700}


def test_files_of_somebody_else_in_the_folder_are_left_alone(data, tmp_path):
    """`--data .` in a folder that has a `files` of its own."""
    mine = tmp_path / "documents"
    mine.mkdir()
    (mine / "thesis.docx").write_text("years of work")
    (data / "files").mkdir()
    (data / "files" / "notes.txt").write_text("mine")
    (data / "files" / "letters").mkdir()
    (data / "files" / "letters" / "one.txt").write_text("mine")
    (data / "files" / ("0" * 32)).write_text("an upload nobody knows")
    (data / "files" / ("1" * 32 + ".partial")).write_text("half an upload")
    os.symlink(mine, data / "files" / "link")
    with Server(tmp_path):
        left = sorted(path.name for path in (data / "files").iterdir())
    assert left == ["letters", "link", "notes.txt"]
    assert (mine / "thesis.docx").read_text() == "years of work"


def test_a_folder_of_uploads_that_is_a_link_loses_nothing_but_uploads(data, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "photo.jpg").write_text("mine")
    os.symlink(elsewhere, data / "files")
    with Server(tmp_path):
        assert (elsewhere / "photo.jpg").read_text() == "mine"


@pytest.mark.parametrize("text", ["[1]", "5", "{", '{"address": 7}', '{"address": "\\u001b[31mhttp://evil.test\\n"}'])
def test_a_note_of_where_it_runs_that_is_none_is_not_repeated(data, text):
    folder = DataFolder(data)
    (data / "server.json").write_text(text)
    with pytest.raises(StartError, match="already uses") as refused:
        DataFolder(data)
    assert refused.value.message.isprintable() and "evil" not in refused.value.message
    folder.close()


def test_a_database_without_our_tables_is_said_and_left_as_it_is(data):
    connection = sqlite3.connect(data / "treadle.db")
    connection.execute("CREATE TABLE x (a)")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    before = files(data)["treadle.db"]
    said = sentence(start("--port", "0", "--data", str(data)))
    assert "treadle.db" in said and "left as it is" in said
    assert files(data)["treadle.db"][:16] == before[:16]


def test_a_full_disk_is_said_wherever_something_is_saved(data, tmp_path):
    """With a limit for the size of a file, which looks like the end of the disk; no answer is a failure unnamed."""
    server = Server(tmp_path)
    server.data.mkdir(exist_ok=True)
    with server, httpx.Client(base_url=server.address, headers=same_origin(server.address), cookies=server.cookies,
                              trust_env=False) as client:
        run = client.post("/runs/new/hello", data={"value": "Ada", "client_id": "abcdefgh"}).headers["location"]
        key = run.rpartition("/")[2]
        size = max(path.stat().st_size for path in server.data.glob("treadle.db*"))
        assert server.process is not None
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        posts = {"/redirect/url_counts": {}, "/chat/1": {"text": "Why? " * 15_000, "client_id": "c1"},
                 "/runs/new/hello": {"value": "Grace", "client_id": "abcdefg2"}, f"/runs/{key}/revert/name": {},
                 f"/runs/{key}/finalise": {}, "/model/address": {"address": "127.0.0.1:9"}}
        for path, form in posts.items():
            answer = client.post(path, data=form, headers={"HX-Request": "true"})
            assert answer.status_code < 500 or answer.status_code == 507, (path, answer.status_code)
            if path in ("/redirect/url_counts", "/chat/1"):
                assert answer.status_code == 507, path
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert client.post("/chat/1", data={"text": "Why?", "client_id": "c2"}).status_code == 303
        assert json.loads((server.data / "server.json").read_text())["address"] == server.address
