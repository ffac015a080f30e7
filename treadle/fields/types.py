"""The types an author may ask for: plain hints, Annotated ones and models, described as fields."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NewType

from ..errors import InvalidAnswer
from ..files import FileId
from ..text import one_line, storable
from .form import FormSpec, Question
from .parse import WHOLE_LIMIT
from .spec import FieldSpec, Kind, OpenFile, Secret, constraints, file_ids, references

__all__ = ["LABEL_LENGTH", "WHOLE_LIMIT", "Accept", "Email", "FieldSpec", "FileId", "FormSpec", "Json", "LongText",
           "Markdown", "OpenFile", "Question", "Range", "Secret", "Upload", "Url", "choice", "field", "file_ids",
           "form", "references"]

LongText = NewType("LongText", str)  # text of several lines
Markdown = NewType("Markdown", str)  # text of several lines, written as Markdown
Url = NewType("Url", str)  # a full web address, as it was typed
Email = NewType("Email", str)  # an address for mail

LABEL_LENGTH = 200  # characters of a label: it stands in headings, in sentences and in the list of runs
SUPPORTED = ("str, int, float, bool, date, datetime, Path, Literal[...], an Enum, list[Literal[...]], LongText, Url, "
             "Email, Secret, Markdown, Json or Upload, Annotated with constraints, or one of them with `| None`")


class _Any:
    """A type that pydantic leaves as it is: what it stands for has been checked."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.any_schema()


class Upload(_Any):
    """The type to ask for a file. The answer is a `File`."""


class Json(_Any):
    """The type to ask for JSON. The answer is what it says: a dict, a list, a text, a number, a bool or None."""


@dataclass(frozen=True, slots=True)
class Range:
    """Marks a number as one between two ends, both included, and makes it a slider: `Annotated[int, Range(1, 50)]`.

    `step`: how far one press of an arrow key goes.
    """

    low: float
    high: float
    step: float | None = None

    __is_annotated_types_grouped_metadata__ = True  # by this pydantic takes what `__iter__` gives

    def __iter__(self) -> Iterator[Any]:
        from annotated_types import Ge, Le

        yield Ge(self.low)
        yield Le(self.high)


@dataclass(frozen=True, slots=True, init=False)
class Accept:
    """Marks which files an `Upload` takes: endings of their names, and megabytes at most."""

    endings: tuple[str, ...]
    max_mb: float | None

    def __init__(self, *endings: str, max_mb: float | None = None) -> None:
        for ending in endings:
            if not isinstance(ending, str) or not ending.startswith(".") or len(ending) < 2:
                raise TypeError(f"Accept takes endings such as '.csv', not {ending!r}.")
        if max_mb is not None and not max_mb > 0:
            raise TypeError(f"max_mb= of Accept is above 0, not {max_mb!r}.")
        object.__setattr__(self, "endings", tuple(ending.lower() for ending in endings))
        object.__setattr__(self, "max_mb", max_mb)


_PLAIN: list[tuple[Any, Kind]] = [
    (str, "text"), (LongText, "long_text"), (Markdown, "markdown"), (int, "whole_number"), (float, "number"),
    (Upload, "upload"), (date, "date"), (datetime, "datetime"), (Path, "path"), (Url, "url"), (Email, "email"),
    (Secret, "secret"), (Json, "json")]


def field(label: str, hint: Any, *, default: Any = None, help: str = "", placeholder: str = "",
          max_length: int | None = None) -> FieldSpec:
    """Describe the field for one question. Raises `TypeError` that names what cannot be asked for."""
    _labelled(label, help, placeholder)
    known = _described(hint) if _hashable(hint) else _describe(hint)
    if isinstance(known, str):
        raise TypeError(known.format(label=repr(label)))
    if max_length is not None and known.kind not in ("text", "long_text", "markdown", "path", "url", "email", "secret"):
        raise TypeError(f"max_length= of {label!r} is for text, not for {_name(hint)}.")
    spec = replace(known, label=label, default=default, help=help or known.help, placeholder=placeholder,
                   optional=known.kind != "yes_no" and (known.optional or default is not None), max_length=max_length)
    return spec if default is None else _with_default(spec)


