"""What the block tokens of the parser say about the end of a text."""

from __future__ import annotations

from typing import Any


def groups_of(tokens: list[Any]) -> list[list[Any]]:
    """The tokens of each top-level block."""
    found: list[list[Any]] = []
    start = 0
    for at, token in enumerate(tokens):
        if token.nesting <= 0 and token.level == 0 and token.type != "inline":
            found.append(tokens[start:at + 1])
            start = at + 1
    return found


def items_of(group: list[Any]) -> tuple[list[int], list[Any]]:
    """A list without its first item: where its items begin, and its tokens."""
    second = next(at for at, token in enumerate(group) if token.type == "list_item_close" and token.level == 1) + 1
    rest = [group[0], *group[second:]]
    return [at for at, token in enumerate(rest) if token.type == "list_item_open" and token.level == 1], rest


def last_of(tokens: list[Any]) -> int:
    """The index of the last token that closes nothing."""
    return next(at for at in range(len(tokens) - 1, -1, -1) if tokens[at].nesting >= 0)


def tip_of(tokens: list[Any]) -> Any:
    """What a text ends in and may go on with: an `inline` token or one of code; else None."""
    if not tokens:
        return None
    at = last_of(tokens)
    in_cell = at and tokens[at - 1].type in ("th_open", "td_open")
    return tokens[at] if tokens[at].type in ("inline", "fence", "code_block") and not in_cell else None


def open_fence(tokens: list[Any], source: str) -> str:
    """The sign of the fence a text ends in, if it has not been closed."""
    tip = tip_of(tokens)
    if tip is None or tip.type != "fence":
        return ""
    sign: str = tip.markup[0]
    last = source[:-1].rpartition("\n")[2].strip(" \t>")
    closed = tip.map[1] - tip.map[0] > 1 and len(last) >= len(tip.markup) and not last.strip(sign)
    return "" if closed else sign


def empty_cells(group: list[Any]) -> int:
    """Cells of a table that hold nothing."""
    return sum(token.type == "inline" and not token.content for token in group)


def dedent(line: str, indent: int) -> str:
    """A line of a fence that is indented itself."""
    if not indent:
        return line
    if "\t" in line[:indent]:
        line = line.expandtabs(4) if line[:indent].strip(" \t") == "" else line
    spaces = len(line) - len(line.lstrip(" "))
    return line[min(indent, spaces):]
