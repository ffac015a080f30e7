"""What is made for a terminal with rich, as text with a few marks."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Iterator
from typing import Any

WIDTH = 96       # columns; what is wider scrolls
LONGEST = 200_000  # characters that are drawn


def spans(thing: Any) -> Iterator[tuple[str, str]]:
    """Its text in pieces, each with its marks: "b" bold, "i" italic, and at most one colour of code, k s m f c.

    Drawn by rich, in a thread. Raises whatever the thing raises when it is drawn.
    """
    from rich.console import Console

    console = Console(file=io.StringIO(), width=WIDTH, force_terminal=True, color_system="truecolor", emoji=False)
    left = LONGEST
    for segment in console.render(thing, console.options):
        if segment.control or left <= 0:
            continue
        text, left = segment.text[:left], left - len(segment.text)
        style = segment.style
        if style is None:
            yield "", text
            continue
        marks = ("b" if style.bold else "") + ("i" if style.italic else "")
        yield marks + ("c" if style.dim else _color(style.color)), text
    if left <= 0:
        yield "c", "\n… and more than can be shown."


def _color(color: Any) -> str:
    """The nearest colour of code: one that can be read in light and dark."""
    if color is None or color.is_default:
        return ""
    red, green, blue = (part / 255 for part in color.get_truecolor())
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    if saturation < 0.25:
        return "c" if 0.3 < value < 0.75 else ""
    return "m" if hue < 0.19 or hue > 0.92 else "s" if hue < 0.45 else "f" if hue < 0.72 else "k"
