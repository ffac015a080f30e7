"""Every error Treadle raises on purpose: what happened, to what, and what to do next.

TreadleError                 500  something of ours failed
├── StartError                    the server cannot start; one sentence for the terminal
├── StorageError             507  the disk is full, read-only or damaged
├── PluginError              500  an author's file is wrong; names the file and line
│   └── MissingPackage            it imports a package that is not installed
├── ModelError               502  the model's server failed while it answered
│   ├── OllamaDown                nothing answers at the configured address
│   └── ModelMissing              the chosen model is not pulled
└── Refused                  4xx  the request cannot be carried out; nothing was changed
    ├── NotFound             404  no such page, run, file or conversation
    ├── Conflict             409  somebody was faster, or the state does not allow it
    ├── TooLarge             413  over a limit that is named
    └── InvalidAnswer        422  a value was refused; belongs to a field
"""

from __future__ import annotations


class TreadleError(Exception):
    """A message for a person, and a hint that says what to do next.

    `status` is the HTTP status an answer carries; the core itself knows no HTTP.
    """

    status = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class StartError(TreadleError):
    """The server cannot start. `server.py` prints the message and ends with exit code 1."""


class StorageError(TreadleError):
    """The disk refused: full, read-only or damaged. What was answered before is kept."""

    status = 507


class PluginError(TreadleError):
    """An author's file is wrong. `file` and `line` (from 1; 0 is unknown) say where; `details` is the traceback."""

    def __init__(self, message: str, *, file: str = "", line: int = 0, details: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.line = line
        self.details = details


class MissingPackage(PluginError):
    """An author's file imports a package that is not installed. The hint is the command that installs it."""

    package = ""


class ModelError(TreadleError):
    """The model's server failed while it answered: an error status, a broken line, silence, a cut connection."""

    status = 502


class OllamaDown(ModelError):
    """Nothing answers at the configured address."""


class ModelMissing(ModelError):
    """The chosen model is not pulled."""


class Refused(TreadleError):
    """The request cannot be carried out as it is. Nothing was changed."""

    status = 400


class NotFound(Refused):
    """No such page, run, file or conversation."""

    status = 404


class Conflict(Refused):
    """Somebody was faster, or the state does not allow it."""

    status = 409


class TooLarge(Refused):
    """Over a limit; the message names the limit."""

    status = 413


class InvalidAnswer(Refused):
    """A value was refused. `field` is the name of the form field it belongs to.

    `fields`: of a form of several, the sentence at each name; "" is the form as a whole.
    """

    status = 422

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field
        self.fields: dict[str, str] = {}
