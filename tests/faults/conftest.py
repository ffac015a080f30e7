"""Servers with a fake model: one that the tests of a file share, and one that a test may end."""

from __future__ import annotations

import pytest

from tests.fakes import FakeOllama
from tests.watching import Site


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server for the tests of one file; each takes a conversation of its own."""
    with FakeOllama() as fake:
        site = Site(tmp_path_factory.mktemp("site"), fake)
        yield site
        site.server.kill()


@pytest.fixture
def own(tmp_path):
    """A server this test may end."""
    with FakeOllama() as fake:
        site = Site(tmp_path, fake)
        yield site
        site.server.kill()
