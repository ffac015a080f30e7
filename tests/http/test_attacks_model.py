"""A model's server that is hostile or broken, byte by byte: pages stay, the watcher lives, nothing is stuck."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.harness import HX, Server, until
from treadle.core import Core

FINE = {"models": [{"name": "fine:1b", "size": 5_000_000_000, "details": {"family": "x"}}]}
HUGE = 10 ** 400


def whole(body: Any, *, status: str = "200 OK", more: str = "") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n{more}Connection: close\r\n\r\n".encode() + data


def lines(*found: Any) -> bytes:
    data = b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in found)
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + data


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "fine:1b", "created_at": "2026-11-21T12:00:00Z", "done": False,
            "message": {"role": "assistant", "content": text}} | more


END = said("", done=True, done_reason="stop", eval_count=5, eval_duration=1_000_000_000)


@dataclass
class Raw:
    """A server that answers each path with exactly these bytes; an endless one is a list of one piece."""

    answers: dict[str, bytes | list[bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    serving: set[Any] = field(default_factory=set)
    address: str = ""

    async def close(self, server: asyncio.Server) -> None:
        server.close()
        for task in list(self.serving):
            task.cancel()
        await asyncio.gather(*self.serving, return_exceptions=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(task := asyncio.current_task())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1]
            self.asked.append(path)
            answer = self.answers.get(path, whole(FINE if path in ("/api/tags", "/api/ps") else {"error": "none"}))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                first, again = answer
                writer.write(first)
                while True:
                    writer.write(again)
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self.serving.discard(task)
            writer.close()


@pytest.fixture
async def ollama() -> AsyncIterator[Raw]:
    """In a thread of its own, so that a flood comes as fast as from another process."""
    raw, loop = Raw(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def there(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(5)

    server = there(asyncio.start_server(raw.serve, "127.0.0.1", 0))
    raw.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield raw
    there(raw.close(server))
    loop.call_soon_threadsafe(loop.stop)
    await asyncio.to_thread(thread.join)
    loop.close()


@pytest.fixture
async def ready(client: httpx.AsyncClient, core: Core, ollama: Raw) -> Core:
    await until(lambda: core.llm.status.ready)
    return core


def row(core: Core) -> Any:
    return next(message for message in reversed(core.conversations.messages(1)) if message.role == "assistant")


async def replied(core: Core, client: httpx.AsyncClient, **kept: Any) -> Any:
    assert (await client.post("/chat/1", data={"text": "Why?"}, headers=HX)).status_code == 204
    await until(lambda: not core.conversations.active(1))
    return row(core)


ODD = {
    "nested": b"[" * 200_000, "an object nested": b'{"models":' * 50_000, "null": b"null",
    "no UTF-8": b'{"models":"\xff"}', "a page": b"<!doctype html>",
    "more digits than int takes": b'{"models":[{"name":"x","size":' + b"9" * 5_000 + b"}]}",
    "odd entries": b'{"models":[1,null,[],{"name":5},{"name":{}},{"name":"ok","details":{"family":[]}}]}',
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
async def test_an_odd_list_of_models_leaves_the_pages_and_the_watcher_alive(ready, client, ollama, body):
    ollama.answers["/api/tags"] = whole(body)
    await ready.llm.check()
    assert (await client.get("/")).status_code == 200
    del ollama.answers["/api/tags"]
    ready.llm.check_soon()
    await until(lambda: ready.llm.status.ready and ready.llm.status.chosen == "fine:1b")


@pytest.mark.parametrize("size", [HUGE, -5, True, "5", None, 1.5, [], 2 ** 70])
async def test_a_size_that_is_none_is_drawn_all_the_same(ready, client, ollama, size):
    ollama.answers["/api/tags"] = whole({"models": [{"name": "odd:1b", "size": size}]})
    await ready.llm.check()
    page = await client.get("/")
    assert page.status_code == 200 and "odd:1b" in page.text
    assert "inf" not in page.text.partition('id="model-menu"')[2][:600] and "-0 MB" not in page.text


@pytest.mark.parametrize("name", [
    "evil\x1b[31m", "evil\u202egpj", "evil\x00", "evil\r\nSet-Cookie: a=b", "e\u200bvil", "evil\ud800",
    "evil\U000e0041", "e" * 3_000_000, "", " "])
async def test_a_name_that_would_spoof_or_flood_is_no_model(ready, client, ollama, name):
    ollama.answers["/api/tags"] = whole({"models": [{"name": name, "size": 5}, *FINE["models"]]})
    await ready.llm.check()
    assert [model.name for model in ready.llm.status.models] == ["fine:1b"]
    page = await client.get("/")
    assert page.status_code == 200 and "evil" not in page.text and len(page.content) < 100_000


async def test_a_list_of_models_without_end_costs_no_page(ready, client, ollama):
    ollama.answers["/api/tags"] = whole({"models": [{"name": f"m{n}", "size": 5} for n in range(60_000)]})
    await ready.llm.check()
    began = time.monotonic()
    page = await client.get("/")
    assert page.status_code == 200 and len(page.content) < 500_000
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("answer", [
    whole(b"", status="302 Found", more="Location: /api/chat\r\n"),
    whole(gzip.compress(b'{"models":[]}' + b" " * 10_000_000), more="Content-Encoding: gzip\r\n"),
    b"\x00\xff" * 500, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    [b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1_000], [b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536],
], ids=["a redirect", "gzip", "garbage", "a chunk that is none", "headers", "a body"])
async def test_an_answer_without_sense_or_end_is_a_wrong_address_and_follows_nothing(ready, client, ollama, answer):
    ollama.answers["/api/tags"] = answer
    await ready.llm.check()
    assert ready.llm.status.kind == "wrong_address"
    assert "/api/chat" not in ollama.asked
    assert (await client.get("/")).status_code == 200


# -- replies


@pytest.mark.parametrize("numbers", [
    {"eval_count": HUGE, "eval_duration": 1}, {"eval_count": 10 ** 300, "eval_duration": 1},
    {"eval_count": -5, "eval_duration": 1}, {"eval_count": 5, "eval_duration": HUGE}, {"eval_count": "x"},
    {"done_reason": ["length"]}, {"done_reason": "x" * 100_000}])
async def test_odd_statistics_do_not_undo_a_reply(ready, client, ollama, numbers):
    ollama.answers["/api/chat"] = lines(said("Because."), END | numbers)
    reply = await replied(ready, client)
    assert (reply.state, reply.text) == ("done", "Because.")
    assert reply.tokens_per_s is None or 0 < reply.tokens_per_s < 1e6


@pytest.mark.parametrize("answer", [
    lines(b"[" * 200_000), lines(b"5"), lines({"message": "x"}), lines(b'{"message":'),
    whole(b"[" * 15_000, status="500 Oops"), whole({"error": "x" * 100_000}, status="404 Not Found"),
    whole(b"", status="307 Temporary Redirect", more="Location: /api/tags\r\n"),
    whole(gzip.compress(b"0" * 10_000_000), more="Content-Encoding: gzip\r\n"),
    whole(gzip.compress(gzip.compress(b"0" * 10_000_000)), more="Content-Encoding: gzip, gzip\r\n"),
    [b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1_000], [b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536], b"", b"\xff\x00" * 99,
])
async def test_a_reply_without_sense_ends_with_one_sentence_and_the_next_one_works(ready, client, ollama, answer):
    ollama.answers["/api/chat"] = answer
    reply = await replied(ready, client)
    assert reply.state == "failed" and 10 < len(reply.error) < 500
    assert "Treadle failed" not in reply.error
    ollama.answers["/api/chat"] = lines(said("Because."), END)
    await ready.llm.check()
    assert (await replied(ready, client)).text == "Because."


async def test_what_a_model_says_of_its_failure_cannot_write_a_line_or_turn_one_around(ready, client, ollama):
    ollama.answers["/api/chat"] = lines({"error": "\x1b[2Jboom\r\n2026-11-21 FAKE LINE \u202e\x00<b>"})
    reply = await replied(ready, client)
    page = (await client.get("/")).text
    assert reply.state == "failed" and "FAKE LINE" in page
    assert not set("\x1b\u202e\x00") & set(page) and "<b>" not in page.partition('id="log-items"')[2]


@pytest.mark.parametrize("path,head,again", [
    ("/api/tags", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ("/api/tags", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ("/api/chat", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n\n\r\n"),
], ids=["a list of bytes", "answers before the answer", "a reply of line ends"])
async def test_a_flood_of_tiny_pieces_leaves_pages_quick(tmp_path, ollama, path, head, again):
    server = Server(tmp_path, ollama=ollama.address)
    await asyncio.to_thread(server.start)
    try:
        async with server.client() as client:
            await until(lambda: "/api/tags" in ollama.asked)
            ollama.answers[path] = [head, again * 10_000]
            asked = len(ollama.asked)
            await client.post("/chat/1", data={"text": "Why?"}, headers=HX)
            await until(lambda: path in ollama.asked[asked:])
            took = []
            while len(took) < 10:
                began = time.monotonic()
                assert (await client.get("/hello")).status_code == 200
                took.append(time.monotonic() - began)
            assert sorted(took)[-2] < 0.3, took
    finally:
        await asyncio.to_thread(server.kill)


# -- downloads


PROGRESS = {
    "huge": [{"status": "p", "digest": "d", "total": HUGE, "completed": 5}],
    "negative": [{"status": "p", "digest": "d", "total": -5, "completed": -9}],
    "texts": [{"status": "p", "digest": "d", "total": "100", "completed": "5"}],
    "without end": [b'{"status":"p","digest":"d","total":1e999,"completed":1}'],
    "more than all": [{"status": "p", "digest": "d", "total": 5, "completed": 10 ** 300}],
    "nested": [b"[" * 200_000], "an error": [{"error": "\x1b[2Jboom\r\nFAKE"}],
}


@pytest.mark.parametrize("progress", PROGRESS.values(), ids=PROGRESS)
async def test_an_odd_download_draws_its_page_ends_and_may_be_tried_again(ready, client, ollama, progress):
    ollama.answers["/api/pull"] = lines(*progress)
    seen = []
    assert (await client.post("/model/pull", data={"model": "x:1b"}, headers=HX)).status_code == 204

    async def ended() -> bool:
        seen.append((await client.get("/")).status_code)
        return ready.llm.status.pull is None

    await until(ended)
    assert set(seen) == {200}
    assert (await client.post("/model/pull", data={"model": "x:1b"}, headers=HX)).status_code == 204
    await until(lambda: ready.llm.status.pull is None)


async def test_a_refusal_nested_without_end_leaves_no_download_behind(ready, client, ollama):
    ollama.answers["/api/pull"] = whole(b"[" * 15_000, status="404 Not Found")
    for _ in range(2):
        assert (await client.post("/model/pull", data={"model": "x:1b"}, headers=HX)).status_code == 204
        await until(lambda: ready.llm.status.pull is None)


async def test_a_download_of_a_hundred_thousand_layers_leaves_the_loop_to_others(ready, client, ollama):
    ollama.answers["/api/pull"] = lines(*({"status": "p", "digest": f"d{n}", "total": 5, "completed": 1}
                                          for n in range(20_000)))
    began = time.monotonic()
    await client.post("/model/pull", data={"model": "x:1b"}, headers=HX)
    await until(lambda: ready.llm.status.pull is None, within=10)
    assert time.monotonic() - began < 5
