"""How an older database becomes the newest one. Imported only where there is something to migrate."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlite_utils import Database, Migrations

migrations = Migrations("treadle")


@migrations()
def first(db: Database) -> None:
    """All tables, which `schema.sql` explains. Later migrations stand below and change them."""
    for statement in Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split(";\n"):
        db.conn.execute(statement)


def migrate(connection: sqlite3.Connection, *, version: int, epoch: str) -> None:
    """Bring the database to `version`. Each migration is one transaction. `epoch` names a database that is new."""
    migrations.apply(Database(connection))
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (epoch,))
    connection.execute(f"PRAGMA user_version = {version}")
