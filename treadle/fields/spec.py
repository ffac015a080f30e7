"""One field, and a form of several: read from what was sent, checked, stored as JSON, described."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from dataclasses import field as part
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from ..errors import InvalidAnswer, NotFound
from ..files import FileId, megabytes
from ..text import one_line, storable
from . import parse as read
from .parse import QUOTED, WHOLE_LIMIT, refused

OpenFile = Callable[[str], Any]  # the file or the secret of an id; raises `NotFound`
Raw = Sequence[str | FileId]
Kind = Literal["text", "long_text", "markdown", "whole_number", "number", "yes_no", "choice", "choices", "date",
               "datetime", "path", "url", "email", "secret", "json", "upload"]
TEXTS = frozenset({"text", "long_text", "markdown", "path", "url", "email"})  # what was typed is the value
LINES = frozenset({"long_text", "markdown", "json"})
SECRET = "secret-"  # how the id of a kept secret begins
KEPT = "Kept"  # what is shown of a secret


class Secret(str):
    """The type to ask for a password or a key. A text whose repr says nothing; it is kept outside the database.

    What its run stores, logs and exports has `[secret]` in its place, and a job that returns a file with it fails. One
    of 12 characters and more is found wherever it stands; a shorter one, or one of digits alone, as a word of its own;
    one below 4 characters is not looked for. A number stays a number. What is made of it, such as a hash, base64 or a
    packed file, is not recognised, and the page of a run shows what its author shows there.
    """

    def __repr__(self) -> str:
        return "Secret('...')"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


class SecretId(str):
    """The id of a secret that is kept already."""


@dataclass(frozen=True)
class FieldSpec:
    """One field. `options` are the texts of a choice, `values` what they stand for.

    An optional field that is left empty gives None when the type says `| None`, else its default. `least`: how many of
    the choices. `hint`: the type, where pydantic has constraints to check. `lowest` and `highest` are shown, and with
    `slider` the ends of one. `accept`: endings of a file's name; `max_mb`: its limit.
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
    least: int = 0
    lowest: float | None = None
    highest: float | None = None
    step: float | None = None
    slider: bool = False
    accept: tuple[str, ...] = ()
    max_mb: float | None = None
    hint: Any = part(default=None, compare=False, repr=False)

    def parse(self, raw: Raw, *, open_file: OpenFile | None = None) -> Any:
        """What was sent in a form, as a value. Of an upload: its `FileId`, or the `File` when `open_file` is given.

        Raises `InvalidAnswer` with a sentence that stands by the field.
        """
        if self.kind == "choices":
            return self._checked([self._option(text) for text in dict.fromkeys(raw) if text])
        given = raw[-1] if raw else ""
        if self.kind == "yes_no":
            return self._checked(given.strip().lower() in ("yes", "true", "on", "1"))
        if not given.strip():
            return self._empty()
        if self.kind == "upload":
            if not isinstance(given, FileId):
                raise refused("This is no file: choose one.")
            return given if open_file is None else self._checked(open_file(given))
        if isinstance(given, FileId):
            raise refused("This is a file; type the answer.")
        if self.kind == "choice":
            return self._checked(self._option(given))
        return self._checked(self._read(given))

    def _read(self, given: str) -> Any:
        if self.kind in LINES:
            lines = given.replace("\r\n", "\n")
            return read.data(lines) if self.kind == "json" else lines
        if self.kind == "secret":
            return Secret(given)
        return _READ[self.kind](given.strip())

    def _option(self, text: str) -> Any:
        for option, value in zip(self.options, self.values, strict=True):
            if option == text:
                return value
        raise refused(f"{one_line(text, QUOTED)} is none of the choices.", "Choose one.")

    def _empty(self) -> Any:
        if self.nullable:
            return None
        if self.default is not None:
            return self.default
        raise refused(_EMPTY.get(self.kind, "This is empty: type an answer."))

    def _checked(self, value: Any) -> Any:
        """The value, if it is one of this field's, as pydantic's constraints leave it. Raises `InvalidAnswer`."""
        if value is None and self.nullable:
            return None
        value = self._of_kind(value)
        return value if self.hint is None else self._constrained(value)

    def _of_kind(self, value: Any) -> Any:
        kind = self.kind
        if kind == "choice":
            return self._known(value)
        if kind == "choices" and isinstance(value, list | tuple):
            chosen = {id(self._known(each)) for each in value}
            found = [each for each in self.values if id(each) in chosen]
            if len(found) < self.least:
                raise refused(f"{len(found)} chosen; choose at least {self.least:,}." if found else _EMPTY["choices"])
            return found
        if kind == "whole_number" and isinstance(value, int) and not isinstance(value, bool):
            if abs(value) > WHOLE_LIMIT:
                over, limit = ("over", WHOLE_LIMIT) if value > 0 else ("under", -WHOLE_LIMIT)
                raise refused(f"{value:,} is {over} the limit of {limit:,}.")
            return value
        if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
            if math.isfinite(value):
                return float(value)
        if kind in ("text", "long_text", "markdown", "secret", "url", "email") and isinstance(value, str):
            return self._text(value)
        if kind == "path" and isinstance(value, Path):
            return Path(self._text(str(value)))
        if kind == "datetime" and isinstance(value, datetime):
            return read.local(value)
        if kind == "yes_no" and isinstance(value, bool):
            return value
        if kind == "upload" and not isinstance(value, str | bytes):
            return self._taken(value)
        if kind == "date" and isinstance(value, date) and not isinstance(value, datetime):
            return value
        if kind == "json":
            if value is None:
                raise refused("This is null, which is no answer here.")
            self._text(_dumped(value))
            return value
        raise refused(f"{one_line(str(value), QUOTED)} does not fit: {self.label} is {_NAMES[kind]}.")

    def _taken(self, file: Any) -> Any:
        """The file, if it is one of those that are accepted, however it came."""
        name = str(getattr(file, "name", ""))
        if self.accept and not name.lower().endswith(self.accept):
            raise refused(f"{name} is no {' or '.join(self.accept)}.")
        if self.max_mb is not None and getattr(file, "size", 0) > self.max_mb * 1_000_000:
            raise refused(f"{name} is over the limit of {megabytes(round(self.max_mb * 1_000_000))}.",
                          "Send a smaller file.")
        return file

    def _text(self, value: str) -> Any:
        if self.max_length is not None and len(value) > self.max_length:
            raise refused(f"{one_line(self.label, QUOTED)} is {len(value):,} characters; the limit is "
                          f"{self.max_length:,}.", "Shorten it.")
        if storable(value) != value:
            raise refused("This text holds half a character, which cannot be stored.", "Type it again.")
        if "\0" in value and self.kind == "path":
            raise refused("A path holds no zero byte.")
        check = Secret if self.kind == "secret" else read.CHECKS.get(self.kind)
        return check(value) if check is not None else value

    def _known(self, value: Any) -> Any:
        for option in self.values:
            if option == value and type(option) is type(value):
                return option
        raise refused(f"{one_line(str(value), QUOTED)} is none of the choices.", "Choose one.")

    def _constrained(self, value: Any) -> Any:
        from pydantic import ValidationError

        try:
            return read.adapter(self.hint).validate_python(value)
        except ValidationError as error:
            raise refused(read.sentence(error.errors(include_url=False)[0], self.label)) from None

    def to_json(self, value: Any, *, keep: Callable[[str], str] | None = None) -> str:
        """The value as it is stored. Raises `InvalidAnswer` when it is none of this field's.

        `keep`: puts a secret where secrets are, and gives its id; without it a secret is checked and not kept.
        """
        return json.dumps(self.stored(value, keep), ensure_ascii=False)

    def stored(self, value: Any, keep: Callable[[str], str] | None = None) -> Any:
        """`to_json` before it is a text."""
        if self.kind == "upload" and value is not None:
            return {"file": str(getattr(value, "id", value))}
        value = self._checked(value)
        if value is None:
            return None
        if self.kind == "secret":
            return {"secret": keep(value) if keep is not None else ""}
        if self.kind == "json":
            return {"json": value}
        if self.kind == "choices":
            return [_plain(each) for each in value]
        return _plain(value)

    def from_json(self, text: str, *, open_file: OpenFile | None = None) -> Any:
        """The stored value, fresh at each call. Raises `InvalidAnswer` when it no longer fits, `NotFound` of a file."""
        return self.loaded(json.loads(text), open_file)

    def loaded(self, value: Any, open_file: OpenFile | None = None) -> Any:
        """`from_json` of what is no text any more."""
        if value is None and self.nullable:
            return None
        name = {"upload": "file", "secret": "secret", "json": "json"}.get(self.kind)
        if name is not None:
            if not isinstance(value, dict) or name not in value:
                raise refused(_EMPTY.get(self.kind, "This does not fit any more."))
            if self.kind == "json":
                return self._checked(value["json"])
            id = FileId(value[name]) if self.kind == "upload" else SecretId(value[name])
            return id if open_file is None else self._checked(open_file(id))
        if self.kind == "choice":
            return self._checked(self._revived(value))
        if self.kind == "choices" and isinstance(value, list):
            return self._checked([self._revived(each) for each in value])
        if self.kind in ("date", "datetime", "path") and isinstance(value, str):
            return self._checked(_READ[self.kind](value))
        return self._checked(value)

    def _revived(self, value: Any) -> Any:
        """The option that was stored as this."""
        return next((option for option in self.values if isinstance(option, Enum) and option.value == value
                     and type(option.value) is type(value)), value)

    def proposal(self, text: str, *, open_file: OpenFile | None = None) -> Any:
        """What an old answer offers as a default: the value where it fits, what was typed where that can be edited."""
        try:
            return self.from_json(text, open_file=open_file)
        except (InvalidAnswer, NotFound):
            value = json.loads(text)
        except ValueError:  # it is no JSON
            return self.default
        if self.kind == "choices" and isinstance(value, list):
            return [each for each in map(self._revived, value) if each in self.values]
        editable = self.kind in TEXTS and type(value) in (str, int, float)
        return str(value) if editable else self.default

    def text(self, value: Any) -> str:
        """What a person would type for this value; of a file its name, of a secret only that there is one."""
        if value is None:
            return ""
        if self.kind == "secret":
            return KEPT
        if self.kind == "choices":
            return ", ".join(self.texts(value))
        if self.kind == "choice":
            return next((text for text, option in zip(self.options, self.values, strict=True)
                         if option == value and type(option) is type(value)), str(getattr(value, "value", value)))
        if isinstance(value, bool) and self.kind == "yes_no":
            return "Yes" if value else "No"
        if self.kind == "json" and not isinstance(value, str):
            return json.dumps(value, ensure_ascii=False, indent=2)
        if self.kind == "json":
            return json.dumps(value, ensure_ascii=False)
        if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE_LIMIT:
            return str(int(value))
        if self.kind == "datetime" and isinstance(value, datetime):
            return value.isoformat(" ", "minutes" if not (value.second or value.microsecond) else "auto")
        return str(value) if self.kind == "path" else str(getattr(value, "name", value))

    def texts(self, value: Any) -> list[str]:
        """What a form would send for this value: one text, of choices as many as are chosen."""
        if value is None:
            return []
        if self.kind != "choices":
            return [self.text(value)]
        return [text for text, option in zip(self.options, self.values, strict=True) if option in value]

    def json_schema(self) -> dict[str, Any]:
        """The answer as JSON Schema, as the API and tools take it."""
        schema: dict[str, Any] = {"title": self.label}
        if self.help:
            schema["description"] = self.help
        known = {"whole_number": "integer", "number": "number", "yes_no": "boolean"}
        formats = {"date": "date", "datetime": "date-time", "url": "uri", "email": "email", "path": "path",
                   "secret": "password", "upload": "binary", "markdown": "markdown"}
        one = {"enum": [_plain(value) for value in self.values]}
        if self.kind == "choice":
            schema |= one
        elif self.kind == "choices":
            schema |= {"type": "array", "items": one, "uniqueItems": True, "minItems": self.least}
        elif self.kind != "json":
            schema["type"] = known.get(self.kind, "string")
        if self.kind in formats:
            schema["format"] = formats[self.kind]
        if self.max_length is not None:
            schema["maxLength"] = self.max_length
        schema |= constraints(self.hint)
        if self.default is not None and self.kind not in ("upload", "secret"):
            schema["default"] = self.stored(self.default) if self.kind != "json" else self.default
        if self.nullable:
            return {"anyOf": [schema, {"type": "null"}], "title": self.label}
        return schema


