"""A start that cannot be is one clear sentence, an exit code, and no harm."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import NOWHERE, Server, free_port, same_origin
from treadle.clock import Clock
from treadle.config import ROOT
from treadle.conversation import FIRST, Conversations, Place
from treadle.db import Database
from treadle.feed import Feed


def start(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to end by itself."""
    return subprocess.run([sys.executable, str(ROOT / "server.py"), "--no-open", *args], capture_output=True, text=True,
                          timeout=20, env={**os.environ, "OLLAMA_HOST": NOWHERE, **(env or {})})


def sentence(result: subprocess.CompletedProcess[str]) -> str:
    """The one line it said. AssertionError unless it ended with a code that is not 0."""
    assert result.returncode not in (0, None)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert result.stdout == ""
    return lines[0]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and not path.name.endswith((".db-wal", ".db-shm", ".log"))}


@pytest.fixture(scope="module")
def help_text():
    result = start("--help")
    assert result.returncode == 0
    return result.stdout


@pytest.mark.parametrize("option", [
    "--help", "--port", "--host", "--data", "--open", "--no-open", "--no-token", "--dev", "--demo"])
def test_help_names_every_option(help_text, option):
    assert option in help_text


def test_a_port_in_use_is_said_and_nothing_is_made(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = sentence(start("--port", str(port), "--data", str(tmp_path / "data")))
    assert f"Port {port} on 127.0.0.1 cannot be used" in said and "--port" in said
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("mine")
    said = sentence(start("--port", "0", "--data", str(tmp_path / "file" / "data")))
    assert "cannot be written" in said and "--data" in said
    assert (tmp_path / "file").read_text() == "mine"


def test_a_second_server_on_the_same_folder_is_refused_and_the_first_goes_on(server):
    before = files(server.data)
    said = sentence(start("--port", str(free_port()), "--data", str(server.data)))
    assert f"Another Treadle at {server.address} already uses the data folder" in said
    again = sentence(start("--port", str(server.port), "--data", str(server.data)))
    assert f"Another Treadle at {server.address} already uses" in again, "the same command twice says where it runs"
    assert files(server.data) == before
    assert server.ready()


def test_a_disk_without_room_for_what_a_kill_left_is_said(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    db = Database(data / "treadle.db")
    conversations = Conversations(db, Feed(db), Clock())
    _, reply = conversations.ask(FIRST, "Why?", client_id="c1", place=Place(), waiting=False)
    conversations.write(reply.id, text="w" * 60_000)  # it stays streaming, as after a kill
    db.close()
    said = sentence(subprocess.run(
        ["bash", "-c", 'ulimit -f 40 && exec "$@"', "bash", sys.executable, str(ROOT / "server.py"), "--no-open",
         "--port", "0", "--data", str(data)], capture_output=True, text=True, timeout=20))
    assert "The disk refused to save" in said and "Make room" in said


def test_a_damaged_database_is_said_and_left_as_it_is(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "treadle.db").write_bytes(b"not a database, but somebody's" * 100)
    said = sentence(start("--port", "0", "--data", str(tmp_path / "data")))
    assert "cannot be opened" in said
    assert (tmp_path / "data" / "treadle.db").read_bytes() == b"not a database, but somebody's" * 100


def test_without_a_token_it_listens_on_this_computer_only(tmp_path):
    said = sentence(start("--port", "0", "--host", "0.0.0.0", "--no-token", "--data", str(tmp_path / "data")))
    assert "Without a token" in said
    assert not (tmp_path / "data").exists()


def test_an_address_that_is_not_this_computers_is_said(tmp_path):
    assert "--host" in sentence(start("--port", "0", "--host", "192.0.2.1", "--data", str(tmp_path / "data")))
    assert "--host" in sentence(start("--port", "0", "--host", "no such name", "--data", str(tmp_path / "data")))


@pytest.mark.parametrize("port", ["x", "-1", "65536", "80.5"])
def test_a_port_that_is_none_is_refused(port):
    result = start("--port", port)
    assert result.returncode == 2
    assert "--port" in result.stderr


def test_a_port_of_0_takes_a_free_one_and_says_which(tmp_path):
    with Server(tmp_path, "--port", "0") as server:
        address = json.loads((server.data / "server.json").read_text())["address"]
        assert address != server.address
        assert f"Treadle: {address}/login?token={server.token}" in server.log()


def test_the_link_is_printed_and_the_log_holds_no_token(server):
    assert f"Treadle: {server.address}/login?token={server.token}" in server.log()
    assert server.token not in (server.data / "logs" / "treadle.log").read_text()
    assert (server.data / "logs" / "treadle.log").stat().st_mode & 0o077 == 0
    assert (server.data / "token").stat().st_mode & 0o077 == 0


def test_it_listens_on_this_computer_only(server):
    table = Path("/proc/net/tcp").read_text().splitlines()[1:] + Path("/proc/net/tcp6").read_text().splitlines()[1:]
    listening = [row.split()[1] for row in table if row.split()[3] == "0A"]
    port = f":{server.port:04X}"
    assert [address for address in listening if address.endswith(port)] == [f"0100007F{port}"]


def test_a_restart_keeps_the_token_and_the_epoch(server):
    token = server.token
    server.kill()
    server.restart()
    assert server.token == token


@pytest.mark.parametrize("name", ["WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS"])
def test_i60_settings_meant_for_several_workers_start_one(tmp_path, name):
    with Server(tmp_path, env={name: "2"}) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.request("GET", "/", headers={"Cookie": f"treadle-{server.port}={server.token}",
                                                **same_origin(server.address)})
        assert connection.getresponse().status == 200
        connection.close()
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        assert children.read_text().split() == []


def test_headers_without_end_are_refused(server):
    """SECURITY.md row 34: another parser took 13 MB of headers without an answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        sent = 0
        try:
            connection.sendall(b"GET / HTTP/1.1\r\n")
            while sent < 2_000_000:
                connection.sendall(b"x-header: " + b"x" * 10_000 + b"\r\n")
                sent += 10_012
            answer = connection.recv(100)
        except ConnectionError:
            answer = b""
    assert answer == b"" or b" 400 " in answer
    assert server.ready()


def test_a_forged_host_on_a_real_socket_is_refused(server):
    for host in ("evil.test", f"evil.test:{server.port}", f"0.0.0.0:{server.port}", f"127.0.0.1:{server.port}/x?"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nCookie: treadle-{server.port}={server.token}\r\n"
                               "Sec-Fetch-Site: none\r\nConnection: close\r\n\r\n".encode())
            assert connection.recv(100).split(b" ")[1] in (b"400", b"403")
