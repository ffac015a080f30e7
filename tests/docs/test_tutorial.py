"""The tutorial, played from its first line to its last: every command is run, and the kill is one."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.docs.blocks import DOCS, author_lines, blocks, save
from tests.harness import NOWHERE
from treadle.config import ROOT

TUTORIAL = DOCS / "tutorial" / "your-first-workflow.md"
LINKS, HELD = 20, 9  # links on the page; from which on they are not answered until the test lets them


class Site(BaseHTTPRequestHandler):
    """A page of links; `asked` lists what was fetched."""

    asked: list[str] = []
    gate = threading.Event()
    held = threading.Event()

    def do_GET(self):
        self.asked.append(self.path)
        if self.path == f"/{HELD:02}":
            self.held.set()
        if self.path != "/" and int(self.path[1:]) >= HELD:
            self.gate.wait(20)
        body = "".join(f'<a href="/{n:02}">{n}</a>' for n in range(1, LINKS + 1)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):  # who asked was killed
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        Site.gate.set()
        server.shutdown()
        thread.join()


def test_the_first_ten_lines_are_a_whole_plugin(run, tmp_path, monkeypatch):
    first = blocks(TUTORIAL)[0]
    assert first.code.count("\n") == 10
    monkeypatch.setenv("TREADLE_PLUGINS", str(save(first, tmp_path)))
    r = run("greeting", answers={"Your name": "*Ada*", "Greeting": True})
    assert r.shown == [r"Hello, **\*Ada\***."] and r.exports["greeting.json"] == {"name": "*Ada*"}
    assert run("greeting", answers={"Your name": "Ada", "Greeting": False}).shown == []


def test_a_hello_has_at_most_8_and_a_link_check_at_most_12_lines():
    hello, *rest = [block for block in blocks(TUTORIAL) if block.language == "python"]
    told = TUTORIAL.read_text()
    assert author_lines(hello.code) <= 8 and f"You wrote {author_lines(hello.code)} lines" in told
    assert author_lines(rest[-1].code) <= 12 and f"whole workflow: {author_lines(rest[-1].code)} lines" in told
    readme = [block for block in blocks(ROOT / "README.md") if block.language == "python"]
    assert max(author_lines(block.code) for block in readme) <= 8


def test_every_command_is_run_and_what_was_killed_goes_on(site, tmp_path):
    """The run is killed while links are under way; its key brings it to the end, and no link is fetched twice that
    had an answer. Then the file is saved with a table, which stands in the old run without any work."""
    plugins = blocks(TUTORIAL)
    first_command = next(block.number for block in plugins if block.language == "sh")
    folder = save(plugins[first_command - 2], tmp_path)
    env = {**os.environ, "TREADLE_PLUGINS": str(folder), "OLLAMA_HOST": NOWHERE}

    def command(line):
        words = shlex.split(line.replace("https://example.org/", site))
        assert words[:2] == ["python", "server.py"]
        return subprocess.Popen([sys.executable, ROOT / "server.py", "--data", tmp_path / "data", *words[2:]], env=env,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
                                stdin=subprocess.DEVNULL)

    begin, go_on, *others = [line for block in plugins if block.language == "sh" for line in block.code.splitlines()]
    killed = command(begin)
    assert Site.held.wait(20)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before = list(Site.asked)
    Site.gate.set()
    ended = command(go_on)
    out, _ = ended.communicate(timeout=30)
    assert ended.returncode == 0, out
    assert "20 links work, 0 do not." in out
    again = [path for path in Site.asked[len(before):] if path in before]
    assert before.count("/") == 1 and "/" not in again, "the page itself was fetched once"
    assert set(Site.asked) == {"/", *(f"/{n:02}" for n in range(1, LINKS + 1))}
    assert len(again) <= 4
    fetched = len(Site.asked)
    last = [block for block in plugins if block.language == "python"][-1]
    (folder / last.file).write_text(last.code)
    out, _ = command(go_on).communicate(timeout=30)
    assert f"{site}20  200" in out, out
    assert len(Site.asked) == fetched
    for line in others:
        ended = command(line)
        out, _ = ended.communicate(timeout=60)
        assert (line, ended.returncode) == (line, 0), out
    assert "2 passed" in out
