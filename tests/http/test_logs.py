"""SECURITY.md row 41: one line per thing that matters, and nothing that belongs to a person."""

from __future__ import annotations

import io
import logging
import sqlite3
import sys

import pytest
from loguru import logger

from tests.fakes import Script
from tests.harness import HX, until
from treadle import logs
from treadle.errors import InvalidAnswer, ModelError


@pytest.fixture
def log(tmp_path, monkeypatch):
    """The log as a server sets it up; gives what stderr and the file hold."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.begin(tmp_path / "logs")
    yield lambda: (stderr.getvalue(), (tmp_path / "logs" / "treadle.log").read_text())
    logger.remove()
    logger.configure(patcher=lambda record: None)
    logging.basicConfig(handlers=[], force=True)
    logger.add(sys.__stderr__)


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:  # noqa: BLE001 - the point of it
        return caught


def test_a_line_is_written_to_stderr_and_to_the_file(log):
    logger.info("Treadle serves {}", "http://127.0.0.1:5001")
    assert log()[0] == log()[1]
    assert log()[0].endswith("Treadle serves http://127.0.0.1:5001\n") and log()[0].count("\n") == 1


def test_only_the_owner_reads_the_file(log, tmp_path):
    logger.info("a line")
    assert (tmp_path / "logs" / "treadle.log").stat().st_mode & 0o777 == 0o600


def test_the_file_rotates_and_old_ones_are_removed(log, tmp_path):
    for _ in range(140):
        logger.info("x" * 100_000)
    sizes = [file.stat().st_size for file in (tmp_path / "logs").iterdir()]
    assert 2 <= len(sizes) <= logs.FILES_KEPT + 1
    assert max(sizes) <= 2_200_000


def test_nothing_written_can_steer_a_terminal_or_begin_a_line(log):
    """What Ollama and authors say comes into lines: escapes, returns and what turns a line around are seen."""
    said = "\x1b[2Jboom\r\n2026-01-01 ERROR forged \x9b31m \u202egpj \x00 \u2028end"
    logger.info("model: {}", said)
    logger.opt(exception=raised(ModelError(said))).error("failed")
    for text in log():
        assert not set("\x1b\r\x9b\u202e\x00\u2028") & set(text)
        assert "boom" in text and "forged" in text
        assert not [line for line in text.splitlines() if line.startswith("2026-01-01")]


def test_a_secret_is_hidden_wherever_it_turns_up(log):
    logs.hide("tok-123")
    logger.info("GET /login?token=tok-123")
    logger.opt(exception=raised(OSError("no such file tok-123"))).error("failed")
    assert "tok-123" not in log()[1]
    assert "GET /login?token=..." in log()[1]


def test_an_exception_is_its_type_and_place_without_its_words(log):
    error = raised(ValueError("my private question"), raised(KeyError("another of my words")))
    logger.opt(exception=error).error("k3f9-22 failed")
    text = log()[1]
    assert "k3f9-22 failed" in text and "ValueError" in text and "KeyError" in text and "test_logs.py:" in text
    assert "private" not in text and "my words" not in text


def test_what_a_person_was_refused_is_not_quoted(log):
    logger.opt(exception=raised(InvalidAnswer("my answer is too long"))).error("failed")
    assert "my answer" not in log()[1]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), sqlite3.OperationalError("disk I/O error"),
                                   ModelError("The model was silent for 60 s.")])
def test_the_words_of_failures_of_the_machine_are_kept(log, error):
    logger.opt(exception=raised(error)).error("failed")
    assert str(error) in log()[1]


def test_braces_in_a_line_are_only_braces(log):
    logger.opt(exception=raised(OSError("{extra} <red>"))).error("failed {}", "{message} <red>")
    assert "{message} <red>" in log()[1] and "{extra} <red>" in log()[1]


def test_what_libraries_log_comes_the_same_way(log):
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("httpx").info("HTTP Request: POST with every word")
    assert "uvicorn.error: Invalid HTTP request received." in log()[0]
    assert "every word" not in log()[0]


FAILS = '''
from treadle import workflow

@workflow("Fails", message="ENDPOINTWORDS")
async def fails(ui):
    name = await ui.ask("Your name", str)
    raise ValueError(name)
'''


async def test_a_day_of_work_leaves_no_word_of_a_person_in_the_log(server, ollama):
    """Questions, answers, uploads, replies, failures, wrong tokens: black box, read back from the file."""
    (server.folder / "plugins").mkdir()
    (server.folder / "plugins" / "010_fails.py").write_text(FAILS)
    server.kill()
    server.env["TREADLE_PLUGINS"] = str(server.folder / "plugins")
    server.restart()
    words = ["QUESTIONWORDS", "ANSWERWORDS", "REPLYWORDS", "PASTEDWORDS", "LINKWORDS", "ENDPOINTWORDS"]

    async with server.client() as client:
        async def page() -> str:
            return (await client.get("/chat/1")).text

        async def ready() -> bool:
            return "qwen3:8b" in (await client.get("/")).text

        await until(ready, within=10)
        long = "REPLYWORDS " * 9
        scripts = [Script(text=long), Script(text=long, malformed=3), Script(text=long, die=3),
                   Script(status=500, error="REPLYWORDS")]
        for number, script in enumerate(scripts):
            ollama.next(script)
            asked = {"text": f"QUESTIONWORDS {number}", "client_id": f"c{number}", "at": "fails"}
            assert (await client.post("/chat/1", data=asked, headers=HX)).status_code == 204

            async def answered() -> bool:
                text = await page()
                return 'aria-busy="true"' not in text and 'class="composer"' in text

            await until(answered, within=10)
        begun = await client.post("/runs/new/fails", data={"value": "ANSWERWORDS"})
        assert begun.status_code == 303
        assert "ANSWERWORDS" in (await client.get(begun.headers["location"])).text
        await client.post("/login", data={"token": "PASTEDWORDS"})
        await client.get("/login", params={"token": "LINKWORDS"})
        await client.post("/redirect/fails", headers=HX)
        shown = await page()
        assert "QUESTIONWORDS" in shown and "REPLYWORDS" in shown
    server.terminate()
    log = (server.data / "logs" / "treadle.log").read_text()
    assert not [word for word in [*words, server.token] if word in log]
    for line in ("Treadle serves", "a sign-in with a wrong token was refused", "Treadle has ended"):
        assert line in log


async def test_a_refused_request_is_one_line_without_its_query_and_cannot_write_a_line_of_its_own(server):
    async with server.client() as client:
        path = "/chat/1%0A2026-01-01%20ERROR%20forged?token=QUERYWORDS"
        await client.post(path, headers={"Origin": "http://evil.test"})
    line = next(line for line in server.log().splitlines() if " refused " in line)
    assert "refused POST" in line and "forged" in line and "Origin is not ours" in line
    assert not [line for line in server.log().splitlines() if line.startswith("2026-01-01")]
    assert "QUERYWORDS" not in server.log()
