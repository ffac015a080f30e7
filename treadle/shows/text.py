"""Text in Markdown."""

from __future__ import annotations

import re

# what may mean something in Markdown; the rest stays as it was typed, as a file is read as it is too: O'Neil-Smith, J.
_MARKS = re.compile(r"([#&*+<=>\[\\\]_`|~]|(?<!\w)-|-(?!\w)|(?<=\d)[.)](?=\s|$))")


def plain(value: object) -> str:
    """A value for Markdown that is shown literally: `ui.show(f"Hello, **{plain(name)}**")`. Its lines stay lines."""
    text = _MARKS.sub(r"\\\1", "\n".join(line if line.strip() else "" for line in str(value).splitlines()))
    text = re.sub(r"(?m)^[ \t]+", lambda space: "\u00a0" * len(space[0].expandtabs(4)), text)  # no code by indenting
    return re.sub(r"(?<=[^\n])\n(?=[^\n])", "\\\n", text)  # a line end that Markdown would fold into a space
