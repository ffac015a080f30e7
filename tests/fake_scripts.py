"""How the fake Ollama's replies and downloads go, and a reply that goes so."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from tests.fake_wire import Connection, Request

DIRECTIVES = re.compile(r"(?<!\S)(\w+)=(\S+)")  # in the last message: the fields of Script that are numbers or yes/no
KINDS: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str,
                                          "bool": lambda value: value in ("1", "yes")}
FOREVER = 1e9  # seconds
MARKDOWN = """Here is **all** of it, with a [link](https://example.org/page).

| Host | Pages |
|---|---:|
| example.org | 12 |
| example.com | 7 |

- [x] first
- [ ] second, ~~not third~~

```python
def hosts(urls):
    return {url.split("/")[2] for url in urls}
```

> That is the end.
"""


class Gate:
    """Holds a reply back until the test lets tokens through: `allow(3)`, `open()`. The test decides, not the time."""

    def __init__(self) -> None:
        self._allowed, self._open = 0, False
        self._lock = threading.Lock()

    def allow(self, tokens: int = 1) -> None:
        """Let this many more tokens through."""
        with self._lock:
            self._allowed += tokens

    def open(self) -> None:
        """Let everything through from now on."""
        with self._lock:
            self._open = True

    def take(self) -> bool:
        """Whether one more may pass; takes it if so."""
        with self._lock:
            if self._open:
                return True
            taken = self._allowed > 0
            self._allowed -= taken
            return taken

    async def passed(self, connection: Connection) -> None:
        """Wait until the next token may pass, but not for a client that has gone."""
        while not self.take():
            await connection.pause(0.002)


@dataclass(frozen=True)
class Script:
    """How one chat goes. Times in seconds, `die` and its like count tokens from the beginning of the reply."""

    n: int = 20                    # tokens w00001 w00002 ...
    tps: float = 0                 # tokens a second; 0: as fast as possible
    ttft: float = 0                # before the first token (and, as with Ollama, before the headers)
    think: int = 0                 # tokens t00001 ... of thinking before the reply
    text: str = ""                 # this text instead of tokens; the directive markdown=1 sets a fixed one
    chunk: int = 4                 # characters of `text` in one line
    chunks: tuple[str, ...] = ()   # or exactly these pieces
    tools: tuple[dict[str, Any], ...] = ()  # {"name": ..., "arguments": {...}} called after the tokens
    status: int = 200              # 404, 500, ...: an error instead of a reply
    error: str = ""                # the error of `status`, or a line {"error": ...} after `n` tokens
    die: int = -1                  # the connection breaks after so many tokens
    stall: int = -1                # nothing more comes after so many tokens, until the client goes
    malformed: int = -1            # a line that is not JSON after so many tokens
    big: int = 0                   # characters in the first token: a line of that size
    nel: bool = False              # raw U+0085 in every token, as Go writes it
    blank: bool = False            # empty lines between the others
    endless: bool = False          # w00001 ... for ever
    done: bool = True              # False: the stream ends without its last line
    deaf: float = 0                # goes on so long after the client has gone; with `parallel=1` the next one waits
    reason: str = "stop"           # done_reason
    speed: float = 38              # tokens a second in the final statistics
    stats: bool = True
    gate: Gate | None = None       # lets tokens through one by one

    def directed(self, said: str) -> Script:
        """This script with what the question says: words like n=50, tps=10, done=0, and markdown=1."""
        kinds = {each.name: KINDS.get(str(each.type)) for each in fields(self)}
        found: dict[str, Any] = {}
        for name, value in DIRECTIVES.findall(said):
            if name == "markdown":
                found["text"] = MARKDOWN
            elif kind := kinds.get(name):
                with contextlib.suppress(ValueError):
                    found[name] = kind(value)
        return replace(self, **found)


@dataclass
class Model:
    """An installed model. `script` goes before that of the server."""

    size: int = 5_200_000_000
    script: Script | None = None
    family: str = "qwen3"


@dataclass(frozen=True)
class Pull:
    """How a download goes. A stopped one goes on from what has come, as with Ollama."""

    total: int = 5_200_000_000
    steps: int = 20
    delay: float = 0               # seconds between two lines of progress
    stall: int = -1                # nothing more after so many steps, until the client goes
    error: str = ""                # this error instead of success
    gate: Gate | None = None


class Reply:
    """One answer to /api/chat."""

    def __init__(self, connection: Connection, request: Request, script: Script, model: str, loaded: list[str]) -> None:
        self.connection, self.request, self.script, self.model, self.loaded = connection, request, script, model, loaded

    async def run(self) -> None:
        """Send all of it. Raises `Gone` as soon as the client has."""
        script, connection = self.script, self.connection
        await connection.pause(script.ttft)
        if self.model not in self.loaded:
            self.loaded.append(self.model)
        if script.status != 200:
            return await connection.json(script.status, {"error": script.error or f"scripted {script.status}"})
        if script.stall == 0:
            await connection.pause(FOREVER)
        if self.request.body.get("stream") is False:
            said = "".join(self._tokens(limit=script.n))
            return await connection.json(200, self._line({"content": said}) | self._end(script.n))
        await connection.begin()
        began, sent = time.monotonic(), 0
        for number in range(1, script.think + 1):
            await self._pace(began, number - 1)
            await connection.line(self._line({"content": "", "thinking": f"t{number:05d} "}))
        began = time.monotonic()
        for token in self._tokens():
            if script.gate is not None:
                await script.gate.passed(connection)
            await self._pace(began, sent)
            if await self._fault(sent):
                return
            await connection.line(self._line({"content": token}))
            if script.blank:
                await connection.raw(b"\n")
            sent += 1
            self.request.sent = sent
        if await self._fault(sent):
            return
        if script.error:
            await connection.line({"error": script.error})
        elif script.tools:
            calls = [{"function": call} for call in script.tools]
            await connection.line(self._line({"content": "", "tool_calls": calls}))
        if script.done and not script.error:
            await connection.line(self._line({"content": ""}) | self._end(sent))
        await connection.end()

    def _tokens(self, limit: int | None = None) -> Iterator[str]:
        script = self.script
        if script.chunks:
            yield from script.chunks
        elif script.text:
            yield from (script.text[at:at + script.chunk] for at in range(0, len(script.text), script.chunk))
        else:
            number = 0
            while (script.endless and limit is None) or number < script.n:
                number += 1
                token = f"w{number:05d}" + ("\x85" if script.nel else "") + " "
                yield "x" * script.big + " " if script.big and number == 1 else token

    async def _pace(self, began: float, sent: int) -> None:
        if self.script.tps:
            await self.connection.pause(began + sent / self.script.tps - time.monotonic())
        elif sent % 50 == 0:
            await self.connection.pause(0)  # flat out, a client that has gone is still noticed

    async def _fault(self, sent: int) -> bool:
        if sent == self.script.stall:
            await self.connection.pause(FOREVER)
        if sent == self.script.malformed:
            await self.connection.raw(b'{"model":"' + self.model.encode() + b'","message":{"rol\n')
        if sent == self.script.die:
            await self.connection.cut()
        return sent == self.script.die

    def _line(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"model": self.model, "created_at": "2026-11-21T12:00:00.123456789Z",
                "message": {"role": "assistant"} | message, "done": False}

    def _end(self, tokens: int) -> dict[str, Any]:
        end: dict[str, Any] = {"done": True, "done_reason": self.script.reason}
        if self.script.stats:
            end |= {"total_duration": 5_000_000_000, "load_duration": 12_000_000, "prompt_eval_count": 26,
                    "prompt_eval_duration": 130_000_000, "eval_count": tokens,
                    "eval_duration": round(tokens / self.script.speed * 1e9)}
        return end
