"""What is known about the model: its words, the states it can be in, and where Ollama is looked for."""

from __future__ import annotations

import os
import shutil
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from ..errors import InvalidAnswer

Kind = Literal["checking", "not_installed", "not_running", "no_model", "wrong_address", "pulling", "ready", "demo"]

DEFAULT_ADDRESS = "http://127.0.0.1:11434"
DEFAULT_PORT = 11434
BESIDE_PATH = ("/usr/local/bin/ollama", "/opt/homebrew/bin/ollama", "/Applications/Ollama.app")
MAX_ADDRESS = 300  # characters


class ToolCall(NamedTuple):
    """What a model asks to have called."""

    name: str
    arguments: dict[str, Any]


class Piece(NamedTuple):
    """A part of a reply as it came. The last one has `done`, says why it ended (`reason`: stop, or length where the
    model had no room left) and how fast it was. `calls`: what is to be called before it goes on."""

    text: str = ""
    thinking: str = ""
    done: bool = False
    tokens_per_s: float | None = None
    reason: str = ""
    calls: tuple[ToolCall, ...] = ()


class InstalledModel(NamedTuple):
    """A model that is on the disk of the computer where Ollama runs. `size` in bytes."""

    name: str
    size: int


SUGGESTED = InstalledModel("qwen3:8b", 5_200_000_000)  # offered where there is no model, its size said before


class PullProgress(NamedTuple):
    """A download under way. `done` and `total` in bytes, `left_s` in seconds, None while it cannot be told."""

    name: str
    done: int = 0
    total: int = 0
    left_s: float | None = None


class ModelStatus(NamedTuple):
    """What the picker and the condition above the composer are drawn from.

    `was_down`: ready again after a condition was shown; True for the few seconds in which that is said.
    `problem`: a sentence that says why the download of `failed` failed.
    """

    kind: Kind = "checking"
    address: str = DEFAULT_ADDRESS
    models: tuple[InstalledModel, ...] = ()
    chosen: str = ""
    pull: PullProgress | None = None
    was_down: bool = False
    problem: str = ""
    failed: str = ""

    @property
    def ready(self) -> bool:
        """Whether a question may be sent."""
        return self.kind in ("ready", "demo")

    @property
    def host(self) -> str:
        """The address as a person reads it: host and port, and a path where there is one."""
        return self.address.removeprefix("http://").removeprefix("https://")


def parse_address(text: str) -> str:
    """The base URL that a person or `OLLAMA_HOST` means: `host`, `host:port`, `:port`, or a whole URL.

    The port is 11434 where none is named, as Ollama has it, but that of the scheme after http:// and https://.
    An address to listen on (0.0.0.0, [::]) becomes the one to call. Raises `InvalidAnswer`.
    """
    given = text.strip().strip("\"'")
    if not given or len(given) > MAX_ADDRESS or any(c.isspace() or not c.isprintable() for c in given):
        raise _no_address(text)
    scheme, found, rest = given.partition("://")
    if not found:
        scheme, rest = "http", given
    if scheme not in ("http", "https"):
        raise InvalidAnswer("The address begins with http:// or https://.", field="address")
    if rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"  # an IPv6 address without a port
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = parts.port
    except ValueError:
        raise _no_address(text) from None
    host = parts.hostname or ("127.0.0.1" if rest.startswith(":") else "")
    if not host or parts.query or parts.fragment or parts.username is not None or "\\" in rest:
        raise _no_address(text)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    if port is None:
        port = {"http": 80, "https": 443}[scheme] if found else DEFAULT_PORT
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}{parts.path.rstrip('/')}"


def _no_address(text: str) -> InvalidAnswer:
    return InvalidAnswer(f"“{text.strip()[:80]}” is no address; write a host and a port, as in localhost:11434.",
                         field="address")


def is_default(address: str) -> bool:
    """Whether this is where Ollama listens when nobody has set anything."""
    return address in (DEFAULT_ADDRESS, f"http://localhost:{DEFAULT_PORT}", f"http://[::1]:{DEFAULT_PORT}")


def is_installed() -> bool:
    """Whether this computer has Ollama. Looks at the disk; cheap enough for each check."""
    return shutil.which("ollama") is not None or any(os.path.exists(path) for path in BESIDE_PATH)
