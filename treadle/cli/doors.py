"""The two ways to the commands: this process opens the data folder, or the server that holds it is asked."""

from __future__ import annotations

import asyncio
import fcntl
import http.client
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from ..config import Settings
from ..errors import Conflict, InvalidAnswer, NotFound, PluginError, Refused, StartError, TooLarge, TreadleError
from ..folder import ADDRESS

BY = "command line"
Saver = Callable[[Any, str], AsyncIterator[str]]
PATIENCE_S = 10.0  # for a server that has begun and does not listen yet
ANSWER_S = 180.0   # for one answer of the server
ERRORS: Mapping[int, type[TreadleError]] = {400: Refused, 404: NotFound, 409: Conflict, 413: TooLarge,
                                            422: InvalidAnswer}


class Door(Protocol):
    """The commands, as both ways have them: data in, data out, errors as the core raises them."""

    def workflows(self) -> Any: ...
    def workflow(self, endpoint: str) -> Any: ...
    def runs(self) -> Any: ...
    def read(self, key: str) -> Any: ...
    def begin(self, endpoint: str, value: Any, client_id: str) -> Any: ...
    def answer(self, key: str, step: str, value: Any, rev: int) -> Any: ...
    def change(self, key: str, what: str, step: str) -> Any: ...
    def send(self, key: str, endpoint: str, path: Path, client_id: str, field: str = "") -> Any: ...
    def export(self, key: str, name: str) -> bytes: ...
    def compare(self, left: str, right: str) -> Any: ...
    def bring_in(self, path: Path) -> Any: ...
    def save(self, key: str) -> bytes: ...
    def pause(self, seconds: float) -> None: ...
    def close(self) -> None: ...


def open_door(settings: Settings, saver: Saver | None = None) -> Door:
    """To the server that holds the data folder; where none does, this process holds it. Raises `StartError`.

    `saver`: draws a run as a file, which is known above this layer.
    """
    address = _beside(settings.data)
    if not address:
        return Near(settings, saver)
    try:
        return Far(address, (settings.data / "cli.token").read_text().strip())
    except OSError as error:
        raise StartError(f"The token of commands cannot be read: {error.strerror}.",
                         hint="Run the command as the user who runs the server.") from error


