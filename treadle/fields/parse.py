"""What people type, read as values; and every refusal as a sentence that can stand by a field."""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ..errors import InvalidAnswer
from ..text import counted, deeper, one_line, storable

QUOTED = 60  # characters of an answer that a refusal repeats
LEVELS = 100  # of JSON that is nested, as it is typed
WHOLE_LIMIT = 2**53 - 1  # what JSON and a browser hold exactly
_GROUPS = r"(\d+|\d{1,3}(?:([,_'\u2019 \u00a0\u2009\u202f])\d{3})(?:\2\d{3})*)"
_GROUPED = re.compile(rf"[+-]?{_GROUPS}")
_DECIMAL = re.compile(rf"[+-]?(?:{_GROUPS}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{{1,3}})?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)*")


def refused(message: str, hint: str = "") -> InvalidAnswer:
    """An answer that cannot be taken, said at its field."""
    return InvalidAnswer(storable(message), field="value", hint=hint)


def whole(text: str) -> int:
    """A whole number as people write it: 1000, 1,000, 1 000. Not 1.000, which is one in half of the world."""
    text = text.replace("\u2212", "-")
    if _GROUPED.fullmatch(text) is None:
        raise refused(f"This is no whole number: {one_line(text, QUOTED)}.", "Use digits only.")
    digits = re.sub(r"[^\d+-]", "", text)
    if len(digits) > 40:
        raise refused(f"A number of {len(digits):,} digits is over the limit of {WHOLE_LIMIT:,}.")
    return int(digits)


def number(text: str) -> float:
    """A number with decimals after a point. A comma groups thousands, as in `whole`; 1,5 is refused, not guessed."""
    text = text.replace("\u2212", "-")
    if _DECIMAL.fullmatch(text) is None:
        hint = "Write decimals after a point, as in 1.5." if "," in text else "Use digits and a point."
        raise refused(f"This is no number: {one_line(text, QUOTED)}.", hint)
    value = float(re.sub(r"[^\d.eE+-]", "", text))
    if not math.isfinite(value):
        raise refused(f"This number is too large: {one_line(text, QUOTED)}.")
    return value


def day(text: str) -> date:
    """A date as a browser sends it: 2026-11-18."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise refused(f"This is no date: {one_line(text, QUOTED)}.", "Write it as in 2026-11-18.") from None


def moment(text: str) -> datetime:
    """A date and a time: 2026-11-18T14:05, also with a space between."""
    try:
        return local(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise refused(f"This is no date and time: {one_line(text, QUOTED)}.", "Write it as in 2026-11-18 14:05."
                      ) from None


def local(value: datetime) -> datetime:
    """The time on this computer's clock. One with a zone is moved into it."""
    return value.astimezone().replace(tzinfo=None) if value.tzinfo is not None else value


def url(text: str) -> str:
    """A web address, as it was typed."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or re.search(r"\s", text):
        raise refused("This is no full address: begin with https:// and name a host.")
    return text


def email(text: str) -> str:
    """An email address: a name, an @, a host."""
    if _EMAIL.fullmatch(text) is None or len(text) > 254:
        raise refused(f"This is no email address: {one_line(text, QUOTED)}.", "Write it as in name@example.org.")
    return text


def data(text: str) -> Any:
    """JSON as RFC 8259 has it, so without NaN."""
    def constant(name: str) -> Any:
        raise refused(f"This is no JSON: {name} is no number in it.")

    try:
        found = json.loads(text, parse_constant=constant)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        raise refused(f"This is no JSON: {what} in line {error.lineno}, column {error.colno}.") from None
    except (ValueError, RecursionError):
        raise refused("This JSON is nested too deeply, or holds a number that is too long.") from None
    if deeper(found, LEVELS):
        raise refused(f"This JSON is nested too deeply; the limit is {LEVELS} levels.")
    return found


@lru_cache(maxsize=512)
def adapter(hint: Any) -> Any:
    """What pydantic makes of a type. Raises its errors where it can make nothing of it."""
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # a model or a dataclass brings its own
        return TypeAdapter(hint)


def prepare() -> None:
    """Import what checks with pydantic, 0.1 s of CPU: before the time of whoever is first to need it begins."""
    import pydantic.dataclasses  # noqa: F401

    adapter(int)


def sentence(error: Any, label: str) -> str:
    """One entry of pydantic's `errors()` in our words. What an author's validator says is theirs."""
    kind, known, given = error["type"], error.get("ctx", {}), error["input"]
    shown = f"{given:,}" if isinstance(given, int | float) and not isinstance(given, bool) else one_line(str(given),
                                                                                                        QUOTED)
    if kind in ("value_error", "assertion_error"):
        return str(known["error"]) or "This answer was refused."
    if kind in _WORDS:
        count = len(given) if hasattr(given, "__len__") else 0
        marks = {name: f"{value:,}" if isinstance(value, int | float) else value for name, value in known.items()}
        return _WORDS[kind].format_map({"given": shown, "label": label, "count": f"{count:,}",
                                        "characters": counted(count, "character")} | marks)
    return f"{shown} does not fit here."


_WORDS = {
    "greater_than": "{given} is not over {gt}.", "greater_than_equal": "{given} is under the limit of {ge}.",
    "less_than": "{given} is not under {lt}.", "less_than_equal": "{given} is over the limit of {le}.",
    "multiple_of": "{given} is no multiple of {multiple_of}.",
    "string_too_short": "{label} is {characters}; the least is {min_length}.",
    "string_too_long": "{label} is {characters}; the limit is {max_length}.",
    "string_pattern_mismatch": "{given} does not have the form that is asked for: {pattern}.",
    "too_short": "{count} chosen; the least is {min_length}.", "too_long": "{count} chosen; the limit is {max_length}.",
    "date_past": "{given} is not in the past.", "date_future": "{given} is not in the future.",
    "datetime_past": "{given} is not in the past.", "datetime_future": "{given} is not in the future.",
    "missing": "{label} is missing.", "path_not_file": "There is no file {given}.",
    "path_not_directory": "There is no folder {given}.", "path_exists": "{given} is there already.",
}

CHECKS = {"url": url, "email": email}
