"""The types an author may ask for: read from a form, checked, stored as JSON, described."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NewType

from .errors import InvalidAnswer, NotFound
from .files import File, FileId
from .text import one_line, storable

LongText = NewType("LongText", str)  # text of several lines
OpenFile = Callable[[str], File]  # the file of an id; raises `NotFound`
Kind = Literal["text", "long_text", "whole_number", "yes_no", "choice", "upload"]

QUOTED = 60  # characters of an answer that a refusal repeats
WHOLE_LIMIT = 2**53 - 1  # what JSON and a browser hold exactly
SUPPORTED = "str, int, bool, LongText, Literal[...] or Upload, or one of them with `| None`"
_GROUPED = re.compile(r"[+-]?(\d+|\d{1,3}(?:([,_'\u2019 \u00a0\u2009\u202f])\d{3})(?:\2\d{3})*)")


class Upload:
    """The type to ask for a file. The answer is a `File`."""


def _refused(message: str, hint: str = "") -> InvalidAnswer:
    return InvalidAnswer(message, field="value", hint=hint)


@dataclass(frozen=True)
class FieldSpec:
    """One field of a form. `options` are the texts of a choice, `values` what they stand for.

    An optional field that is left empty gives None when the type says `| None`, else its default.
    """

    kind: Kind
    label: str
    optional: bool = False
    options: tuple[str, ...] = ()
    default: Any = None
    help: str = ""
    placeholder: str = ""
    max_length: int | None = None
    values: tuple[Any, ...] = ()
    nullable: bool = False

    def parse(self, raw: Sequence[str | FileId], *, open_file: OpenFile | None = None) -> Any:
        """What was sent in a form, as a value. Of an upload: its `FileId`, or the `File` when `open_file` is given.

        Raises `InvalidAnswer` with a sentence that stands by the field.
        """
        given = raw[-1] if raw else ""
        if self.kind == "yes_no":
            return given.strip().lower() in ("yes", "true", "on", "1")
        if not given.strip():
            return self._empty()
        if self.kind == "upload":
            if not isinstance(given, FileId):
                raise _refused("This is no file: choose one.")
            return given if open_file is None else open_file(given)
        if isinstance(given, FileId):
            raise _refused("This is a file; type the answer.")
        if self.kind == "whole_number":
            return self._checked(_whole(given.strip()))
        if self.kind == "choice":
            if given not in self.options:
                raise _refused(f"{one_line(given, QUOTED)} is none of the choices.", "Choose one.")
            return self.values[self.options.index(given)]
        return self._checked(given.strip() if self.kind == "text" else given.replace("\r\n", "\n"))

    def _empty(self) -> Any:
        if self.nullable:
            return None
        if self.default is not None:
            return self.default
        raise _refused(_EMPTY.get(self.kind, "This is empty: type an answer."))

    def _checked(self, value: Any) -> Any:
        """The value itself, if it is one of this field's. Raises `InvalidAnswer`."""
        if value is None and self.nullable:
            return None
        if self.kind == "choice":
            for option in self.values:
                if option == value and type(option) is type(value):
                    return option
            raise _refused(f"{one_line(str(value), QUOTED)} is none of the choices.", "Choose one.")
        if self.kind == "yes_no" and isinstance(value, bool):
            return value
        if self.kind == "whole_number" and isinstance(value, int) and not isinstance(value, bool):
            if abs(value) > WHOLE_LIMIT:
                over, limit = ("over", WHOLE_LIMIT) if value > 0 else ("under", -WHOLE_LIMIT)
                raise _refused(f"{value:,} is {over} the limit of {limit:,}.")
            return value
        if self.kind in ("text", "long_text") and isinstance(value, str):
            if self.max_length is not None and len(value) > self.max_length:
                raise _refused(f"{self.label} is {len(value):,} characters; the limit is {self.max_length:,}.",
                               "Shorten it.")
            if storable(value) != value:
                raise _refused("This text holds half a character, which cannot be stored.", "Type it again.")
            return value
        raise _refused(f"{one_line(str(value), QUOTED)} does not fit: {self.label} is {_NAMES[self.kind]}.")

    def to_json(self, value: Any) -> str:
        """The value as it is stored. Raises `InvalidAnswer` when it is none of this field's."""
        if self.kind == "upload" and value is not None:
            value = {"file": str(getattr(value, "id", value))}
        elif self.kind != "upload" or not self.nullable:
            value = self._checked(value)
        return json.dumps(value, ensure_ascii=False)

    def from_json(self, text: str, *, open_file: OpenFile | None = None) -> Any:
        """The stored value, fresh at each call. Raises `InvalidAnswer` when it no longer fits, `NotFound` of a file."""
        value = json.loads(text)
        if self.kind != "upload":
            return self._checked(value)
        if value is None and self.nullable:
            return None
        if not isinstance(value, dict):
            raise _refused("This is no file: choose one.")
        id = FileId(value["file"])
        return id if open_file is None else open_file(id)

    def proposal(self, text: str, *, open_file: OpenFile | None = None) -> Any:
        """What an old answer offers as a default: the value where it fits, what was typed where that can be edited."""
        try:
            return self.from_json(text, open_file=open_file)
        except (InvalidAnswer, NotFound):
            value = json.loads(text)
            editable = self.kind in ("text", "long_text") and type(value) in (str, int)
            return str(value) if editable else self.default
        except ValueError:  # it is no JSON
            return self.default

    def text(self, value: Any) -> str:
        """What a person would type for this value; of a file its name."""
        if value is None:
            return ""
        if isinstance(value, bool) and self.kind == "yes_no":
            return "Yes" if value else "No"
        if self.kind == "choice":
            return next((text for text, option in zip(self.options, self.values, strict=True)
                         if option == value and type(option) is type(value)), str(value))
        return str(getattr(value, "name", value))