def _beside(data: Path) -> str:
    """Where the server listens that holds the lock of this folder; "" where nobody does."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            with open(data / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return ""
        except FileNotFoundError:
            return ""
        except OSError:
            pass
        try:
            address = str(json.loads((data / "server.json").read_text())["address"])
            if ADDRESS.fullmatch(address):
                return address
        except (OSError, ValueError, LookupError, TypeError):
            pass  # it has not got so far, or is a command like this one
        if time.monotonic() > end:
            raise StartError(f"Another command uses the data folder {data}.",
                             hint="Wait until it has ended, or choose another folder with --data.")
        time.sleep(0.1)


class Near:
    """The commands of a core in this process. Jobs run only while one of these methods does."""

    def __init__(self, settings: Settings, saver: Saver | None) -> None:
        from ..core import Core

        self._saver = saver
        self._loop, self._exit = asyncio.Runner(), AsyncExitStack()
        self._core: Core = self._loop.run(self._exit.enter_async_context(Core.open(settings)))
        self._commands = self._core.commands

    def workflows(self) -> Any:
        return self._commands.workflows()

    def workflow(self, endpoint: str) -> Any:
        return self._loop.run(self._commands.workflow(endpoint))

    def runs(self) -> Any:
        return self._commands.runs()

    def read(self, key: str) -> Any:
        return self._loop.run(self._commands.read(key))

    def begin(self, endpoint: str, value: Any, client_id: str) -> Any:
        return self._loop.run(self._commands.begin(endpoint, value, client_id=client_id, by=BY))

    def answer(self, key: str, step: str, value: Any, rev: int) -> Any:
        return self._loop.run(self._commands.answer(key, step, value, rev=rev, by=BY))

    def change(self, key: str, what: str, step: str) -> Any:
        return self._loop.run(self._commands.change(key, what, step, by=BY))

    def send(self, key: str, endpoint: str, path: Path, client_id: str, field: str = "") -> Any:
        async def sending() -> Any:
            from ..runs import new_owner

            receiving = self._commands.receive(key, endpoint, path.name, owner=key or new_owner(client_id),
                                               field=field)
            with path.open("rb") as file:
                async with receiving as sink:
                    while chunk := file.read(1_000_000):
                        await sink.write(chunk)
            assert sink.file is not None  # leaving `receive` has stored it
            return {"file": sink.file.id}

        return self._loop.run(sending())

    def export(self, key: str, name: str) -> bytes:
        return self._loop.run(self._commands.export(key, name))[1]

    def compare(self, left: str, right: str) -> Any:
        return self._loop.run(self._commands.compare(left, right))

    def bring_in(self, path: Path) -> Any:
        return self._loop.run(self._commands.bring_in(path, by=BY))

    def save(self, key: str) -> bytes:
        async def saving() -> str:
            assert self._saver is not None  # server.py has given it
            return "".join([piece async for piece in self._saver(self._core, key)])

        return self._loop.run(saving()).encode()

    def pause(self, seconds: float) -> None:
        self._loop.run(asyncio.sleep(seconds))

    def close(self) -> None:
        try:
            self._loop.run(self._exit.aclose())
        finally:
            self._loop.close()


class Far:
    """The commands of the running server, over its JSON addresses."""

    def __init__(self, address: str, token: str) -> None:
        self._host, self._token = urlsplit(address).netloc, token

    def workflows(self) -> Any:
        return self._json("GET", "/api/workflows")

    def workflow(self, endpoint: str) -> Any:
        return self._json("GET", f"/api/workflows/{quote(endpoint, safe='')}")

    def runs(self) -> Any:
        return self._json("GET", "/api/runs")

    def read(self, key: str) -> Any:
        return self._json("GET", f"/api/runs/{quote(key, safe='')}")

    def begin(self, endpoint: str, value: Any, client_id: str) -> Any:
        return self._json("POST", f"/api/workflows/{quote(endpoint, safe='')}/runs",
                          {"value": value, "client_id": client_id})

    def answer(self, key: str, step: str, value: Any, rev: int) -> Any:
        return self._json("POST", f"/api/runs/{quote(key, safe='')}/answer", {"step": step, "value": value, "rev": rev})

    def change(self, key: str, what: str, step: str) -> Any:
        return self._json("POST", f"/api/runs/{quote(key, safe='')}/{what}",
                          {"title" if what == "rename" else "step": step})

    def send(self, key: str, endpoint: str, path: Path, client_id: str, field: str = "") -> Any:
        where = f"runs/{quote(key, safe='')}" if key else f"workflows/{quote(endpoint, safe='')}"
        query = urlencode({"name": path.name, "client_id": client_id, "field": field})
        with path.open("rb") as file:
            return json.loads(self._ask("POST", f"/api/{where}/files?{query}", file, "application/octet-stream",
                                        {"Content-Length": str(path.stat().st_size)}))

    def export(self, key: str, name: str) -> bytes:
        return self._ask("GET", f"/api/runs/{quote(key, safe='')}/exports/{quote(name, safe='')}")

    def compare(self, left: str, right: str) -> Any:
        return self._json("GET", f"/api/runs/compare?{urlencode([('run', left), ('run', right)])}")

    def bring_in(self, path: Path) -> Any:
        with path.open("rb") as file:
            return json.loads(self._ask("POST", "/api/runs/import", file, "text/html",
                                        {"Content-Length": str(path.stat().st_size)}))

    def save(self, key: str) -> bytes:
        return self._ask("GET", f"/api/runs/{quote(key, safe='')}/file")

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        """Nothing is held open."""

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        return json.loads(self._ask(method, path, data, "application/json"))

    def _ask(self, method: str, path: str, body: Any = None, kind: str = "",
             more: Mapping[str, str] | None = None) -> bytes:
        connection = http.client.HTTPConnection(self._host, timeout=ANSWER_S)  # no proxy of the environment is asked
        headers = {"Authorization": f"Bearer {self._token}", **({"Content-Type": kind} if body is not None else {})}
        try:
            connection.request(method, path, body, {**headers, **(more or {})})
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise StartError("The running server did not answer.",
                             hint="Look at its terminal, and try again.") from error
        finally:
            connection.close()
        if answer.status < 400:
            return data
        try:
            said = json.loads(data)
            problem = ERRORS.get(answer.status, TreadleError)(said["error"], hint=said["hint"])
            if "file" in said:
                problem = PluginError(said["error"], file=said["file"], line=said["line"], hint=said["hint"])
        except (ValueError, LookupError, TypeError):
            raise StartError(f"The running server answered with {answer.status}.") from None
        if isinstance(problem, InvalidAnswer):
            problem.fields = said.get("fields") or {}
        raise problem
