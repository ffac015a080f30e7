"""Secrets by id, in a file of their own that only its owner can read. A row of the database holds the id alone."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import NotFound, StartError, StorageError
from ..text import GONE, hide
from .spec import SECRET, Secret, references

SHORTEST = 6  # characters of a secret that is looked for in texts; what is shorter is in every other word
HELD = 100


class Secrets:
    """All that runs were told in confidence. No log, export or run file holds them, and the model is not sent them."""

    def __init__(self, path: Path, seal: str = "") -> None:
        """`seal`: the key of digests of what holds one. Raises `StartError` when the file cannot be read; it is left as
        it is."""
        self._path, self.seal = path, seal.encode()
        self._saving = asyncio.Lock()
        self._held: dict[tuple[str, str], Secret] = {}  # of refused forms
        self._fresh: set[str] = set()  # kept, and perhaps not in a row yet
        try:
            self._known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise StartError(f"The secrets in {path} cannot be read: {error}.",
                             hint="Mend it, or remove it: what it held is asked for again.") from error
        for text in self._known.values():
            self.hide(text)

    def keep(self, text: str) -> str:
        """Take a secret, and give its id. It is on the disk after `save`."""
        id = SECRET + secrets.token_hex(16)
        self._known[id] = text
        self._fresh.add(id)
        self.hide(text)
        return id

    def get(self, id: str) -> Secret:
        """The secret with this id. Raises `NotFound`."""
        if id not in self._known:
            raise NotFound("This secret is not kept here.", hint="Type it again.")
        return Secret(self._known[id])

    @property
    def empty(self) -> bool:
        """Whether nothing was told in confidence, in any run."""
        return not self._known

    def of(self, stored: Iterable[str | None]) -> Sequence[str]:
        """Those that these stored answers name."""
        return [self._known[id] for id in dict.fromkeys(references(stored)) if id in self._known]

    def hold(self, owner: str, step: str, text: str) -> None:
        """Remember what came with a refused form, in memory and for the last `HELD` of them."""
        self._held.pop((owner, step), None)
        self._held[owner, step] = Secret(text)
        if len(self._held) > HELD:
            del self._held[next(iter(self._held))]

    def held(self, owner: str, step: str) -> Secret | None:
        """What waits for the answer of a refused form."""
        return self._held.get((owner, step))

    async def save(self) -> None:
        """Bring all of them to the disk, whole or not at all. Raises `StorageError`."""
        async with self._saving:
            text = json.dumps(self._known)
            try:
                await asyncio.to_thread(self._write, text)
            except OSError as error:
                raise StorageError(f"The disk refused to keep a secret: {error.strerror or error}.",
                                   hint="Make room, then try again.") from error

    async def sweep(self, stored: Iterable[str | None]) -> None:
        """Forget those that none of the `stored` answers names. Those just given stay: their row may be on its way."""
        named = set(references(stored))
        self._fresh -= named
        gone = self._known.keys() - named - self._fresh
        for id in gone:
            del self._known[id]
        if gone:
            await self.save()

    def redact(self, text: str) -> str:
        """The text without any secret that is known here."""
        for secret in self._known.values():
            if len(secret) >= SHORTEST:
                text = text.replace(secret, GONE)
        return text

    def hide(self, text: str) -> None:
        """From now on no line of the log and no error shows it."""
        if len(text) >= SHORTEST:
            hide(text)

    def _write(self, text: str) -> None:
        partial = self._path.with_suffix(".partial")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
