"""Figure 12: append and publish beside a raw autocommit; a page's queries beside raw rows."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from bench.measure import Row, cpu_s, paired
from treadle.clock import Clock
from treadle.conversation import Conversations
from treadle.db import Database
from treadle.feed import Feed

N = 2_000


def rows() -> list[Row]:
    """Append: one flush of a reply as the product does it. Page: the rows a full page draws, as the product reads them."""
    with tempfile.TemporaryDirectory() as folder:
        db = Database(Path(folder) / "treadle.db")
        feed = Feed(db)
        conversations = Conversations(db, feed, Clock())
        raw = sqlite3.connect(Path(folder) / "raw.db", isolation_level=None)
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("PRAGMA synchronous = NORMAL")
        raw.execute("CREATE TABLE pieces (id INTEGER PRIMARY KEY, message INTEGER, kind TEXT, text TEXT, rev INTEGER)")
        with feed.change() as rev:
            db.connection.executemany(
                "INSERT INTO messages (conversation, role, state, text, created_at, born, rev) "
                "VALUES (1, 'user', 'done', ?, 0, ?, ?)", [(f"Question {n}", rev, rev) for n in range(100)])
        message = db.one("SELECT max(id) AS id FROM messages")["id"]

        def publish() -> None:
            for n in range(N):
                with feed.change() as rev:
                    db.execute("INSERT INTO pieces (message, kind, text, rev) VALUES (?, 'text', ?, ?)", (message, f"word {n} ", rev))

        def autocommit() -> None:
            for n in range(N):
                raw.execute("INSERT INTO pieces (message, kind, text, rev) VALUES (?, 'text', ?, ?)", (message, f"word {n} ", n))

        def page() -> None:
            for _ in range(100):
                conversations.messages(1)

        def raw_page() -> None:
            for _ in range(100):
                db.connection.execute("SELECT * FROM messages WHERE conversation = 1 AND deleted = 0 ORDER BY id").fetchall()

        append = paired(lambda: cpu_s(publish), lambda: cpu_s(autocommit))
        read = paired(lambda: cpu_s(page), lambda: cpu_s(raw_page))
        raw.close()
        db.close()
    return [
        Row("12", "append and publish a piece", f"{append[0] / N * 1e6:.1f} us", f"{append[1] / N * 1e6:.1f} us raw autocommit",
            f"{append[2]:.2f}", "1.5", append[2] <= 1.5),
        Row("12", "the queries of a page", f"{read[0] * 1e4:.0f} us", f"{read[1] * 1e4:.0f} us raw rows",
            f"{read[2]:.2f}", "1.5", read[2] <= 1.5),
    ]
