"""The server is killed while a reply comes."""

from __future__ import annotations

import asyncio
import random
import re
import time
from contextlib import suppress

import httpx

from tests.harness import HX, Server, soak, until

WORD = re.compile(rb"w\d{5}")
REPLY = re.compile(r'<article class="msg assistant".*?</article>', re.S)


class Watcher:
    """A viewer that notes which words it has been shown."""

    def __init__(self, server: Server) -> None:
        self.seen: set[str] = set()
        self._server = server
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        async with self._server.client() as client:
            page = (await client.get("/")).text
            path = re.search(r'hx-sse-connect="([^"]+)"', page)[1].replace("&amp;", "&")
            async with client.stream("GET", path) as stream:
                tail = b""
                async for chunk in stream.aiter_raw():
                    tail += chunk
                    self.seen |= {word.decode() for word in WORD.findall(tail)}
                    tail = tail[-6:]

    async def end(self) -> set[str]:
        """What it was shown until its server was gone."""
        with suppress(httpx.HTTPError):
            await self._task
        return self.seen


async def last_reply(server: Server) -> tuple[str, list[str]]:
    """The last reply of the page without JavaScript, and its words."""
    async with server.client() as client:
        page = (await client.get("/chat/1")).text
    reply = REPLY.findall(page)[-1]
    return page if 'http-equiv="refresh"' in page else reply, re.findall(r"w\d{5}", reply)


async def test_i56_a_killed_server_keeps_every_word_it_has_shown_and_says_that_it_was_interrupted(server, ollama):
    """All that was shown, not only what was a second ago: a piece is committed before anybody sees it."""
    for round_ in range(soak(4, 200)):
        question, before = f"n=4000 tps={random.choice((20, 200, 1_000))}", len(ollama.chats)
        watcher = Watcher(server)
        async with server.client() as client:
            sent = await client.post("/chat/1", headers=HX, data={"text": question, "client_id": f"a{round_}"})
            assert sent.status_code == 204
            await until(lambda: len(ollama.chats) > before)  # noqa: B023 - awaited here
            if round_ % 4:  # sometimes at once, before there is a word
                await until(lambda: watcher.seen)  # noqa: B023
            kill_at = time.monotonic() + random.uniform(0, 1)
            await until(lambda: time.monotonic() > kill_at)  # noqa: B023 - the instant is random, which is the point
        await asyncio.to_thread(server.kill)
        seen = await watcher.end()
        await asyncio.to_thread(server.restart)
        reply, words = await last_reply(server)
        assert "The server restarted during this reply." in reply and "Retry" in reply
        assert 'http-equiv="refresh"' not in reply and "aria-busy" not in reply
        assert words == [f"w{number:05d}" for number in range(1, len(words) + 1)]
        assert seen <= set(words)
        await ask_again(server, f"b{round_}")


async def ask_again(server: Server, client_id: str) -> None:
    """The next question is taken and answered."""
    async with server.client() as client:
        sent = await client.post("/chat/1", headers=HX, data={"text": "n=3", "client_id": client_id})
        assert sent.status_code == 204
        async with asyncio.timeout(10):
            while (await last_reply(server))[1] != ["w00001", "w00002", "w00003"]:
                pass
