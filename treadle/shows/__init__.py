"""What a show can draw: Markdown text, a Table, a file of the run, FastHTML components."""

from __future__ import annotations

from typing import Any

from .table import Table
from .text import plain

__all__ = ["Table", "check", "plain"]


def check(thing: Any) -> None:
    """Raise `TypeError` with a sentence for the author when this cannot be shown."""
    from ..files import File

    if isinstance(thing, str | int | float | Table | File) or hasattr(thing, "__html__") or hasattr(thing, "__ft__"):
        return
    raise TypeError(f"{type(thing).__name__} cannot be shown. Show Markdown text, a Table, a file of the run "
                    "or FastHTML components.")
