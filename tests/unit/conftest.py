"""Runs in memory, with the workflows of `tests/trips.py`."""

from __future__ import annotations

import pytest

from tests.clock import ManualClock
from tests.trips import plugins_at
from treadle.config import Settings
from treadle.db import Database
from treadle.feed import Feed
from treadle.fields.secrets import Secrets
from treadle.files import Files
from treadle.plugins.registry import Plugins
from treadle.runs import Runs


@pytest.fixture(scope="session")
def plugins(tmp_path_factory):
    folder = plugins_at(tmp_path_factory.mktemp("trips"))
    plugins = Plugins(Settings(data=tmp_path_factory.mktemp("data"), plugins=folder))
    plugins.load()
    return plugins


@pytest.fixture
def db():
    database = Database(":memory:")
    yield database
    database.close()


@pytest.fixture
def feed(db):
    return Feed(db)


@pytest.fixture
def files(db, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    return Files(folder, db, ManualClock())


@pytest.fixture
def secrets(tmp_path):
    return Secrets(tmp_path / "secrets.json")


@pytest.fixture
def runs(db, feed, plugins, files, secrets):
    return Runs(db, feed, ManualClock(), plugins, files, secrets, twice=False)
