"""A real server with a fake model, and what its viewers have drawn, for the tests of the stream."""

from __future__ import annotations

import contextlib
import math
import os
import re
import sqlite3
from pathlib import Path

from tests.fakes import FakeOllama, Script
from tests.harness import Server, until
from tests.viewer import Viewer

WORD = re.compile(r"w\d{5}")
ENDED = ("done", "stopped", "failed", "interrupted")
NUMBER = iter(range(1, 1_000_000))


class Site:
    """A server with a fake model. Each test has a conversation of its own."""

    def __init__(self, folder: Path, fake: FakeOllama) -> None:
        self.fake = fake
        self.server = Server(folder, ollama=fake.address).start()
        fake.wait(lambda: any(request.path == "/api/tags" for request in fake.requests))  # it has found its model

    def rows(self, sql: str, *params: object) -> list[sqlite3.Row]:
        with contextlib.closing(sqlite3.connect(self.server.data / "treadle.db", timeout=5)) as db:
            db.row_factory = sqlite3.Row
            found = db.execute(sql, params).fetchall()
            db.commit()
            return found

    def conversation(self) -> int:
        """A new one."""
        return int(self.rows("INSERT INTO conversations (created_at, rev) VALUES (0, 0) RETURNING id")[0]["id"])

    def program(self) -> Viewer:
        """Not a browser: any number of streams."""
        return Viewer(self.server.address, browser=False, headers={"Authorization": f"Bearer {self.server.token}"})

    async def page(self, conversation: int, *, as_browser: Viewer | None = None, **options) -> Viewer:
        """A page of a browser, with its stream open. Its own browser unless `as_browser`."""
        cookies = as_browser.cookies if as_browser else dict(self.server.cookies)
        viewer = Viewer(self.server.address, cookies, **options)
        await viewer.load(f"/docs?chat={conversation}")
        return await viewer.open()

    async def ask(self, conversation: int, text: str = "?", script: Script | None = None) -> int:
        """Ask; the id of the reply."""
        if script is not None:
            self.fake.next(script)
        status, _, body = await self.program().request(
            "POST", f"/chat/{conversation}", data={"text": text, "client_id": f"c{next(NUMBER)}"},
            headers={"HX-Request": "true"})
        assert status == 204, (status, body)
        return int(self.rows("SELECT max(id) AS id FROM messages WHERE conversation = ? AND role = 'assistant'",
                             conversation)[0]["id"])

    async def stop(self, conversation: int) -> None:
        path = f"/chat/{conversation}/stop"
        assert (await self.program().request("POST", path, headers={"HX-Request": "true"}))[0] == 204

    def reply(self, id: int) -> sqlite3.Row:
        return self.rows("SELECT * FROM messages WHERE id = ?", id)[0]

    async def ended(self, reply: int, *, within: float = 30) -> sqlite3.Row:
        """The row of a reply that has ended."""
        await until(lambda: self.reply(reply)["state"] in ENDED, within=within)
        return self.reply(reply)

    async def drawn(self, conversation: int) -> Viewer:
        """A page loaded now, for comparing."""
        viewer = Viewer(self.server.address, dict(self.server.cookies))
        return await viewer.load(f"/docs?chat={conversation}")

    def rss(self) -> int:
        """Resident bytes of the server."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.server.process.pid}/task"))


@contextlib.asynccontextmanager
async def looking(*viewers: Viewer):
    try:
        yield
    finally:
        for viewer in viewers:
            await viewer.cut()


def words(n: int) -> list[str]:
    return [f"w{number:05d}" for number in range(1, n + 1)]


def settled(viewer: Viewer, reply: int) -> bool:
    """Whether this viewer has seen the end of the reply, and all of its text: what is behind carries no id."""
    row = viewer.page.find(f"m{reply}") if viewer.page else None
    if any(frame.data for frame in viewer.frames) and not next(f for f in reversed(viewer.frames) if f.data).id:
        return False
    return row is not None and "aria-busy" not in row.attrs and bool(row.find(f"m{reply}-by") or "notice" in row.html)


def p99(values: list[float]) -> float:
    return sorted(values)[math.ceil(len(values) * 0.99) - 1]


async def same_everywhere(site: Site, conversation: int, *viewers: Viewer) -> None:
    """Every viewer's log equals a page loaded now, byte for byte, which holds 100 rows; nothing is there twice."""
    page = await site.drawn(conversation)
    for viewer in viewers:
        assert viewer.page["log-items"].html.endswith(page.page["log-items"].html)
        assert len(viewer.rows) >= len(page.rows) and len(set(viewer.rows)) == len(viewer.rows)
        assert viewer.page["composer-action"].outer == page.page["composer-action"].outer