def choice(label: str, options: Sequence[str] | Mapping[Any, str], *, many: bool = False, least: int = 0,
           default: Any = None, help: str = "") -> FieldSpec:
    """Describe a choice among options found while running: texts, or values with a text each.

    `many`: several may be chosen, at least `least`. Raises `TypeError` that names what is wrong.
    """
    if isinstance(options, str | bytes) or not isinstance(options, Sequence | Mapping):
        raise TypeError(f"The options of {label!r} are a list of texts or a dict of value to text.")
    values = tuple(options)
    texts = tuple(options.values()) if isinstance(options, Mapping) else values
    if not values:
        raise TypeError(f"The options of {label!r} are empty: ask only where there is something to choose.")
    for value, text in zip(values, texts, strict=True):
        if not isinstance(text, str) or not text.strip() or not isinstance(value, str | int | float | Enum):
            raise TypeError(f"The options of {label!r} are texts or numbers, each with a text; {value!r:.80} is not.")
    _labelled(label, help, *texts)
    if len(set(texts)) < len(texts):
        raise TypeError(f"Two options of {label!r} have the same text.")
    if not many and least:
        raise TypeError(f"least= of {label!r} needs many=True.")
    if least > len(values):
        raise TypeError(f"least= of {label!r} is {least:,}, and there are {len(values):,} options.")
    spec = FieldSpec("choices" if many else "choice", label, options=texts, values=values, default=default, help=help,
                     least=least, optional=default is not None if not many else least == 0)
    return spec if default is None else _with_default(spec)


def form(label: str, model: Any, *, default: Any = None, help: str = "") -> FormSpec:
    """Describe a form of several fields, from a dataclass or a pydantic model. `default`: an instance or a dict.

    Raises `TypeError` that names what cannot be asked for.
    """
    _labelled(label, help)
    if not isinstance(model, type) or not (dataclasses.is_dataclass(model) or hasattr(model, "__pydantic_fields__")):
        raise TypeError(f"form({label!r}) needs a dataclass or a pydantic model, not {_name(model)}.")
    known = _fields(model)
    if default is not None and not isinstance(default, Mapping | model):
        raise TypeError(f"default= of {label!r} is a {model.__name__} or a dict, not {default!r:.80}.")
    if isinstance(default, Mapping) and (strange := [name for name in default if name not in known]):
        raise TypeError(f"default= of {label!r}: {model.__name__} has no field {strange[0]!r}.")
    spec = FormSpec(label, model, known, help=help)
    if default is None:
        return spec
    own = spec.values(default)
    changed = {name: _with_default(replace(each, default=own[name], optional=each.optional or (
        own[name] is not None and each.kind != "yes_no"))) for name, each in known.items()}
    return replace(spec, fields=changed)


def _labelled(label: Any, *texts: str) -> None:
    """What stands beside a field can be shown, and is no page long."""
    if isinstance(label, str) and len(label) > LABEL_LENGTH:
        raise TypeError(f"The label {one_line(label, 40)!r} is {len(label):,} characters; the limit is {LABEL_LENGTH}. "
                        "Put the rest into help=.")
    if any(storable(text) != text for text in texts):
        raise TypeError(f"A text beside {label!r} holds half a character, which cannot be shown.")


def _with_default(spec: FieldSpec) -> FieldSpec:
    if spec.default is None:
        return spec
    if spec.kind in ("upload", "secret"):
        raise TypeError(f"default= of {spec.label!r}: a {'file' if spec.kind == 'upload' else 'secret'} has none.")
    try:
        return replace(spec, default=spec._checked(spec.default))
    except InvalidAnswer as error:
        raise TypeError(f"default= of {spec.label!r}: {error.message}") from None


@lru_cache(maxsize=256)
def _fields(model: Any) -> dict[str, FieldSpec]:
    """The fields of a model. pydantic finds them; a default that is made anew is made once, for the form."""
    from pydantic.dataclasses import dataclass as understood
    from pydantic_core import PydanticUndefined

    try:
        infos = model.__dict__.get("__pydantic_fields__") or understood(
            model, config={"arbitrary_types_allowed": True}).__pydantic_fields__
    except Exception as error:  # noqa: BLE001 - pydantic has no common class for what it cannot understand
        raise TypeError(f"{_name(model)} cannot be asked for: {error}") from None
    found = {}
    for name, info in infos.items():
        hint = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
        value = info.get_default(call_default_factory=True, validated_data={})
        label = info.title or name.replace("_", " ").strip().capitalize()
        spec = field(label, hint, help=info.description or "", default=None if value is PydanticUndefined else value)
        found[name] = spec if info.is_required() else replace(spec, optional=spec.kind != "yes_no")
    if not found:
        raise TypeError(f"{_name(model)} has no fields to ask for.")
    return found


