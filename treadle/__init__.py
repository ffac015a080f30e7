"""What plugins import: `from treadle import workflow`. Nothing inside this package is for them.

What costs something to import comes when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import InvalidAnswer
from .fields.types import Accept, Email, Json, LongText, Markdown, Range, Secret, Upload, Url
from .workflow import page, tool, workflow

if TYPE_CHECKING:
    from .files import File
    from .jobs.progress import Progress, Stopped
    from .results import Failed, Results
    from .shows import Code, Diagram, Download, Graph, Image, Table, plain
    from .ui import Ui

__all__ = ["Accept", "Code", "Diagram", "Download", "Email", "Failed", "File", "Graph", "Image", "InvalidAnswer",
           "Json", "LongText", "Markdown", "Progress", "Range", "Results", "Secret", "Stopped", "Table", "Ui", "Upload",
           "Url", "page", "plain", "tool", "workflow"]

_LATE = {"Code": "shows", "Diagram": "shows", "Download": "shows", "Failed": "results", "File": "files",
         "Graph": "shows", "Image": "shows", "Progress": "jobs.progress", "Results": "results",
         "Stopped": "jobs.progress", "Table": "shows", "Ui": "ui", "plain": "shows"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'treadle' has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    globals()[name] = value
    return value
