"""What plugins import: `from treadle import workflow`. Nothing inside this package is for them.

What costs something to import comes when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .fields import Accept, Email, Json, LongText, Markdown, Range, Secret, Upload, Url
from .workflow import workflow

if TYPE_CHECKING:
    from .files import File
    from .shows import Table, plain
    from .ui import Ui

__all__ = ["Accept", "Email", "File", "Json", "LongText", "Markdown", "Range", "Secret", "Table", "Ui", "Upload", "Url",
           "plain", "workflow"]

_LATE = {"File": "files", "Table": "shows", "Ui": "ui", "plain": "shows"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'treadle' has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    globals()[name] = value
    return value
