"""The tables, and how an older database becomes the newest one. Imported only where there is something to migrate."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

migrations = Migrations("treadle")


@migrations()
def first(db: Database) -> None:
    """The spine: counter, conversations, arrivals, runs, files, settings.

    `rev` in a table means: its rows are shown live, and carry the number of their last change.
    """
    for statement in (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), rev INTEGER NOT NULL) STRICT",
        "INSERT INTO counter VALUES (1, 0)",
        # what a person chose: model, address; and what the server found out, shown live
        "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL, rev INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        """CREATE TABLE conversations (
            id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL DEFAULT '', created_at REAL NOT NULL,
            deleted INTEGER NOT NULL DEFAULT 0, rev INTEGER NOT NULL) STRICT""",
        "INSERT INTO conversations (id, created_at, rev) VALUES (1, CAST(strftime('%s', 'now') AS REAL), 0)",
        # role: arrival | user | assistant. state: of an assistant row waiting | streaming | done | stopped | failed |
        # interrupted, of the others done. born: the rev it was inserted with. deleted = 1 is a tombstone: its text is
        # gone (a question taken back keeps it until the next one is asked), its rev tells viewers.
        # Of replies: question is the row it answers, continues the reply it goes on from; followed = 1 when a newer
        # question or a continuation stands after it, so that it offers no Retry; error is a failure, note a remark
        # (while there is no text: what it waits for); started_at: sent to the model; answered_at: its first piece.
        """CREATE TABLE messages (
            id INTEGER PRIMARY KEY AUTOINCREMENT, conversation INTEGER NOT NULL REFERENCES conversations,
            role TEXT NOT NULL, state TEXT NOT NULL, text TEXT NOT NULL DEFAULT '', thinking TEXT NOT NULL DEFAULT '',
            thinking_s REAL, client_id TEXT, endpoint TEXT NOT NULL DEFAULT '', run TEXT NOT NULL DEFAULT '',
            title TEXT NOT NULL DEFAULT '', model TEXT NOT NULL DEFAULT '', tokens_per_s REAL,
            error TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '', question INTEGER, continues INTEGER,
            followed INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL, started_at REAL, answered_at REAL,
            deleted INTEGER NOT NULL DEFAULT 0, born INTEGER NOT NULL, rev INTEGER NOT NULL) STRICT""",
        "CREATE INDEX messages_by_rev ON messages (conversation, rev)",
        "CREATE INDEX messages_shown ON messages (conversation, id) WHERE deleted = 0",  # a page: the newest hundred
        "CREATE UNIQUE INDEX one_active_reply ON messages (conversation) "
        "WHERE role = 'assistant' AND state IN ('waiting', 'streaming') AND deleted = 0",
        # by role, as ids that pages make up and ids of ours (arrival-7, retry-11) are not to meet
        "CREATE UNIQUE INDEX sent_once ON messages (conversation, role, client_id) WHERE client_id IS NOT NULL",
        "CREATE INDEX taken_back ON messages (conversation) WHERE role = 'user' AND deleted = 1 AND text != ''",
        # the text of an active reply, one row a flush and kind (text | thinking); joined when it settles
        """CREATE TABLE pieces (
            message INTEGER NOT NULL, rev INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
            PRIMARY KEY (message, rev, kind)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE arrivals (
            id INTEGER PRIMARY KEY AUTOINCREMENT, conversation INTEGER NOT NULL REFERENCES conversations,
            endpoint TEXT NOT NULL, created_at REAL NOT NULL, message INTEGER REFERENCES messages) STRICT""",
        "CREATE INDEX arrivals_pending ON arrivals (id) WHERE message IS NULL",
        # state: open | finished (locked). complete: its code has returned. version: the code its steps came from.
        """CREATE TABLE runs (
            key TEXT PRIMARY KEY, endpoint TEXT NOT NULL, number INTEGER NOT NULL, title TEXT NOT NULL,
            state TEXT NOT NULL, version TEXT NOT NULL, advance_due INTEGER NOT NULL DEFAULT 0,
            complete INTEGER NOT NULL DEFAULT 0, client_id TEXT UNIQUE, reverted_to TEXT NOT NULL DEFAULT '',
            created_at REAL NOT NULL, updated_at REAL NOT NULL,
            deleted INTEGER NOT NULL DEFAULT 0, rev INTEGER NOT NULL, UNIQUE (endpoint, number)) STRICT""",
        "CREATE INDEX runs_by_rev ON runs (rev)",
        # state: open | done | reverted. A reverted step keeps its value: it is the default of the next answer.
        # rev: of the last change to an answer; a form carries the highest of its run, one with an older is a 409.
        # undo: reverted since the last answer, so Undo brings it back.
        """CREATE TABLE steps (
            id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL REFERENCES runs (key), label TEXT NOT NULL,
            key TEXT NOT NULL DEFAULT '', slug TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, value TEXT,
            digest TEXT NOT NULL DEFAULT '', position INTEGER NOT NULL,
            undo INTEGER NOT NULL DEFAULT 0, answered_at REAL, created_at REAL NOT NULL,
            rev INTEGER NOT NULL) STRICT""",
        "CREATE INDEX steps_by_run ON steps (run, id)",
        "CREATE UNIQUE INDEX one_live_step ON steps (run, label, key) WHERE state != 'reverted'",
        """CREATE TABLE files (
            id TEXT PRIMARY KEY, run TEXT NOT NULL, step TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL,
            sha256 TEXT NOT NULL, kept INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL) STRICT""",
        "CREATE INDEX files_by_run ON files (run)",
    ):
        db.conn.execute(statement)


def migrate(connection: sqlite3.Connection, *, version: int, epoch: str) -> None:
    """Bring the database to `version`. Each migration is one transaction. `epoch` names a database that is new."""
    migrations.apply(Database(connection))
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', ?)", (epoch,))
    connection.execute(f"PRAGMA user_version = {version}")
