"""Ollama over HTTP: one JSON object a line, read on bytes, with limits. httpx is imported when first used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..clock import Clock
from ..errors import ModelError, ModelMissing, OllamaDown
from ..text import deeper, storable
from .status import InstalledModel, Piece, ToolCall

if TYPE_CHECKING:
    import httpx

CONNECT_S = 5.0
MAX_LINE = 1_000_000     # bytes of one line of a reply: a reply is cut at 1 MB anyway
MAX_ANSWER = 4_000_000   # bytes of an answer that is read whole
NAME_LONGEST = 200       # characters; what has a longer one, or one with signs nobody sees, is no model
MODELS_MOST = 500
CALLS_MOST = 20          # tools asked for in one line
LARGEST = 2**53          # of a number Ollama tells; a larger one is none
FASTEST = 1e6            # tokens a second
BREATH = 64              # events after which others get their turn: of one byte each they would hold the loop
MAX_ERROR = 16_000       # bytes of an error's text that are looked at
EMBEDS = ("bert", "nomic-bert", "nomic-bert-moe")  # families of models that cannot answer
FAILED = "The model failed: "  # and then what Ollama says about it
UNREADABLE = "The model sent something that cannot be read."


class NotOllama(ModelError):
    """Something answers at the address, but not as Ollama does."""


async def get_json(address: str, path: str, *, clock: Clock, within: float = CONNECT_S) -> Any:
    """GET a small JSON answer, without httpx: this runs from the start and every few seconds.

    `within`: seconds for all of it. Raises `OllamaDown` if nobody listens, `NotOllama` for any other answer than JSON,
    `TimeoutError`. Cancelling closes the connection.
    """
    return await clock.wait_for(_get_json(address, path), within)


async def _get_json(address: str, path: str) -> Any:
    import h11  # uvicorn's, so it costs nothing more

    parts = urlsplit(address)
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port,
                                                       ssl=True if parts.scheme == "https" else None)
    except (OSError, UnicodeError) as error:  # UnicodeError: a host name that cannot be one
        raise down(address) from error
    try:
        wire, status, body, events = h11.Connection(h11.CLIENT), 0, bytearray(), 0
        request = h11.Request(method="GET", target=parts.path + path, headers=[
            ("Host", parts.netloc), ("Accept", "application/json"), ("Connection", "close")])
        writer.write((wire.send(request) or b"") + (wire.send(h11.EndOfMessage()) or b""))
        while not isinstance(event := wire.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            events += 1
            if events % BREATH == 0:
                await asyncio.sleep(0)
            if event is h11.NEED_DATA:
                wire.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_ANSWER:
                    raise NotOllama(f"The answer of {address} is too long.")
        if status != 200:
            raise NotOllama(f"{address} answered with {status}.")
        return _read(body)
    except (OSError, ValueError, h11.ProtocolError) as error:
        raise NotOllama(f"What answers at {address} is not Ollama.") from error
    finally:
        writer.transport.abort()


async def post_lines(address: str, path: str, body: dict[str, Any], *, clock: Clock, first_s: float,
                     idle_s: float) -> AsyncGenerator[dict[str, Any], None]:
    """POST and yield the objects of the answer, one a line, as they come.

    `first_s`: seconds until the first one; `idle_s`: between two. Raises `OllamaDown` if nobody listens, `ModelMissing`
    for a model that is not there, `ModelError` for every other fault, `TimeoutError`. Closing or cancelling closes the
    connection at once, also before the first line, which is how the other side knows that it may stop working.
    """
    import httpx

    # proxies of the environment are not for a model on this computer; certificates take 17 ms to load
    async with httpx.AsyncClient(trust_env=False, verify=address.startswith("https:"),
                                 timeout=httpx.Timeout(None, connect=CONNECT_S)) as client:
        try:
            until = clock.monotonic() + first_s
            request = client.build_request("POST", address + path, json=body, headers={"Accept-Encoding": "identity"})
            response = await clock.wait_for(client.send(request, stream=True), first_s)
            try:
                if response.status_code != 200 or response.headers.get("content-encoding", "identity") != "identity":
                    raise await _refused(response, str(body.get("model", "")), clock, idle_s)
                chunks, held, count = response.aiter_raw(), bytearray(), 0
                while (chunk := await clock.wait_for(anext(chunks, None), until - clock.monotonic())) is not None:
                    count += 1
                    if count % BREATH == 0:
                        await asyncio.sleep(0)
                    held += chunk
                    if b"\n" in chunk:
                        *lines, held = held.split(b"\n")
                        for line in filter(bytearray.strip, lines):
                            yield _parsed(line)
                            until = clock.monotonic() + idle_s
                    if len(held) > MAX_LINE:
                        raise ModelError("The model sent a line of more than 1 MB.")
                if held.strip():
                    yield _parsed(held)
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise down(address) from error
        except httpx.TransportError as error:
            raise ModelError("The connection to the model broke off.") from error


def _read(data: bytes | bytearray) -> Any:
    """The JSON in `data`. Raises `ValueError`, also for what is nested too deep."""
    try:
        return json.loads(data.decode(errors="replace"))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _parsed(line: bytearray) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise ModelError("The model sent a line of more than 1 MB.")
    try:
        found = _read(line)
    except ValueError as error:
        raise ModelError(UNREADABLE) from error
    if not isinstance(found, dict):
        raise ModelError(UNREADABLE)
    if found.get("error"):
        raise ModelError(FAILED + _sentence(found["error"]))
    return found


async def _refused(response: httpx.Response, model: str, clock: Clock, within: float) -> ModelError:
    """What an answer other than 200 means."""
    text = await clock.wait_for(_beginning(response), within)
    try:
        said = str(_read(text)["error"])
    except (ValueError, LookupError, TypeError):
        return NotOllama(f"What answers at {response.url.host}:{response.url.port} is not Ollama.")
    if response.status_code == 404:
        return ModelMissing(f"{model} is not installed.", hint=f"Choose another model, or run `ollama pull {model}`.")
    return ModelError(FAILED + _sentence(said))


async def _beginning(response: httpx.Response) -> bytes:
    text = b""
    async for chunk in response.aiter_raw():
        text += chunk
        if len(text) > MAX_ERROR:
            break
    return text


def _sentence(said: object) -> str:
    text = storable(" ".join(str(said).split())[:300])
    return text if text.endswith((".", "!", "?")) else f"{text}."


def down(address: str) -> OllamaDown:
    """The error of an address at which nobody listens."""
    host = urlsplit(address).netloc or address
    return OllamaDown(f"No Ollama answers at {host}.", hint="Start it with `ollama serve`.")


def installed(answer: Any) -> tuple[InstalledModel, ...]:
    """The models of an answer to /api/tags or /api/ps that can answer questions. Raises `NotOllama`."""
    models = answer.get("models") if isinstance(answer, dict) else None
    if not isinstance(models, list):
        raise NotOllama("What answers there is not Ollama.")
    found = []
    for entry in filter(lambda entry: isinstance(entry, dict), models):
        name, size, details = entry.get("name"), entry.get("size"), entry.get("details")
        answers = not (isinstance(details, dict) and details.get("family") in EMBEDS)
        if answers and isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= NAME_LONGEST:
            found.append(InstalledModel(name, size if isinstance(size, int) and 0 <= size < LARGEST else 0))
    return tuple(found[:MODELS_MOST])


def request(messages: Sequence[Mapping[str, Any]], model: str, *, window: int, format: Any = None,
            tools: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The body of a request for a reply. `window`: tokens the model keeps in view. `format`: a JSON schema."""
    from ollama import Options

    return {"model": model, "messages": messages, "stream": True, **({"format": format} if format else {}),
            **({"tools": list(tools)} if tools else {}),
            "options": Options(num_ctx=window).model_dump(exclude_none=True)}


