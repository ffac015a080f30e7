"""Runs with real jobs, around workflows given in code; they can be killed between any two commits and opened again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from treadle.clock import Clock
from treadle.config import Settings
from treadle.core import Core
from treadle.db import Database
from treadle.errors import NotFound
from treadle.folder import DataFolder
from treadle.replay import Step
from treadle.runs import Run, RunView
from treadle.workflow import Workflow, workflow

MOST_S = 10.0  # seconds a job of a test may take


class Killed(BaseException):
    """What happens to a server that is killed: nothing of it goes on."""


class Given:
    """Plugins whose versions are given in code. The last one put in is the newest."""

    def __init__(self, *flows: Any) -> None:
        self._versions: dict[str, list[Workflow]] = {}
        for flow in flows:
            self.put(flow)

    def put(self, flow: Callable[..., Any], *, name: str = "", version: int = 1) -> Workflow:
        """A newer version of the workflow `name`."""
        name = name or flow.__name__
        of = self._versions.setdefault(name, [])
        declared = workflow(name.capitalize(), message="m", version=version)(flow)
        of.append(replace(declared, endpoint=name, code=f"v_{name}_{len(of) + 1}"))
        return of[-1]

    def take_back(self, name: str) -> None:
        """The newest version of this workflow is removed: the one before it is the newest again."""
        self._versions[name].pop()

    def get(self, endpoint: str) -> Workflow | None:
        return self._versions.get(endpoint, [None])[-1]

    def version(self, endpoint: str, code: str = "") -> Workflow:
        for each in reversed(self._versions.get(endpoint, [])):
            if code in ("", each.code):
                return each
        raise NotFound("There is no such version.")

    def keep(self, workflow: Workflow) -> None:
        """They are all kept."""


class Dying(Database):
    """A database whose server is killed at its commit number `die_at`; half a commit is just before it."""

    commits = 0.0
    die_at = float("inf")

    @property
    def dead(self) -> bool:
        return self.commits >= self.die_at

    def execute(self, sql: str, params: Any = ()) -> Any:
        if self.dead and not sql.startswith(("SELECT", "ROLLBACK")):
            raise Killed
        if sql == "COMMIT":
            self.commits += 0.5  # a half: the kill came before it
            if self.commits >= self.die_at:
                raise Killed
            done = super().execute(sql, params)
            self.commits += 0.5
            if self.commits >= self.die_at:
                raise Killed
            return done
        return super().execute(sql, params)


class Parts:
    """What a server has, without what it does besides runs."""

    def __init__(self, folder: Path, plugins: Given, *, twice: bool = True) -> None:
        self.folder = DataFolder(folder)
        settings = Settings(data=folder, open_browser=False, dev=twice)
        with patch("treadle.core.Database", Dying):
            self.core = Core(settings, Clock(), self.folder, plugins)
        self.plugins, self.db, self.feed, self.secrets = plugins, self.core.db, self.core.feed, self.core.secrets
        self.runs, self.jobs, self.archive = self.core.runs, self.core.jobs, self.core.archive

    async def recover(self) -> None:
        """What a server does at its start."""
        self.jobs.recover()
        await self.runs.recover()

    async def close(self) -> None:
        """The end of a server, whether it was killed or not."""
        with suppress(Killed):
            await self.core.tasks.close()
        with suppress(Killed):
            self.jobs.close()
        connection = self.db.connection
        if connection.in_transaction:
            connection.rollback()
        self.db.close()
        self.folder.close()

    async def settled(self, key: str) -> RunView:
        """The run, when nothing of it runs any more."""
        async with asyncio.timeout(MOST_S):
            while True:
                if self.db.dead:
                    raise Killed
                tick, view = self.feed.tick, await self.runs.draw(key)
                if view.drawing.error is not None:
                    raise view.drawing.error
                step = view.drawing.open
                if view.changed or step is None or step.work is None or step.state in ("failed", "stopped"):
                    return view
                if self.feed.tick == tick:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await self.feed.wait_after(tick)

    async def begin(self, endpoint: str, value: Any = None) -> str:
        """A new run; what its first job does is waited for."""
        run: Run = await self.runs.begin(endpoint, {} if value is None else {"value": [str(value)]})
        await self.settled(run.key)
        return run.key

    async def answer(self, key: str, value: Any, slug: str = "") -> RunView:
        """Answer what is open."""
        view = await self.settled(key)
        assert view.drawing.open is not None
        await self.runs.answer(key, slug or view.drawing.open.slug, {"value": [str(value)]}, rev=view.form_rev)
        return await self.settled(key)

    async def revert(self, key: str, slug: str) -> RunView:
        await self.runs.revert(key, slug)
        return await self.settled(key)

    async def undo(self, key: str) -> RunView:
        await self.runs.undo(key)
        return await self.settled(key)


@asynccontextmanager
async def parts(folder: Path, plugins: Given, **options: Any) -> AsyncIterator[Parts]:
    """One server, from its start to its end."""
    made = Parts(folder, plugins, **options)
    try:
        await made.recover()
        yield made
    finally:
        await made.close()


def steps(view: RunView) -> list[Step]:
    """The steps of a drawing."""
    return [item for item in view.drawing.items if isinstance(item, Step)]


def values(view: RunView) -> dict[str, Any]:
    """Label to value of what is done; of an `each` a list."""
    return {step.label: list(step.value) if step.kind == "each" else step.value for step in steps(view)
            if step.state == "done"}
