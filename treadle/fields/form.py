"""A form of several fields: read by name, checked across them by pydantic, stored as one answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InvalidAnswer
from ..text import one_line, storable
from . import parse as read
from .parse import QUOTED, refused
from .spec import FieldSpec, OpenFile, Raw


@dataclass(frozen=True)
class FormSpec:
    """A form: its fields by name, from a dataclass or a pydantic model. The value is an instance of `model`."""

    label: str
    model: Any
    fields: Mapping[str, FieldSpec]
    help: str = ""
    kind: Literal["form"] = "form"
    optional: bool = False
    nullable: bool = False
    default: Any = None

    def parse(self, raw: Mapping[str, Raw], *, open_file: OpenFile | None = None) -> Any:
        """What was sent, by name, as an instance. Raises `InvalidAnswer` with `fields`: a sentence by each bad name.

        The name "" is the form as a whole: what a check across fields said.
        """
        def one(name: str, spec: FieldSpec) -> Any:
            return spec.parse(raw.get(name, []), open_file=open_file)

        return self._made(self._each(one))

    def _each(self, work: Callable[[str, FieldSpec], Any]) -> dict[str, Any]:
        values, problems = dict[str, Any](), dict[str, str]()
        for name, spec in self.fields.items():
            try:
                values[name] = work(name, spec)
            except InvalidAnswer as error:
                problems[name] = f"{error.message} {error.hint}".strip()
        if problems:
            raise many_refused(problems)
        return values

    def _made(self, values: dict[str, Any]) -> Any:
        from pydantic import ValidationError

        try:
            return read.adapter(self.model).validate_python(values, by_name=True, by_alias=False)
        except ValidationError as error:
            problems = dict[str, str]()
            for each in error.errors(include_url=False):
                name = str(each["loc"][0]) if each["loc"] and each["loc"][0] in self.fields else ""
                label = self.fields[name].label if name else self.label
                problems.setdefault(name, read.sentence(each, label))
            raise many_refused(problems) from None

    def values(self, value: Any) -> dict[str, Any]:
        """Name to value, of an instance, of a dict, of an old answer; the fields' own defaults where it has none."""
        found = {name: spec.default for name, spec in self.fields.items()}
        for name in self.fields:
            if isinstance(value, Mapping) and name in value:
                found[name] = value[name]
            elif value is not None and not isinstance(value, Mapping):
                found[name] = getattr(value, name, found[name])
        return found

    def to_json(self, value: Any, *, keep: Callable[[str], str] | None = None) -> str:
        """The instance as it is stored, as `FieldSpec.to_json`."""
        if not isinstance(value, self.model):
            raise refused(f"{one_line(str(value), QUOTED)} does not fit: {self.label} is a {self.model.__name__}.")
        values = self._each(lambda name, spec: spec.stored(getattr(value, name), keep))
        return json.dumps({"form": values}, ensure_ascii=False)

    def from_json(self, text: str, *, open_file: OpenFile | None = None) -> Any:
        """The stored instance, fresh at each call. A field that is new since then has its default, or is asked for."""
        stored = _form(text)

        def one(name: str, spec: FieldSpec) -> Any:
            return spec.loaded(stored[name], open_file) if name in stored else spec.parse([])

        return self._made(self._each(one))

    def proposal(self, text: str, *, open_file: OpenFile | None = None) -> dict[str, Any]:
        """What an old answer offers, by name."""
        stored = _form(text)
        return {name: spec.proposal(json.dumps(stored[name]), open_file=open_file) if name in stored else spec.default
                for name, spec in self.fields.items()}

    def text(self, value: Any) -> str:
        """The answers in one line."""
        values = self.values(value)
        told = ((spec.label, spec.text(values[name])) for name, spec in self.fields.items())
        return ", ".join(f"{label}: {text}" for label, text in told if text)

    def json_schema(self) -> dict[str, Any]:
        """The answers as JSON Schema: an object."""
        schema: dict[str, Any] = {
            "title": self.label, "type": "object",
            "properties": {name: spec.json_schema() for name, spec in self.fields.items()},
            "required": [name for name, spec in self.fields.items() if not spec.optional and spec.kind != "yes_no"]}
        return schema | ({"description": self.help} if self.help else {})


def many_refused(problems: Mapping[str, str]) -> InvalidAnswer:
    """Several answers of one form that cannot be taken, each with its sentence."""
    error = refused(next(iter(problems.values())))
    error.fields = {name: storable(text) for name, text in problems.items()}
    return error


def _form(text: str) -> dict[str, Any]:
    value = json.loads(text)
    found = value.get("form") if isinstance(value, dict) else None
    if not isinstance(found, dict):
        raise refused("This does not fit any more.")
    return found


Question = FieldSpec | FormSpec