def file_ids(stored: Iterable[str | None]) -> list[str]:
    """The ids of the files in stored values."""
    return [json.loads(text)["file"] for text in stored if text is not None and text.startswith('{"file":')]


_EMPTY = {"choice": "Nothing is chosen: choose one.", "upload": "No file is chosen: choose one.",
          "whole_number": "This is empty: type a whole number."}
_NAMES = {"text": "a text", "long_text": "a text", "whole_number": "a whole number", "yes_no": "yes or no",
          "choice": "a choice", "upload": "a file"}


def _whole(text: str) -> int:
    """A whole number as people write it: 1000, 1,000, 1 000. Not 1.000, which is one in half of the world."""
    text = text.replace("\u2212", "-")
    if _GROUPED.fullmatch(text) is None:
        raise _refused(f"This is no whole number: {one_line(text, QUOTED)}.", "Use digits only.")
    digits = re.sub(r"[^\d+-]", "", text)
    if len(digits) > 40:
        raise _refused(f"A number of {len(digits):,} digits is over the limit of {WHOLE_LIMIT:,}.")
    return int(digits)


def field(label: str, hint: Any, *, default: Any = None, help: str = "", placeholder: str = "",
          max_length: int | None = None) -> FieldSpec:
    """Describe the field for one question. Raises `TypeError` that names what cannot be asked for."""
    core, nullable = _without_none(hint)
    kind, options, values = _kind(label, hint, core, nullable)
    if max_length is not None and kind not in ("text", "long_text"):
        raise TypeError(f"max_length= of {label!r} is for text, not for {_name(hint)}.")
    spec = FieldSpec(kind, label, optional=kind != "yes_no" and (nullable or default is not None), options=options,
                     default=default, help=help, placeholder=placeholder, max_length=max_length, values=values,
                     nullable=nullable)
    if default is not None:
        if kind == "upload":
            raise TypeError(f"default= of {label!r}: a file has none.")
        try:
            spec._checked(default)
        except InvalidAnswer as error:
            raise TypeError(f"default= of {label!r}: {error.message}") from None
    return spec


def _without_none(hint: Any) -> tuple[Any, bool]:
    """`T | None` as (T, True), everything else as it is."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        rest = [part for part in typing.get_args(hint) if part is not types.NoneType]
        if len(rest) == 1 and len(typing.get_args(hint)) == 2:
            return rest[0], True
    return hint, False


def _kind(label: str, hint: Any, core: Any, nullable: bool) -> tuple[Kind, tuple[str, ...], tuple[Any, ...]]:
    plain: list[tuple[Any, Kind]] = [(str, "text"), (LongText, "long_text"), (int, "whole_number"), (Upload, "upload")]
    for known, kind in plain:
        if core is known:
            return kind, (), ()
    if core is bool:  # three states need three things to choose from, one of them nothing
        return ("choice", ("Yes", "No"), (True, False)) if nullable else ("yes_no", (), ())
    if typing.get_origin(core) is Literal:
        values = typing.get_args(core)
        options = tuple(str(value) for value in values)
        if len(set(options)) < len(options) or not all(isinstance(value, str | int) for value in values):
            raise TypeError(f"The choices of {label!r} are texts or numbers, each once: {_name(hint)}.")
        return "choice", options, values
    raise TypeError(f"{_name(hint)} is no type to ask for, as {label!r} does. Use {SUPPORTED}.")


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")
