"""What a workflow is given: `ui`. It answers from the stored steps, and notes what is to be drawn."""

from __future__ import annotations

import hashlib
import re
import sys
import unicodedata
from collections.abc import Awaitable, Callable, Generator, Iterable
from functools import lru_cache
from typing import Any, Generic, TypeVar, overload

from .drawing import Approve, Drawing, Export, Kind, Show, Step, Stored
from .errors import InvalidAnswer, NotFound
from .fields import FieldSpec, OpenFile, Upload, field
from .files import File
from .shows import check as check_shown
from .shows.digest import digest
from .shows.exports import check as check_export
from .text import storable

T = TypeVar("T")
Key = int | str | tuple[int | str, ...]


class Halt(BaseException):
    """The signal that ends a replay: at the open step, or where an author used `ui` in a way that cannot work."""

    def __init__(self, problem: str = "", *, file: str = "", line: int = 0) -> None:
        super().__init__(problem)
        self.problem, self.file, self.line = problem, file, line


class _Answer(Generic[T]):
    """What an `ask` returns: to be awaited, at once."""

    __slots__ = ("awaited", "value")

    def __init__(self, value: T) -> None:
        self.value, self.awaited = value, False

    def __await__(self) -> Generator[Any, None, T]:
        self.awaited = True
        yield from ()  # makes it a generator; nothing is ever waited for
        return self.value


