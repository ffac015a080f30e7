"""Text, and what JSON holds, that can be kept, sent and shown."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

STORED_LEVELS = 400  # of what is nested in a stored value, which is read where Python is deep already


def storable(text: str) -> str:
    """The text as UTF-8 can hold it: halves of a surrogate pair are joined, a lone half becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def deeper(value: Any, levels: int) -> bool:
    """Whether what JSON holds is nested deeper: what draws it, and what checks it, calls itself for each level."""
    layer = [value]
    for _ in range(levels):
        layer = [each for part in layer for each in (part.values() if isinstance(part, dict) else part)
                 if isinstance(each, dict | list | tuple)] if isinstance(value, dict | list | tuple) else []
        if not layer:
            return False
    return True


def one_line(text: str, length: int) -> str:
    """The text as one line of at most `length` characters; what is cut off is an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[:length - 1].rstrip() + "…"


def span(seconds: float) -> str:
    """A stretch of time: "0.8 s", "40 s", "2 min", "1 h 5 min"."""
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def counted(number: int, word: str, words: str = "") -> str:
    """A number and what it counts: "1 row", "1,200 rows". `words`: of several, where that is not `word` and an s."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def install(*packages: str) -> str:
    """The command that installs packages where this process has its own, as a shell takes it."""
    import shlex

    return shlex.join([sys.executable, "-m", "pip", "install", *packages])


LONG = 12  # characters of a secret that is looked for in data; what is shorter is in too much that is none
SHORTEST = 4  # of one that is looked for in what its own run keeps
GONE = "[secret]"  # what stands in its place

_hidden: list[str] = []
_forms: list[str] = []  # in which long ones stand in HTML and in JSON


def hide(secret: str) -> None:
    """Never write `secret`, wherever it may turn up: in the log, in what an error says."""
    if secret not in _hidden:
        _hidden.append(secret)
        if len(secret) >= LONG and not secret.isdecimal():
            once = json.dumps(secret, ensure_ascii=False)[1:-1]
            quoted = {secret, once, json.dumps(once, ensure_ascii=False)[1:-1]}  # a stored value is JSON in JSON
            _forms.extend({escape(secret), escape(secret, quote=False), *quoted, *map(in_html, quoted)})


def for_others(text: str) -> str:
    """A text that leaves the app, HTML or JSON or as it is, with dots for each long secret, also one that its author
    has returned or shown. A number stays one."""
    for form in _forms:
        text = text.replace(form, "...")
    return text


def cover(value: Any, secrets: Sequence[str]) -> Any:
    """What JSON holds, or a text, without these secrets of its own run, also as they stand in a URL. One of fewer than
    `LONG` characters, or of digits alone, is taken out as a word of its own; below `SHORTEST`, and where it is a
    number, it stays."""
    found = _where(tuple(sorted(secrets)))
    if found is None:
        return value
    if isinstance(value, str):
        return found.sub(GONE, value)
    if isinstance(value, dict):
        return {cover(name, secrets): cover(inner, secrets) for name, inner in value.items()}
    return [cover(inner, secrets) for inner in value] if isinstance(value, list | tuple) else value


@lru_cache(maxsize=16)
def _where(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    forms: dict[str, str] = {}
    for secret in secrets:
        whole = len(secret) < LONG or secret.isdecimal()
        for form in (secret, quote(secret, safe=""), quote_plus(secret), escape(secret),
                     json.dumps(secret, ensure_ascii=False)[1:-1]) if len(secret) >= SHORTEST else ():
            forms[form] = rf"(?<!\w){re.escape(form)}(?!\w)" if whole else re.escape(form)
    return re.compile("|".join(forms[form] for form in sorted(forms, key=len, reverse=True))) if forms else None


def in_html(text: str) -> str:
    """JSON in which no character means anything to HTML."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def without_secrets(text: str) -> str:
    """The text with dots for all that is to be hidden."""
    for secret in _hidden:
        text = text.replace(secret, "...")
    return text
