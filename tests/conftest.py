"""Fixtures of all tests. Override `settings` where a test needs others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.clock import ManualClock
from tests.harness import NOWHERE, Server, same_origin
from tests.site import site as site
from treadle.config import Settings

if TYPE_CHECKING:
    from treadle.core import Core

ADDRESS = "http://127.0.0.1:5001"  # of the app in `client`; nothing listens there


@pytest.fixture
def clock() -> ManualClock:
    """Time that stands still until the test moves it."""
    return ManualClock()


@pytest.fixture
async def ollama() -> AsyncIterator:
    """A fake Ollama, a real HTTP server. A test that asks for it has its core, client or server use it."""
    from tests.fakes import FakeOllama

    async with FakeOllama() as fake:
        yield fake


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Own data folder, the shipped plugins, no model unless the test asks for `ollama`."""
    return Settings(data=tmp_path / "data", open_browser=False, ollama_host=_model(request))


@pytest.fixture
async def core(settings: Settings, clock: ManualClock) -> AsyncIterator[Core]:
    """A core whose time is `clock`."""
    from treadle.core import Core

    async with Core.open(settings, clock=clock) as core:
        yield core


@pytest.fixture
async def client(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    """A page of a signed-in browser, against the app itself. Redirects are not followed."""
    from treadle.web.app import create_app

    transport = httpx.ASGITransport(create_app(core))
    cookies = {f"treadle-{core.settings.port}": core.folder.secret("token")}
    async with httpx.AsyncClient(transport=transport, base_url=ADDRESS, headers=same_origin(ADDRESS),
                                 cookies=cookies) as client:
        yield client


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A running server in its own process, with its own data folder."""
    with Server(tmp_path, ollama=_model(request)) as server:
        yield server


def _model(request: pytest.FixtureRequest) -> str:
    if "ollama" in request.fixturenames:
        return str(request.getfixturevalue("ollama").address)
    return NOWHERE
