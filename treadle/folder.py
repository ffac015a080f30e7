"""The data folder: one server at a time, private to its owner."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
from pathlib import Path
from typing import IO, Any

from .errors import StartError

ADDRESS = re.compile(r"http://[0-9a-z.:\[\]]{1,80}")
SHORTEST = 16  # characters of a secret; a shorter one is no secret


def private(file: str, flags: int) -> int:
    """An opener: a file that is made is its owner's alone."""
    return os.open(file, flags, 0o600)


class DataFolder:
    """A locked data folder. The lock is held until `close` or the end of the process, however it ends."""

    def __init__(self, path: Path) -> None:
        """Raises `StartError` when the folder cannot be written or another server holds it."""
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in ("files", "logs", "code"):
                (path / name).mkdir(mode=0o700, exist_ok=True)
                (path / name).chmod(0o700)  # one that was there before may have been open to others
            self._lock: IO[str] = open(  # noqa: SIM115 - held open for the life of the server
                path / "lock", "a+", opener=private)  # who can read it can hold it
        except OSError as error:
            raise StartError(f"The data folder {path} cannot be written: {error.strerror or error}.",
                             hint="Choose another folder with --data.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            where = self._address()
            raise StartError(f"Another Treadle{where} already uses the data folder {path}.",
                             hint="Open that one, end it, or choose another folder with --data.") from error

    def _address(self) -> str:
        try:
            address = json.loads((self.path / "server.json").read_text())["address"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return ""  # no address is known; the sentence does without
        return f" at {address}" if ADDRESS.fullmatch(str(address)) else ""

    def secret(self, name: str) -> str:
        """The secret kept under `name`, made at the first call: 128 bits, readable by the owner only.

        Raises `StartError` when it can be neither read nor made.
        """
        file = self.path / name
        try:
            if file.exists():
                file.chmod(0o600)
                if len(kept := file.read_text().strip()) >= SHORTEST:  # a loss of power may have left an empty file
                    return kept
            self._write(name, made := secrets.token_urlsafe(16))
        except (OSError, ValueError) as error:
            raise StartError(f"The secret {file} cannot be used: {getattr(error, 'strerror', '') or 'it is no text'}.",
                             hint="Remove it, and a new one is made.") from error
        return made

    def announce(self, **facts: Any) -> None:
        """Say where this server listens, for commands beside it. Counts only while the lock is held."""
        self._write("server.json", json.dumps(facts))

    def _write(self, name: str, text: str) -> None:
        partial = self.path / f".{name}.partial"
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        partial.replace(self.path / name)  # never half a file, whatever happens

    def close(self) -> None:
        """Give the folder back."""
        (self.path / "server.json").unlink(missing_ok=True)
        self._lock.close()
