"""What a show can draw. No library of these things is imported before a plugin imports it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from numbers import Number
from os import PathLike
from typing import Any

from ..files import File
from ..results import Results
from . import frames
from .pictures import is_chart, is_picture
from .table import Table
from .text import plain
from .things import Code, Diagram, Download, Graph, Image

__all__ = ["Code", "Diagram", "Download", "Graph", "Image", "Table", "check", "kind", "plain"]

_OURS: dict[type, str] = {Table: "table", Code: "code", Diagram: "diagram", Graph: "graph", Download: "download"}
CAN = ("Markdown text, Table, Code, Diagram, Graph, Image, Download, a file of the run, a figure of matplotlib, "
       "plotly or altair, a picture, a frame of pandas or polars, something of rich, or FastHTML components")


def kind(thing: Any) -> str:
    """How it is drawn: text, table, frame, code, diagram, graph, plotly, altair, picture, rich, component, file or
    download. Raises `TypeError` with a sentence for the author when it cannot be shown.
    """
    if (ours := _OURS.get(type(thing))) is not None:
        return ours
    if isinstance(thing, str | Number):
        return "text"
    if is_picture(thing):
        return "picture"
    for library in ("plotly", "altair"):
        if is_chart(thing, library):
            return library
    if isinstance(thing, File):
        return "file"
    if isinstance(thing, Image):
        raise TypeError(f"Image takes a picture, not {_name(thing.source)}: a file of the run, bytes, a PIL image or a "
                        "figure of matplotlib.")
    if isinstance(thing, type):
        raise TypeError(f"The class {thing.__name__} cannot be shown, only a {thing.__name__} that was made.")
    if frames.is_frame(thing):
        _few(thing)
        return "frame"
    if hasattr(thing, "__html__") or hasattr(thing, "__ft__"):
        return "component"
    if hasattr(thing, "__rich_console__") or hasattr(thing, "__rich__"):
        return "rich"
    raise TypeError(f"{_name(thing)} cannot be shown. {_instead(thing)}")


def check(thing: Any) -> None:
    """Raise `TypeError` with a sentence for the author when this cannot be shown."""
    kind(thing)


def _few(frame: Any) -> None:
    try:
        Table(frame)
    except ValueError as error:
        raise TypeError(f"{error} Show its head(), or what a job made of it.") from None


def _name(thing: Any) -> str:
    return type(thing).__name__


def _instead(thing: Any) -> str:
    """What to pass instead, where that can be guessed."""
    if thing is None:
        return "What was to be shown is None: did the function return it?"
    if isinstance(thing, list | tuple | Results):
        return "Show Table(rows) of rows, and things one by one: ui.show(*things)."
    if isinstance(thing, Mapping):
        return "Show Table([row]) or Code(json.dumps(value, indent=2), 'json')."
    if isinstance(thing, bytes | bytearray):
        return "These bytes are no PNG, JPEG, GIF, WebP or SVG; offer others by Download(bytes, name)."
    if inspect.isawaitable(thing):
        return "Write `await` before it."
    if frames.made_by(thing, "polars", "LazyFrame"):
        return "Show what its collect() gives."
    if frames.made_by(thing, "matplotlib", "Axes"):
        return "Show the figure it belongs to: ax.figure."
    if isinstance(thing, PathLike):
        return "Read it in a job, and show what that returned."
    if callable(thing):
        return "Call it, and show what it returns."
    return f"Show {CAN}."


