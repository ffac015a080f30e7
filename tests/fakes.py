"""A fake Ollama: a real HTTP server on a real socket, in a thread of its own, scripted down to the byte.

    with FakeOllama() as fake:                      # or `async with`, or start() and stop()
        fake.script = Script(n=200, tps=20)         # for every chat
        fake.models["slow:1b"] = Model(script=Script(ttft=8))
        fake.next(Script(die=40))                   # for the next chat only
        ... ask with the text "n=50 tps=100" ...    # or in the question itself
        fake.wait(lambda: fake.chats[-1].client_gone)

By hand: `python -m tests.fakes --port 11434 --tps 30`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Self

from tests.fake_scripts import FOREVER, KINDS, MARKDOWN, Gate, Model, Pull, Reply, Script
from tests.fake_wire import Connection, Gone, Request

__all__ = ["MARKDOWN", "FakeOllama", "Gate", "Model", "Pull", "Request", "Script"]


class FakeOllama:
    """The server. Safe to look at and to change from any thread; `stop` and `start` keep the port and the models."""

    def __init__(self, models: dict[str, Model] | None = None, *, port: int = 0, parallel: int = 0) -> None:
        """`models`: one, qwen3:8b, unless given. `parallel`: chats at a time, the others wait; 0: any number."""
        self.models = {"qwen3:8b": Model()} if models is None else models
        self.script, self.pulls = Script(), Pull()
        self.port, self.parallel = port, parallel
        self.not_ollama: bool | bytes = False  # answers everything with a page of something else, or with these bytes
        self.silent = False        # takes connections and says nothing
        self.tags_status = 200
        self.requests: list[Request] = []
        self.partial: dict[str, int] = {}  # bytes of stopped downloads
        self.loaded: list[str] = []
        self._next: deque[Script] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._connections: set[asyncio.Task[None]] = set()

    # --- from the test ---

    @property
    def url(self) -> str:
        """Where it listens: http://127.0.0.1:port."""
        return f"http://127.0.0.1:{self.port}"

    address = url

    @property
    def chats(self) -> list[Request]:
        """The requests for a reply, in the order in which they came."""
        return [request for request in self.requests if request.path == "/api/chat"]

    def next(self, *scripts: Script) -> None:
        """The scripts of the next chats, one each, before any other."""
        self._next.extend(scripts)

    def wait(self, condition: Callable[[], Any], *, within: float = 5) -> Any:
        """Wait in this thread until `condition` is true; return its result. `within`: seconds, then AssertionError."""
        end = time.monotonic() + within
        with self._changed:
            while not (result := condition()):
                assert time.monotonic() < end, f"not within {within} s; requests: {self.requests}"
                self._changed.wait(0.01)  # woken by requests and their end; tokens are looked at
        return result

    async def until(self, condition: Callable[[], Any], *, within: float = 5) -> Any:
        """`wait` for code on an event loop."""
        return await asyncio.to_thread(self.wait, condition, within=within)

    def start(self) -> Self:
        """Listen. The first start takes a free port unless one was given, later ones the same."""
        assert self._thread is None
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        ready = threading.Event()
        work = self._run(listener, ready)
        self._thread = threading.Thread(target=asyncio.run, args=(work,), name="ollama", daemon=True)
        self._thread.start()
        assert ready.wait(5)
        return self

    def stop(self) -> None:
        """Cut every connection and stop listening, as if the plug were pulled."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(5)
            assert not self._thread.is_alive()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    # --- in its own thread ---

    async def _run(self, listener: socket.socket, ready: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._slots = asyncio.Semaphore(self.parallel or 1_000_000)
        server = await asyncio.start_server(self._serve, sock=listener, backlog=512)
        ready.set()
        await self._end.wait()
        server.close()
        for _ in range(3):
            await asyncio.sleep(0)  # what was accepted at the last moment begins, or nobody would close it
        while self._connections:
            for task in list(self._connections):
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close after what aborted them

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        connection = Connection(reader, writer)
        try:
            while (request := await connection.request()) is not None:
                with self._changed:
                    self.requests.append(request)
                    self._changed.notify_all()
                try:
                    await self._answer(connection, request)
                except Gone:
                    with self._changed:
                        request.client_gone = request.client_gone or time.monotonic()
                    return
                finally:
                    with self._changed:
                        request.ended = time.monotonic()
                        self._changed.notify_all()
        except (OSError, asyncio.CancelledError):
            return  # the plug was pulled, by one side or the other
        finally:
            self._connections.discard(task)
            connection.abort()

    async def _answer(self, connection: Connection, request: Request) -> None:
        if self.silent:
            await connection.pause(FOREVER)
        if self.not_ollama:
            page = self.not_ollama if isinstance(self.not_ollama, bytes) else b"<!doctype html><title>Router</title>"
            return await connection.send(200, page, kind="text/html")
        body = request.body
        match request.method, request.path:
            case "GET" | "HEAD", "/":
                await connection.send(200, b"Ollama is running", kind="text/plain; charset=utf-8")
            case "GET", "/api/version":
                await connection.json(200, {"version": "0.12.6"})
            case "GET", "/api/tags" if self.tags_status != 200:
                await connection.json(self.tags_status, {"error": "scripted"})
            case "GET", "/api/tags":
                await connection.json(200, {"models": [self._entry(name) for name in self.models]})
            case "GET", "/api/ps":
                loaded = [name for name in self.loaded if name in self.models]
                await connection.json(200, {"models": [
                    self._entry(name) | {"expires_at": "2030-01-01T00:00:00Z", "size_vram": self.models[name].size,
                                         "context_length": 8192} for name in loaded]})
            case "POST", "/api/show" if (name := _name(body)) in self.models:
                await connection.json(200, {"details": self._entry(name)["details"], "template": "", "modelfile": "",
                                            "model_info": {"general.architecture": self.models[name].family},
                                            "capabilities": ["completion", "tools", "thinking"]})
            case "POST", "/api/chat" if _name(body) in self.models:
                await self._chat(connection, request)
            case "POST", "/api/pull":
                await self._pull(connection, _name(body))
            case "POST", "/api/show" | "/api/chat":
                await connection.json(404, {"error": f"model '{_name(body)}' not found"})
            case _:
                await connection.send(404, b"404 page not found", kind="text/plain")

    def _entry(self, name: str) -> dict[str, Any]:
        model = self.models[name]
        details = {"parent_model": "", "format": "gguf", "family": model.family, "families": [model.family],
                   "parameter_size": "8.2B", "quantization_level": "Q4_K_M"}
        return {"name": name, "model": name, "modified_at": "2026-11-01T09:00:00.123456789+01:00", "size": model.size,
                "digest": f"{abs(hash(name)):064x}", "details": details}

    def _script(self, body: dict[str, Any]) -> Script:
        if self._next:
            return self._next.popleft()
        said = str((body.get("messages") or [{}])[-1].get("content", ""))
        return (self.models[_name(body)].script or self.script).directed(said)

    async def _chat(self, connection: Connection, request: Request) -> None:
        script, model = self._script(request.body), _name(request.body)
        async with self._slots:
            try:
                await Reply(connection, request, script, model, self.loaded).run()
            except Gone:
                if script.deaf:
                    with self._changed:
                        request.client_gone = time.monotonic()
                        self._changed.notify_all()
                    await asyncio.sleep(script.deaf)
                raise

    async def _pull(self, connection: Connection, name: str) -> None:
        pull = self.pulls
        await connection.begin()
        await connection.line({"status": "pulling manifest"})
        done = self.partial.get(name, 0)
        step = -(-pull.total // pull.steps)
        for number in range(pull.steps):
            if number == pull.stall:
                await connection.pause(FOREVER)
            if pull.gate is not None:
                await pull.gate.passed(connection)
            await connection.pause(pull.delay)
            done = self.partial[name] = min(pull.total, done + step)
            await connection.line({"status": "pulling 1a2b3c", "digest": "sha256:1a2b3c", "total": pull.total,
                                   "completed": done})
            if done == pull.total:
                break
        if pull.error:
            await connection.line({"error": pull.error})
        else:
            for status in ("verifying sha256 digest", "writing manifest"):
                await connection.line({"status": status})
            self.models[name] = Model(size=pull.total)
            del self.partial[name]
            await connection.line({"status": "success"})
        await connection.end()


def _name(body: dict[str, Any]) -> str:
    return str(body.get("model") or body.get("name") or "")


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A fake Ollama for trying Treadle without a model.")
    parser.add_argument("--port", type=int, default=11434)
    parser.add_argument("--no-model", action="store_true", help="nothing is pulled yet")
    for each in fields(Script):
        if each.type in ("int", "float"):
            parser.add_argument(f"--{each.name}", type=KINDS[each.type], default=30 if each.name == "tps" else None)
    given = vars(parser.parse_args())
    fake = FakeOllama({} if given.pop("no_model") else None, port=given.pop("port"))
    script = {name: value for name, value in given.items() if value is not None}
    fake.script, fake.pulls = Script(**script, text="" if "n" in script else MARKDOWN), Pull(delay=0.5)
    with fake, contextlib.suppress(KeyboardInterrupt):
        print(f"fake Ollama at {fake.url}; in a question: n=50 tps=10 ttft=8 stall=20 die=40 markdown=1", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
