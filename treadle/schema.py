"""How an older database becomes the newest one. Imported only where there is something to migrate."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlite_utils import Database, Migrations

migrations = Migrations("treadle")


@migrations()
def first(db: Database) -> None:
    """All tables, which `schema.sql` explains. The later ones change them."""
    _run(db, "schema.sql")


@migrations()
def jobs(db: Database) -> None:
    """What runs: jobs and their items; and the history of a run."""
    _run(db, "jobs.sql")


@migrations()
def tools(db: Database) -> None:
    """What a reply has looked up: JSON, pairs of a text for the person and the seconds it took."""
    db.conn.execute("ALTER TABLE messages ADD COLUMN tools TEXT NOT NULL DEFAULT ''")


def _run(db: Database, file: str) -> None:
    for statement in (Path(__file__).parent / file).read_text(encoding="utf-8").split(";\n"):
        db.conn.execute(statement)


def migrate(connection: sqlite3.Connection, *, version: int, epoch: str) -> None:
    """Bring the database to `version`. Each migration is one transaction. `epoch` names a database that is new."""
    migrations.apply(Database(connection))
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (epoch,))
    connection.execute(f"PRAGMA user_version = {version}")