def _hashable(hint: Any) -> bool:
    try:
        hash(hint)
    except TypeError:
        return False
    return True


@lru_cache(maxsize=512)
def _described(hint: Any) -> FieldSpec | str:
    return _describe(hint)


def _describe(hint: Any) -> FieldSpec | str:
    """A field without its label; a sentence where the type cannot be asked for."""
    outer, marks = _unmarked(hint)
    core, nullable = _without_none(outer)
    core, inner = _unmarked(core)
    marks = (*marks, *inner)
    ranged = next((mark for mark in marks if isinstance(mark, Range)), None)
    accept = next((mark for mark in marks if isinstance(mark, Accept)), None)
    spec = _kind(hint, core)
    if isinstance(spec, str):
        return spec
    if core is bool and nullable:  # three states need three things to choose from, one of them nothing
        spec = FieldSpec("choice", "", options=("Yes", "No"), values=(True, False))
    if ranged is not None and spec.kind not in ("whole_number", "number"):
        return f"Range is for int and float, not for {_said(hint)}, as {{label}} has it."
    if accept is not None and spec.kind != "upload":
        return f"Accept is for Upload, not for {_said(hint)}, as {{label}} has it."
    checked = hint if any(mark is not accept for mark in marks) and spec.kind != "upload" else None
    try:
        limits = constraints(checked)
    except Exception as error:  # noqa: BLE001 - pydantic has no common class for what it cannot understand
        return f"The constraints of {_said(hint)} do not fit it, as {{label}} has it: {_said(str(error))}"
    described = next((text for mark in marks if (text := getattr(mark, "description", None))), "")
    return replace(
        spec, nullable=nullable, optional=nullable or spec.kind == "choices", hint=checked, help=described,
        lowest=limits.get("minimum"), highest=limits.get("maximum"), slider=ranged is not None,
        step=ranged.step if ranged is not None else limits.get("multipleOf"), least=limits.get("minItems", 0),
        accept=accept.endings if accept is not None else (), max_mb=accept.max_mb if accept is not None else None)


def _unmarked(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    if typing.get_origin(hint) is Annotated:
        return hint.__origin__, hint.__metadata__
    return hint, ()


def _without_none(hint: Any) -> tuple[Any, bool]:
    """`T | None` as (T, True), everything else as it is."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        rest = [part for part in typing.get_args(hint) if part is not types.NoneType]
        if len(rest) == 1 and len(typing.get_args(hint)) == 2:
            return rest[0], True
    return hint, False


def _kind(hint: Any, core: Any) -> FieldSpec | str:
    for known, kind in _PLAIN:
        if core is known:
            return FieldSpec(kind, "")
    if core is bool:
        return FieldSpec("yes_no", "")
    if typing.get_origin(core) is list:
        one = _kind(hint, typing.get_args(core)[0])
        if isinstance(one, FieldSpec) and one.kind == "choice":
            return replace(one, kind="choices")
    if typing.get_origin(core) is Literal:
        values = typing.get_args(core)
        options = tuple(str(value) for value in values)
        if len(set(options)) < len(options) or not all(isinstance(value, str | int) for value in values):
            return f"The choices of {{label}} are texts or numbers, each once: {_said(hint)}."
        return FieldSpec("choice", "", options=options, values=values)
    if isinstance(core, type) and issubclass(core, Enum) and list(core):
        values = tuple(core)
        if not all(isinstance(each.value, str | int | float) for each in values):
            return f"The values of {_said(core)} are texts or numbers, so that {{label}} can be stored."
        options = tuple(each.value if isinstance(each.value, str) else each.name.replace("_", " ").capitalize()
                        for each in values)
        return FieldSpec("choice", "", options=options, values=values)
    return f"{_said(hint)} is no type to ask for, as {{label}} does. Use {SUPPORTED}."


def _said(hint: Any) -> str:
    return _name(hint).replace("{", "{{").replace("}", "}}")


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")
