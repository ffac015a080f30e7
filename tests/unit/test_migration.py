"""A database of the version before becomes the newest one, and nothing in it is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import treadle.schema
from tests.parts import Given, parts, values
from treadle.db import SCHEMA_VERSION, Database


def version_1(path: Path) -> None:
    """A database as Treadle wrote it before there were jobs, with a run of two answers."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in (Path(treadle.schema.__file__).parent / "schema.sql").read_text().split(";\n"):
        connection.execute(statement)
    connection.executescript("""
        CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT);
        INSERT INTO _sqlite_migrations VALUES (1, 'treadle', 'first', '2026-11-01');
        INSERT INTO meta VALUES ('epoch', 'abcd');
        INSERT INTO runs (key, endpoint, number, title, state, version, created_at, updated_at, rev)
            VALUES ('default-trip-01', 'trip', 1, 'Trip, Rome', 'open', 'v_old', 1.0, 2.0, 2);
        INSERT INTO steps (run, label, key, slug, kind, state, value, position, answered_at, created_at, rev) VALUES
            ('default-trip-01', 'Where', '', 'where', 'ask', 'done', '"Rome"', 1, 1.0, 1.0, 1),
            ('default-trip-01', 'Days', '', 'days', 'ask', 'reverted', '3', 2, 2.0, 2.0, 2);
        UPDATE steps SET undo = 1 WHERE label = 'Days';
        PRAGMA user_version = 1;
    """)
    connection.close()


async def test_a_database_of_version_1_keeps_its_runs_and_its_undo(tmp_path):
    async def trip(ui):
        await ui.ask("Where", str)
        await ui.ask("Days", int)

    version_1(tmp_path / "treadle.db")
    async with parts(tmp_path, Given(trip)) as server:
        assert server.db.epoch == "abcd"
        assert server.db.one("PRAGMA user_version")["user_version"] == SCHEMA_VERSION
        view = await server.settled("default-trip-01")
        assert (values(view), view.drawing.open.default) == ({"Where": "Rome"}, 3) and view.changed is None
        view = await server.undo("default-trip-01")
        assert values(view) == {"Where": "Rome", "Days": 3} and view.drawing.finished


def test_a_migrated_database_has_the_tables_of_a_new_one(tmp_path):
    version_1(tmp_path / "old.db")
    found = []
    for database in (Database(tmp_path / "old.db"), Database(":memory:")):
        found.append({(row["name"], row["sql"]) for row in database.rows(
            "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%migrations%' AND name NOT LIKE 'sqlite_%'")})
        database.close()
    assert found[0] == found[1]