def references(stored: Iterable[str | None]) -> list[str]:
    """The ids of the files and secrets in stored answers."""
    found = []
    for text in stored:
        if text is not None and text.startswith(('{"file":', '{"secret":', '{"form":')):
            value = json.loads(text)
            parts = value.get("form", {"": value})  # other JSON may begin alike
            for each in parts.values() if isinstance(parts, dict) else ():
                if isinstance(each, dict):
                    found += [each[name] for name in ("file", "secret") if isinstance(each.get(name), str)]
    return found


def file_ids(stored: Iterable[str | None]) -> list[str]:
    """The ids of the files in stored answers."""
    return [id for id in references(stored) if not id.startswith(SECRET)]


def constraints(hint: Any) -> dict[str, Any]:
    """What pydantic's constraints say in words of JSON Schema."""
    if hint is None:
        return {}
    names = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
             "pattern", "minItems", "maxItems"}
    return {name: value for name, value in read.adapter(hint).json_schema().items() if name in names}


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def _dumped(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise refused(f"This is no JSON: {one_line(str(value), QUOTED)}.") from None


_READ: dict[str, Callable[[str], Any]] = {
    "whole_number": read.whole, "number": read.number, "date": read.day, "datetime": read.moment, "path": Path,
    "text": str, "url": str, "email": str}
_EMPTY = {"choice": "Nothing is chosen: choose one.", "choices": "Nothing is chosen: choose at least one.",
          "upload": "No file is chosen: choose one.", "date": "This is empty: give a date.",
          "datetime": "This is empty: give a date and a time.", "number": "This is empty: type a number.",
          "whole_number": "This is empty: type a whole number."}
_NAMES = {"text": "a text", "long_text": "a text", "markdown": "a text", "whole_number": "a whole number",
          "number": "a number", "yes_no": "yes or no", "choice": "a choice", "choices": "a list of choices",
          "date": "a date", "datetime": "a date and a time", "path": "a path", "url": "an address",
          "email": "an email address", "secret": "a text", "upload": "a file", "json": "JSON"}