class Ui:
    """What a workflow is given: its questions, and what it shows between them."""

    def __init__(self, stored: Iterable[Stored], open_file: OpenFile, *, traced: bool = False) -> None:
        self._stored: dict[tuple[str, str], Stored] = {}
        for row in stored:
            if row.state == "done" or self._stored.get((row.label, row.key), row).state != "done":
                self._stored[row.label, row.key] = row
        self._open_file = open_file
        self._drawing = Drawing()
        self._seen: dict[tuple[str, str], tuple[str, int]] = {}
        self._slugs: set[str] = set()
        self._exports: dict[str, int] = {}
        self._shown = 0
        self._steps = 0
        self._halt: Halt | None = None
        self._swallowed: Halt | None = None
        self._answer: _Answer[Any] | None = None
        self._at = ("", 0)
        self._trace: list[tuple[str, int, str, Any]] | None = [] if traced else None

    @overload
    def ask(self, label: str, type: type[Upload], *, key: Key | None = None, help: str = "",
            check: Callable[[File], File] | None = None) -> Awaitable[File]: ...
    @overload
    def ask(self, label: str, type: type[T], *, key: Key | None = None, default: T | None = None, help: str = "",
            check: Callable[[T], T] | None = None, placeholder: str = "",
            max_length: int | None = None) -> Awaitable[T]: ...
    @overload
    def ask(self, label: str, type: Any, *, key: Key | None = None, default: Any = None, help: str = "",
            check: Callable[[Any], Any] | None = None, placeholder: str = "",
            max_length: int | None = None) -> Awaitable[Any]: ...

    def ask(self, label: str, type: Any, *, key: Key | None = None, default: Any = None, help: str = "",
            check: Callable[[Any], Any] | None = None, placeholder: str = "",
            max_length: int | None = None) -> Awaitable[Any]:
        """Ask for one value; `await` gives it checked. `type | None`, or a default, makes the answer optional.

        `check` is given the value when the person answers: it returns it, or raises `ValueError` with a sentence.
        """
        self._enter()
        try:
            spec = field(label, type, default=default, help=help, placeholder=placeholder, max_length=max_length)
        except TypeError as error:
            raise self._misuse(str(error)) from None
        if self._trace is not None:
            self._trace.append((*self._at, f"ask {label!r}", (key, spec, getattr(check, "__code__", None))))
        return self._step("ask", label, key, spec, None, default, check)

    def approve(self, label: str, what: Any, *, yes: str = "Yes", no: str = "No",
                key: Key | None = None) -> Awaitable[bool]:
        """Ask for a decision about `what`: anything `show` takes, or a tuple of such things. `await` gives a bool.

        When `what` is another text, table or file than was decided on, it is asked again.
        """
        self._enter()
        things = what if isinstance(what, tuple) else (what,)
        self._can_be_shown(things)
        approve = Approve(things, yes, no, digest(things), self._numbers(things))
        if self._trace is not None:
            self._trace.append((*self._at, f"approve {label!r}", (key, yes, no, approve.digest)))
        return self._step("approve", label, key, None, approve, None, None)

    def show(self, *things: Any) -> None:
        """Show Markdown text, tables and whatever else can be drawn, in this place between the steps."""
        self._enter()
        self._can_be_shown(things)
        if self._trace is not None:
            self._trace.append((*self._at, "show", digest(things)))
        if things:
            self._drawing.items.append(Show(self._numbers(things), things))

    def export(self, name: str, /, **data: Any) -> None:
        """Offer a download. The ending of `name` says what it is made of; it is made when asked for."""
        self._enter()
        if not isinstance(name, str) or not name.strip():
            raise self._misuse("export() needs the name of a file.")
        if name in self._exports:
            raise self._misuse(f"Two exports are called {name!r}, in lines {self._exports[name]} and {self._at[1]}.")
        self._exports[name] = self._at[1]
        try:
            check_export(name, data)
        except TypeError as error:
            raise self._misuse(str(error)) from None
        if self._trace is not None:
            self._trace.append((*self._at, f"export {name!r}", digest(data)))
        self._drawing.items.append(Export(name, self._slug(name, "", export=True), data))

    def _enter(self) -> None:
        """What every call begins with: where it stands, and whether the replay has ended."""
        frame = sys._getframe(2)
        self._at = (frame.f_code.co_filename, frame.f_lineno)
        if self._halt is not None:
            if self._swallowed is None and not self._halt.problem:
                self._swallowed = self._halt
            raise self._halt.with_traceback(None)  # in an endless loop a traceback would grow for ever
        self._must_be_awaited()

    def _must_be_awaited(self) -> None:
        if self._answer is not None and not self._answer.awaited:
            last = self._drawing.items[-1]
            assert isinstance(last, Step)
            raise self._misuse(f"{last.label!r} is not awaited: write `await ui.{last.kind}(...)`.", last)
        self._answer = None

    def _misuse(self, problem: str, step: Step | None = None) -> Halt:
        file, line = (step.file, step.line) if step is not None else self._at
        self._halt = Halt(problem, file=file, line=line)
        return self._halt

    def _can_be_shown(self, things: tuple[Any, ...]) -> None:
        try:
            for thing in things:
                check_shown(thing)
        except TypeError as error:
            raise self._misuse(str(error)) from None

    def _numbers(self, things: tuple[Any, ...]) -> int:
        self._shown += len(things)
        return self._shown - len(things) + 1

    def _slug(self, label: str, key: str, *, export: bool = False) -> str:
        mark = "export " if export else ""
        slug = plain = slug_of(label, key)
        digits = 6
        while not slug or mark + slug in self._slugs:
            mixed = hashlib.sha256("\0".join((label, key)).encode("utf-8", "surrogatepass")).hexdigest()
            slug, digits = f"{plain}-{mixed[:digits]}".strip("-"), digits + 1
        self._slugs.add(mark + slug)
        return slug

    def _step(self, kind: Kind, label: str, key: Key | None, spec: FieldSpec | None,
              approve: Approve | None, default: Any, check: Callable[[Any], Any] | None) -> _Answer[Any]:
        if not isinstance(label, str) or not label.strip() or storable(label) != label:
            raise self._misuse("A step needs a label: a text.")
        try:
            name = (label, _key_text(key))
        except TypeError as error:
            raise self._misuse(str(error)) from None
        if name in self._seen:
            raise self._misuse(self._double(name))
        self._seen[name] = self._at
        self._steps += 1
        step = Step(label, name[1], self._slug(*name), kind, self._steps, "open", spec, approve, None, default, check,
                    *self._at)
        old = self._stored.get(name)
        if old is not None and old.value is not None and old.kind == kind:
            if self._fits(step, old):
                step.state = "done"
                self._drawing.items.append(step)
                self._answer = _Answer(step.value)
                return self._answer
            step.default = (old.value == "true" if spec is None else
                            spec.proposal(old.value, open_file=self._open_file))
        self._drawing.items.append(step)
        self._drawing.open = step
        self._halt = Halt(file=step.file, line=step.line)
        raise self._halt

    def _fits(self, step: Step, old: Stored) -> bool:
        """Whether a stored answer still answers this question; then it is the step's value."""
        if old.state != "done" or old.value is None:
            return False
        if step.field is None:
            step.value = old.value == "true"
            return step.approve is not None and old.digest == step.approve.digest
        try:
            step.value = step.field.from_json(old.value, open_file=self._open_file)
        except (InvalidAnswer, NotFound, ValueError):
            return False
        return True

    def _double(self, name: tuple[str, str]) -> str:
        first, second = self._seen[name][1], self._at[1]
        where = f"line {second} comes twice" if first == second else f"lines {first} and {second}"
        which = f"the label {name[0]!r}" + (f" and the key {name[1]!r}" if name[1] else " and no key")
        return f"Two steps have {which}: {where}. Add key= to tell them apart."


@lru_cache(maxsize=2048)
def slug_of(label: str, key: str = "") -> str:
    """A label and a key as ASCII for ids and URLs; "" where nothing is left of one of them. At most 60 characters."""
    slugs = []
    for text in (label, key) if key else (label,):
        plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
        slugs.append(re.sub(r"[^a-z0-9]+", "-", plain).strip("-"))
    return "-".join(slugs)[:60].strip("-") if all(slugs) else ""


def _key_text(key: Key | None) -> str:
    """A key as it is stored: a number or a text as it is, a tuple as its parts with slashes between."""
    if key is None:
        return ""
    if isinstance(key, tuple):
        return "/".join(_key_text(each).replace("/", "//") for each in key)
    if not isinstance(key, int | str):
        raise TypeError(f"key= is a number, a text or a tuple of them, not {type(key).__name__}.")
    return str(key)
