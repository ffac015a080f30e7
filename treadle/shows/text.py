"""Text in Markdown."""

from __future__ import annotations

import re

_MARKS = re.compile(r"([!-/:-@\[-`{-~])")  # every ASCII punctuation mark, which Markdown allows to be escaped


def plain(value: object) -> str:
    """A value for Markdown that is shown literally: `ui.show(f"Hello, **{plain(name)}**")`. Its lines stay lines."""
    text = _MARKS.sub(r"\\\1", "\n".join(str(value).splitlines()))
    text = re.sub(r"(?m)^[ \t]+", lambda space: "\u00a0" * len(space[0].expandtabs(4)), text)  # no code by indenting
    return re.sub(r"(?<=[^\n])\n(?=[^\n])", "\\\n", text)  # a line end that Markdown would fold into a space
