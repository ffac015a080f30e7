"""What a workflow is given: `ui`. It answers from the stored steps, and notes what is to be drawn."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import unicodedata
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, Literal, TypeVar, overload

from . import calls
from .drawing import Approve, Drawing, Executor, Export, Kind, Show, Step, Stored, Work
from .errors import InvalidAnswer, NotFound
from .fields.spec import SECRET
from .fields.types import LABEL_LENGTH, OpenFile, Question, Upload, choice, field, form
from .files import File
from .results import Results
from .shows import check as check_shown
from .shows.digest import digest
from .shows.exports import check as check_export
from .text import storable

T = TypeVar("T")
Key = int | str | tuple[int | str, ...]
DRAFTED = ("text", "long_text", "markdown")  # the fields a model may write into


class Halt(BaseException):
    """The signal that ends a replay: at the open step, or where an author used `ui` in a way that cannot work."""

    def __init__(self, problem: str = "", *, file: str = "", line: int = 0) -> None:
        super().__init__(problem)
        self.problem, self.file, self.line = problem, file, line


class _NotAwaited(Generic[T]):
    """What an `ask` returns: to be awaited, at once. Its name is read where that was forgotten."""

    __slots__ = ("awaited", "value")

    def __init__(self, value: T) -> None:
        self.value, self.awaited = value, False

    def __await__(self) -> Generator[Any, None, T]:
        self.awaited = True
        yield from ()  # makes it a generator; nothing is ever waited for
        return self.value


class Ui:
    """What a workflow is given: its questions, and what it shows between them."""

    def __init__(self, stored: Iterable[Stored], open_file: OpenFile, *, seal: bytes = b"",
                 traced: bool = False) -> None:
        self._stored: dict[tuple[str, str], Stored] = {}
        for row in stored:
            if row.state != "reverted" or self._stored.get((row.label, row.key), row).state == "reverted":
                self._stored[row.label, row.key] = row
        self._open_file, self._key, self._seal = open_file, seal, b""
        self._drawing = Drawing()
        self._seen: dict[tuple[str, str], tuple[str, int]] = {}
        self._slugs: set[str] = set()
        self._exports: dict[str, int] = {}
        self._shown = 0
        self._steps = 0
        self._halt: Halt | None = None
        self._swallowed: Halt | None = None
        self._answer: _NotAwaited[Any] | None = None
        self._at = ("", 0)
        self._trace: list[tuple[str, int, str, Any]] | None = [] if traced else None

    @overload
    def ask(self, label: str, type: type[Upload], *, key: Key | None = None, help: str = "",
            check: Callable[[File], File] | None = None) -> Awaitable[File]: ...
    @overload
    def ask(self, label: str, type: type[T], *, key: Key | None = None, default: T | None = None, help: str = "",
            check: Callable[[T], T] | None = None, draft: str = "", placeholder: str = "",
            max_length: int | None = None) -> Awaitable[T]: ...
    @overload
    def ask(self, label: str, type: Any, *, key: Key | None = None, default: Any = None, help: str = "",
            check: Callable[[Any], Any] | None = None, draft: str = "", placeholder: str = "",
            max_length: int | None = None) -> Awaitable[Any]: ...

    def ask(self, label: str, type: Any, *, key: Key | None = None, default: Any = None, help: str = "",
            check: Callable[[Any], Any] | None = None, draft: str = "", placeholder: str = "",
            max_length: int | None = None) -> Awaitable[Any]:
        """Ask for one value; `await` gives it checked. `type | None`, or a default, makes the answer optional.

        `check` is given the value when the person answers, in a thread and with 5 s: it returns it, or raises
        `ValueError` with a sentence, which stands at the field. `draft`: a prompt; the model writes into the field
        until the person types. `max_length`: characters. `key` tells it from others of its label, in a loop.
        """
        self._enter()
        spec = self._tried(field, label, type, default=default, help=help, placeholder=placeholder,
                           max_length=max_length)
        if not isinstance(draft, str) or (draft and spec.kind not in DRAFTED):
            raise self._misuse(f"draft= of {label!r} is a prompt for a field of text.")
        return self._step("ask", label, key, (spec, draft, _code(check)), field=spec, default=default, check=check,
                          draft=draft)

    def form(self, label: str, model: type[T], *, key: Key | None = None, default: T | dict[str, Any] | None = None,
             help: str = "", check: Callable[[T], T] | None = None) -> Awaitable[T]:
        """Ask for several values at once: the fields of a dataclass or pydantic model. `await` gives an instance.

        `default`: an instance or a dict. What pydantic checks across fields stands over the form.
        """
        self._enter()
        spec = self._tried(form, label, model, default=default, help=help)
        return self._step("form", label, key, (spec, _code(check)), field=spec, default=default, check=check)

    @overload
    def choose(self, label: str, options: Sequence[str], *, many: Literal[False] = False, least: int = 0,
               key: Key | None = None, default: str | None = None, help: str = "",
               check: Callable[[str], str] | None = None) -> Awaitable[str]: ...
    @overload
    def choose(self, label: str, options: Mapping[T, str], *, many: Literal[False] = False, least: int = 0,
               key: Key | None = None, default: T | None = None, help: str = "",
               check: Callable[[T], T] | None = None) -> Awaitable[T]: ...
    @overload
    def choose(self, label: str, options: Sequence[str] | Mapping[Any, str], *, many: bool, least: int = 0,
               key: Key | None = None, default: Any = None, help: str = "",
               check: Callable[[Any], Any] | None = None) -> Awaitable[Any]: ...

    def choose(self, label: str, options: Any, *, many: bool = False, least: int = 0, key: Key | None = None,
               default: Any = None, help: str = "", check: Callable[[Any], Any] | None = None) -> Awaitable[Any]:
        """Let the person choose of options found while running: texts, or a dict of value to text.

        `await` gives the value; with `many` a list of at least `least` values. An option that is gone is asked again.
        """
        self._enter()
        spec = self._tried(choice, label, options, many=many, least=least, default=default, help=help)
        return self._step("choose", label, key, (spec, _code(check)), field=spec, default=default, check=check)

    @overload
    def job(self, label: str, fn: Callable[..., Coroutine[Any, Any, T]], *args: Any, key: Key | None = None,
            on: Executor = "thread", retries: int = 0, timeout_s: float | None = None) -> Awaitable[T]: ...
    @overload
    def job(self, label: str, fn: Callable[..., T], *args: Any, key: Key | None = None, on: Executor = "thread",
            retries: int = 0, timeout_s: float | None = None) -> Awaitable[T]: ...

    def job(self, label: str, fn: Callable[..., Any], *args: Any, key: Key | None = None, on: Executor = "thread",
            retries: int = 0, timeout_s: float | None = None) -> Awaitable[Any]:
        """Run `fn(*args)` once, with all that costs or has effects; `await` gives what was stored of its result.

        Other arguments run it again. `timeout_s`: seconds one try may take. `retries`: tries after the first, each
        after a longer pause. Stop marks it at once, and ends it at its next `progress(...)` or await. What is returned
        is JSON of at most 1 MB, a longer list, or a frame, a figure or bytes, which become a file of the run.
        """
        self._enter()
        self._tried(calls.check, fn, on=on, retries=retries, timeout_s=timeout_s)
        work = Work(fn, args, self._hashed(calls.call_digest, fn, args), on=on, retries=retries, timeout_s=timeout_s)
        return self._step("job", label, key, (work.digest, on, retries, timeout_s), work=work)

    @overload
    def each(self, label: str, items: Iterable[Any], fn: Callable[..., Coroutine[Any, Any, T]], *, workers: int = 1,
             on: Executor = "thread", retries: int = 0, timeout_s: float | None = None,
             failed: Literal["ask", "keep"] = "ask", name: Callable[[Any], str] | None = None,
             key: Key | None = None) -> Awaitable[Results[T]]: ...
    @overload
    def each(self, label: str, items: Iterable[Any], fn: Callable[..., T], *, workers: int = 1,
             on: Executor = "thread", retries: int = 0, timeout_s: float | None = None,
             failed: Literal["ask", "keep"] = "ask", name: Callable[[Any], str] | None = None,
             key: Key | None = None) -> Awaitable[Results[T]]: ...

    def each(self, label: str, items: Iterable[Any], fn: Callable[..., Any], *, workers: int = 1,
             on: Executor = "thread", retries: int = 0, timeout_s: float | None = None,
             failed: Literal["ask", "keep"] = "ask", name: Callable[[Any], str] | None = None,
             key: Key | None = None) -> Awaitable[Results[Any]]:
        """Run `fn(item)` for each item, `workers` at a time, storing every result as it comes.

        `await` gives the results in the order of the items, `Failed(item, error)` where there is none. `failed`: when
        some have failed the person is asked; "keep" goes on. `timeout_s`: seconds one item may take. `name`: what an
        item is called on the card. An item that was done with the same arguments is not run again.
        """
        self._enter()
        self._tried(calls.check, fn, on=on, workers=workers, retries=retries, timeout_s=timeout_s, failed=failed,
                    name=name)
        if isinstance(items, str | bytes) or not isinstance(items, Iterable):
            raise self._misuse(f"The items of {label!r} are a list, not {type(items).__name__}.")
        items = items if isinstance(items, Results) else tuple(items)
        work = Work(fn, (), self._hashed(calls.items_digest, fn, items), items, on, workers, retries, timeout_s, failed,
                    name, seal=self._seal)
        return self._step("each", label, key, (work.digest, on, workers, retries, timeout_s, failed), work=work)

    @overload
    def llm(self, label: str, prompt: str, *, key: Key | None = None) -> Awaitable[str]: ...
    @overload
    def llm(self, label: str, prompt: str, schema: type[T], *, key: Key | None = None) -> Awaitable[T]: ...
    @overload
    def llm(self, label: str, prompt: str, schema: Any, *, key: Key | None = None) -> Awaitable[Any]: ...

    def llm(self, label: str, prompt: str, schema: Any = None, *, key: Key | None = None) -> Awaitable[Any]:
        """Ask the model, which is sent the answered steps too; `await` gives its stored answer.

        `schema`: the type its answer is checked by, as of a dataclass or model; without one it is text.
        """
        self._enter()
        if not isinstance(prompt, str) or not prompt.strip():
            raise self._misuse(f"{label!r} needs a prompt: a text.")
        said = storable(prompt)
        work = Work(None, digest=self._hashed(calls.digest, [said, _said(schema)]), prompt=said, schema=schema)
        return self._step("llm", label, key, work.digest, work=work)

    def approve(self, label: str, what: Any, *, yes: str = "Yes", no: str = "No",
                key: Key | None = None) -> Awaitable[bool]:
        """Ask for a decision about `what`: anything `show` takes, or a tuple of such things. `await` gives a bool.

        When `what` is another text, table or file than was decided on, it is asked again.
        """
        self._enter()
        things = what if isinstance(what, tuple) else (what,)
        self._can_be_shown(things)
        approve = Approve(things, yes, no, self._hashed(digest, things), self._numbers(things))
        return self._step("approve", label, key, (yes, no, approve.digest), approve=approve)

    def show(self, *things: Any) -> None:
        """Show Markdown text, tables and whatever else can be drawn, in this place between the steps.

        It is not stored, it is drawn by each replay: what costs is made by a job. What cannot be shown is an error
        that says what to show instead.
        """
        self._enter()
        self._can_be_shown(things)
        if self._trace is not None:
            self._trace.append((*self._at, "show", digest(things)))
        if things:
            self._drawing.items.append(Show(self._numbers(things), things))

    def export(self, name: str, /, **data: Any) -> None:
        """Offer a download, made when it is asked for. The ending of `name` says what it is made of.

        json: everything by its name. csv and tsv: exactly one table. xlsx: a sheet a name. md and html: a section a
        name. A failed item has its error in a column; cells that a spreadsheet would run are quoted.
        """
        self._enter()
        if not isinstance(name, str) or not name.strip():
            raise self._misuse("export() needs the name of a file.")
        if name in self._exports:
            raise self._misuse(f"Two exports are called {name!r}, in lines {self._exports[name]} and {self._at[1]}.")
        self._exports[name] = self._at[1]
        self._tried(check_export, name, data)
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
        for thing in things:
            self._tried(check_shown, thing)

    def _tried(self, work: Callable[..., T], *args: Any, **named: Any) -> T:
        """What this gives; its `TypeError` is a sentence for the author."""
        try:
            return work(*args, **named)
        except TypeError as error:
            raise self._misuse(str(error)) from None

    def _hashed(self, digest: Callable[..., str], *args: Any) -> str:
        return calls.sealed(self._tried(digest, *args), self._seal)

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

    def _step(self, kind: Kind, label: str, key: Key | None, traced: Any, *, field: Question | None = None,
              approve: Approve | None = None, default: Any = None, check: Callable[[Any], Any] | None = None,
              work: Work | None = None, draft: str = "") -> _NotAwaited[Any]:
        """The answer of a stored step; at the first that has none the replay stops. `traced`: what a second replay of
        the same answers must call it with."""
        if self._trace is not None:
            self._trace.append((*self._at, f"{kind} {label!r}", (key, traced)))
        if not isinstance(label, str) or not label.strip() or storable(label) != label:
            raise self._misuse("A step needs a label: a text.")
        if len(label) > LABEL_LENGTH:
            raise self._misuse(f"A label is {len(label):,} characters; the limit is {LABEL_LENGTH}.")
        name = (label, self._tried(_key_text, key))
        if name in self._seen:
            raise self._misuse(self._double(name))
        self._seen[name] = self._at
        self._steps += 1
        step = Step(label, name[1], self._slug(*name), kind, self._steps, "open", field, approve, None, default, check,
                    *self._at, work=work, draft=draft)
        self._drawing.items.append(step)
        old = self._stored.get(name)
        if old is not None and old.kind == kind:
            if self._fits(step, old):
                self._answer = _NotAwaited(step.value)
                return self._answer
            if old.value is not None and work is None:
                step.default = (old.value == "true" if field is None else
                                field.proposal(old.value, open_file=self._open_file))
        self._drawing.open = step
        self._halt = Halt(file=step.file, line=step.line)
        raise self._halt

    def _fits(self, step: Step, old: Stored) -> bool:
        """Whether a stored answer or result still is this call's; then it is the step's value. What runs with these
        arguments, or failed, is the step's state."""
        if old.state == "reverted" or (step.field is None and old.digest not in (
                "*", (step.approve or step.work).digest)):  # type: ignore[union-attr]
            return False
        if step.work is not None:
            step.id, step.code, step.error = old.id, old.code, old.error
            if old.state != "done" or old.value is None:  # without a value it is not sealed yet
                step.state = old.state if old.state != "done" else "running"  # type: ignore[assignment]
                return False
        elif old.state != "done" or old.value is None:
            return False
        try:
            step.value = self._value(step, old)
        except (InvalidAnswer, NotFound, ValueError):
            return False
        step.state = "done"
        return True

    def _value(self, step: Step, old: Stored) -> Any:
        assert old.value is not None  # a step that is done has one
        if step.field is not None:
            if SECRET in old.value:  # from here on a digest may be one of the secret
                self._seal = self._key
            return step.field.from_json(old.value, open_file=self._open_file)
        if (work := step.work) is None:
            return old.value == "true"
        hint = calls.shape(calls.inner(work.fn)).returns if work.fn is not None else work.schema or str
        if old.rows is None:
            return calls.reader(hint, self._open_file)(old.value)
        if work.items is None:
            hint = calls.item_of(hint)
        return Results(old.rows, calls.reader(hint, old.rows.open_file), json.loads(old.value), work.items)

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


def _code(check: Any) -> Any:
    return getattr(check, "__code__", None)


def _said(schema: Any) -> str:
    return "" if schema is None else getattr(schema, "__qualname__", None) or str(schema)


def _key_text(key: Key | None) -> str:
    """A key as it is stored: a number or a text as it is, a tuple as its parts with slashes between."""
    if key is None:
        return ""
    if isinstance(key, tuple):
        return "/".join(_key_text(each).replace("/", "//") for each in key)
    if not isinstance(key, int | str):
        raise TypeError(f"key= is a number, a text or a tuple of them, not {type(key).__name__}.")
    return str(key)
