"""The settings of one server, read once at the start."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

VERSION = "0.1.0"
ROOT = Path(__file__).resolve().parent.parent  # the folder of server.py, plugins/ and static/


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line and the environment decide. What a person changes while it runs is a row."""

    data: Path = ROOT / "data"
    plugins: Path = ROOT / "plugins"
    more_plugins: tuple[Path, ...] = ()  # further folders
    host: str = "127.0.0.1"
    port: int = 5001
    token: bool = True          # False: --no-token, on loopback only
    open_browser: bool = True
    dev: bool = False           # every replay runs twice, and a difference is an error
    demo: bool = False          # answers come from a built-in, labelled canned model
    ollama_host: str = field(default_factory=lambda: os.environ.get("OLLAMA_HOST", ""))
    cluster: str = field(default_factory=lambda: os.environ.get("TREADLE_CLUSTER", ""))  # of a Dask scheduler
    settle_s: float = 0.3       # an arrival is due this long after its own click
    max_body: int = 1_000_000   # bytes of a form
    max_upload: int = 200_000_000  # bytes of one uploaded file

    @property
    def loopback(self) -> bool:
        """Whether only this computer can reach the server."""
        return self.host in ("127.0.0.1", "localhost", "::1")

    def with_plugins(self, folders: str) -> Settings:
        """These with other folders of plugins, written as PATH is: several with a colon (on Windows a semicolon)
        between them, an empty one for the shipped plugins. "" leaves all as it is."""
        if not folders:
            return self
        first, *more = [Path(name).absolute() if name else ROOT / "plugins" for name in folders.split(os.pathsep)]
        return replace(self, plugins=first, more_plugins=tuple(more))
