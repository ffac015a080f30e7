"""The fake Ollama, as the real client of Ollama sees it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import ollama as client_library
import pytest

from tests.fakes import FakeOllama, Gate, Model, Pull, Script
from tests.harness import free_port, until
from treadle.config import ROOT

ASK = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def fake() -> AsyncIterator[FakeOllama]:
    async with FakeOllama() as server:
        yield server


@pytest.fixture
async def client(fake: FakeOllama) -> AsyncIterator[client_library.AsyncClient]:
    async with client_library.AsyncClient(host=fake.url, trust_env=False) as client:
        yield client


async def words(client: Any, model: str = "qwen3:8b", said: str = "hello") -> list[Any]:
    stream = await client.chat(model, [{"role": "user", "content": said}], stream=True)
    return [part async for part in stream]


async def test_the_client_lists_what_is_installed_and_what_is_loaded(client, fake):
    fake.models["tiny:1b"] = Model(size=1_000_000)
    assert [(m.model, m.size) for m in (await client.list()).models] == [
        ("qwen3:8b", 5_200_000_000), ("tiny:1b", 1_000_000)]
    assert (await client.ps()).models == []
    await words(client)
    assert [m.model for m in (await client.ps()).models] == ["qwen3:8b"]
    assert "completion" in (await client.show("qwen3:8b")).capabilities


async def test_the_client_reads_unique_tokens_and_the_final_statistics(client, fake):
    parts = await words(client, said="n=1200 speed=40")
    assert "".join(p.message.content for p in parts).split() == [f"w{i:05d}" for i in range(1, 1201)]
    assert parts[-1].done and parts[-1].eval_count == 1200 and parts[-1].done_reason == "stop"
    assert parts[-1].eval_count / parts[-1].eval_duration * 1e9 == pytest.approx(40)
    assert fake.chats[0].body["messages"][0]["content"] == "n=1200 speed=40"


async def test_thinking_and_tool_calls_reach_the_client(client, fake):
    fake.script = Script(n=2, think=3, tools=({"name": "start", "arguments": {"name": "hello"}},))
    parts = await words(client)
    assert "".join(p.message.thinking or "" for p in parts).split() == ["t00001", "t00002", "t00003"]
    assert [p.message.tool_calls[0].function.name for p in parts if p.message.tool_calls] == ["start"]


async def test_given_text_comes_in_the_given_chunks(client, fake):
    fake.next(Script(chunks=("a|b", "**c", "** é")), Script(text="abcdef", chunk=2))
    assert [p.message.content for p in await words(client)] == ["a|b", "**c", "** é", ""]
    assert [p.message.content for p in await words(client)] == ["ab", "cd", "ef", ""]


async def test_a_reply_that_is_not_streamed_is_one_answer(client):
    answer = await client.chat("qwen3:8b", [{"role": "user", "content": "n=3"}])
    assert answer.message.content.split() == ["w00001", "w00002", "w00003"]
    assert answer.eval_count == 3


async def test_a_gate_lets_tokens_through_one_by_one(client, fake):
    gate = Gate()
    fake.script = Script(n=5, gate=gate)
    stream = await asyncio.wait_for(_begin(client, gate), 5)
    assert (await anext(stream)).message.content == "w00001 "
    await fake.until(lambda: fake.chats[0].sent == 1)
    gate.open()
    assert len([part async for part in stream]) == 5


async def _begin(client: Any, gate: Gate) -> Any:
    gate.allow()
    return await client.chat("qwen3:8b", ASK, stream=True)


async def test_tokens_keep_their_pace(client):
    began = time.monotonic()
    await words(client, said="n=21 tps=100")
    assert 0.19 < time.monotonic() - began < 1


async def test_thousands_of_tokens_a_second_are_possible(client):
    began = time.monotonic()
    assert len(await words(client, said="n=3000 tps=5000")) == 3001
    assert time.monotonic() - began < 5


async def test_a_client_that_goes_is_noticed_at_once_before_and_after_the_first_token(fake):
    for said in ("ttft=60", "n=5000 tps=20", "endless=1", "stall=3"):
        async with httpx.AsyncClient(trust_env=False) as client:
            body = {"model": "qwen3:8b", "messages": [{"role": "user", "content": said}]}
            count = len(fake.chats)
            task = asyncio.create_task(client.post(f"{fake.url}/api/chat", json=body, timeout=None))
            await fake.until(lambda count=count: len(fake.chats) > count)
            task.cancel()
            left = time.monotonic()
            await fake.until(lambda: fake.chats[-1].client_gone)
            assert fake.chats[-1].client_gone - left < 0.3, said


async def test_faults_break_the_client_as_they_would(client, fake):
    with pytest.raises(httpx.RemoteProtocolError):
        await words(client, said="die=40 n=100")
    assert fake.chats[-1].sent == 40
    with pytest.raises(json.JSONDecodeError):
        await words(client, said="malformed=2")
    with pytest.raises(json.JSONDecodeError):
        await words(client, said="nel=1")
    with pytest.raises(client_library.ResponseError, match="scripted 500") as caught:
        await words(client, said="status=500")
    assert caught.value.status_code == 500
    with pytest.raises(client_library.ResponseError, match="not found") as caught:
        await words(client, model="gone:1b")
    assert caught.value.status_code == 404
    fake.next(Script(n=3, error="out of memory"))
    with pytest.raises(client_library.ResponseError, match="out of memory"):
        await words(client)


async def test_a_huge_line_and_an_end_without_done(client):
    parts = await words(client, said="big=200000 n=2 done=0")
    assert len(parts[0].message.content) == 200_001
    assert not any(part.done for part in parts)


async def test_one_chat_at_a_time_and_a_deaf_model_holds_the_next_one():
    async with FakeOllama(parallel=1) as fake, httpx.AsyncClient(trust_env=False) as client:
        fake.next(Script(endless=True, tps=50, deaf=0.3), Script(n=1))
        body = {"model": "qwen3:8b", "messages": ASK}
        first = asyncio.create_task(client.post(f"{fake.url}/api/chat", json=body))
        await fake.until(lambda: fake.chats and fake.chats[0].sent > 2)
        first.cancel()
        await client.post(f"{fake.url}/api/chat", json=body)
        assert fake.chats[1].ended - fake.chats[0].client_gone >= 0.3


async def test_a_pull_tells_its_progress_and_installs_the_model(client, fake):
    fake.pulls = Pull(total=1000, steps=4)
    lines = [line async for line in await client.pull("new:1b", stream=True)]
    assert [line.completed for line in lines if line.total] == [250, 500, 750, 1000]
    assert lines[-1].status == "success"
    assert "new:1b" in fake.models


async def test_a_stopped_pull_goes_on_from_what_has_come(client, fake):
    gate = Gate()
    fake.pulls = Pull(total=1000, steps=4, gate=gate)
    gate.allow(2)
    stream = await client.pull("new:1b", stream=True)
    while (await anext(stream)).completed != 500:
        pass
    await stream.aclose()
    await fake.until(lambda: fake.requests[-1].client_gone)
    gate.open()
    lines = [line async for line in await client.pull("new:1b", stream=True)]
    assert [line.completed for line in lines if line.total] == [750, 1000]


async def test_unplugged_it_refuses_and_plugged_in_again_it_has_the_same_port_and_models(fake):
    port = fake.port
    async with httpx.AsyncClient(trust_env=False) as client:
        body = {"model": "qwen3:8b", "messages": [{"role": "user", "content": "stall=2"}]}
        hanging = asyncio.create_task(client.post(f"{fake.url}/api/chat", json=body, timeout=5))
        await fake.until(lambda: fake.chats and fake.chats[0].sent == 2)
        await asyncio.to_thread(fake.stop)
        with pytest.raises(httpx.TransportError):
            await hanging
        with pytest.raises(httpx.ConnectError):
            await client.get(fake.url)
        fake.start()
        assert fake.port == port
        assert (await client.get(f"{fake.url}/api/tags")).json()["models"][0]["name"] == "qwen3:8b"


async def test_it_can_be_something_that_is_not_ollama(fake):
    async with httpx.AsyncClient(trust_env=False) as client:
        fake.not_ollama = True
        assert "Router" in (await client.get(f"{fake.url}/api/tags")).text
        fake.not_ollama, fake.tags_status = False, 503
        assert (await client.get(f"{fake.url}/api/tags")).status_code == 503


async def test_it_serves_by_hand():
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.fakes", "--port", str(port), "--n", "2", "--tps", "0"],
                               cwd=ROOT, stdout=subprocess.PIPE)
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            assert str(port).encode() in await asyncio.to_thread(process.stdout.readline)
            body = {"model": "qwen3:8b", "messages": ASK}
            answer = await client.post(f"http://127.0.0.1:{port}/api/chat", json=body)
            assert answer.text.count("\n") == 3
    finally:
        process.kill()
        process.communicate()
    await until(lambda: process.returncode is not None)