def piece(line: dict[str, Any]) -> Piece:
    """One line of a reply. Raises `ModelError` for what is none."""
    message = line.get("message")
    if not isinstance(message, dict):
        raise ModelError(UNREADABLE)
    text, thinking = (part if isinstance(part := message.get(key), str) else "" for key in ("content", "thinking"))
    calls = _calls(message.get("tool_calls"))
    if not line.get("done"):
        return Piece(text, thinking, calls=calls)
    from ollama import ChatResponse

    try:
        end = ChatResponse.model_validate(line)
    except ValueError:  # odd statistics do not undo a reply
        return Piece(text, thinking, done=True, calls=calls)
    count, duration = end.eval_count or 0, end.eval_duration or 0
    speed = count / duration * 1e9 if 0 < count < LARGEST and 0 < duration < LARGEST else 0.0
    return Piece(text, thinking, done=True, calls=calls, reason=end.done_reason or "",
                 tokens_per_s=speed if 0 < speed < FASTEST else None)


def _calls(sent: Any) -> tuple[ToolCall, ...]:
    """The tools a model asks for; what is no call is none."""
    found = [call.get("function") for call in sent if isinstance(call, dict)] if isinstance(sent, list) else []
    return tuple(ToolCall(storable(each["name"])[:100], _arguments(each.get("arguments")))
                 for each in found[:CALLS_MOST] if isinstance(each, dict) and isinstance(each.get("name"), str))


def _arguments(sent: Any) -> dict[str, Any]:
    """Arguments as they can be stored, and sent back: no half characters, no NaN, nothing nested without end."""
    if not isinstance(sent, dict) or deeper(sent, 20):
        return {}
    try:
        plain: dict[str, Any] = json.loads(storable(json.dumps(sent, ensure_ascii=False, allow_nan=False)))
    except ValueError:
        return {}
    return plain
