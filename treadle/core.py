"""The parts of a running Treadle, wired. Held by the pages, the command line and the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Self

from .archive import Archive
from .clock import Clock
from .commands import Commands
from .config import Settings
from .context import Context
from .conversation import Conversations
from .db import Database
from .feed import Feed
from .fields.drafts import Drafts
from .fields.secrets import Secrets
from .files import Files
from .folder import DataFolder
from .jobs.engine import Jobs
from .llm import Llm
from .narrator import Narrator
from .plugins.registry import Plugins
from .plugins.watch import Watch
from .replies import Replies
from .runs import Runs
from .tasks import Tasks
from .tools import Tools


class Core:
    """Everything a page may ask for. `open` is the only way to get one."""

    def __init__(self, settings: Settings, clock: Clock, folder: DataFolder, plugins: Plugins | None = None) -> None:
        self.settings, self.clock, self.folder = settings, clock, folder
        self.db = Database(folder.path / "treadle.db")
        self.feed = Feed(self.db)
        self.tasks = Tasks()
        self.plugins = plugins or Plugins(settings)
        self.watch = Watch(self.db, self.feed, clock, self.tasks, self.plugins)
        self.files = Files(folder.path / "files", self.db, clock)
        self.secrets = Secrets(folder.path / "secrets.json", folder.secret("secrets.key"))
        self.llm = Llm(settings, self.db, self.feed, clock, self.tasks)
        self.jobs = Jobs(settings, self.db, self.feed, clock, self.tasks, self.files, self.llm)
        self.runs = Runs(self.db, self.feed, clock, self.plugins, self.files, self.secrets, twice=settings.dev)
        self.archive = Archive(self.db, self.feed, clock, self.files, self.runs)
        self.commands = Commands(self.runs, self.archive, self.jobs, self.plugins, self.files,
                                 max_upload=settings.max_upload)
        self.conversations = Conversations(self.db, self.feed, clock)
        self.context = Context(self.conversations, self.plugins, self.runs)
        self.tools = Tools(self.commands, self.runs, self.plugins, self.feed)
        self.replies = Replies(self.conversations, self.llm, self.context, self.tools, clock, self.tasks, self.db)
        self.drafts = Drafts(self.runs, self.llm, self.context, self.tasks)
        self.narrator = Narrator(self.db, self.feed, clock, self.tasks, self.plugins, self.conversations,
                                 settle_s=settings.settle_s)
        self.llm.redact = self.secrets.redact
        self.runs.jobs, self.runs.fork, self.archive.stop = self.jobs, self.archive.fork, self.jobs.stop
        self.jobs.advance, self.jobs.messages = self.runs.advance, self.context.step
        self.jobs.secrets_of = self.runs.secrets_of
        self.watch.on_reload = self.runs.reloaded

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, *, clock: Clock | None = None,
                   plugins: Plugins | None = None) -> AsyncIterator[Self]:
        """Lock the folder, check the database, settle what a kill left behind, and begin to work.

        `plugins`: instead of those of the folder. Raises `StartError`, and `StorageError` where the disk has no room
        for that. Leaving cancels the tasks, which settle what they write, and gives the folder back.
        """
        with closing(DataFolder(settings.data)) as folder:
            core = cls(settings, clock or Clock(), folder, plugins)
            try:
                core.plugins.load()
                core.watch.recover()
                core.conversations.recover()
                core.narrator.recover()
                core.archive.recover()
                core.jobs.recover()
                await core.runs.recover()
                core.llm.start()
                core.replies.start()
                core.narrator.start()
                core.watch.start()
                core.tasks.start(core.db.check_large(), name="check of the database")
                yield core
            finally:
                await core.tasks.close()
                core.jobs.close()
                core.db.close()
