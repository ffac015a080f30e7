"""What a job calls: a function with its arguments, known by a digest; and what it returned, read back from JSON."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
import re
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache, partial
from os import PathLike
from typing import Any, NamedTuple

from .errors import InvalidAnswer
from .fields.types import OpenFile

Read = Callable[[str], Any]  # a stored result as its value, fresh at each call; raises `InvalidAnswer`, `NotFound`

FILE = re.compile(r'\{"file": ?"([0-9a-f]{32})"\}')  # a result that is a file of the run, as it is stored
MOST_WORKERS = 64
MOST_RETRIES = 100
_PLAIN = (str, int, float, bool, list, dict)
_HERE = object()


class Shape(NamedTuple):
    """What is known of a function. `progress`: the parameter that is given a `Progress`, which no caller passes.

    `hints`: its annotations as types, `returns` that of what it gives back; Any where there is none.
    """

    signature: inspect.Signature
    progress: str
    hints: dict[str, Any]
    returns: Any


def inner(fn: Any) -> Any:
    """The function an author wrote: that of a `partial`, of a `@tool`, or the function itself."""
    while isinstance(fn, partial):
        fn = fn.func
    return fn if inspect.isroutine(fn) or isinstance(fn, type) else getattr(fn, "__wrapped__", fn)


@lru_cache(maxsize=512)
def shape(fn: Any) -> Shape:
    """The shape of a function of an author's, as `inner` gives it. Raises `TypeError` for what cannot be called."""
    signature = inspect.signature(fn)
    try:
        hints = typing.get_type_hints(fn, include_extras=True)
    except Exception:  # noqa: BLE001 - an annotation may be any expression; one that fails checks nothing
        hints = {name: parameter.annotation for name, parameter in signature.parameters.items()
                 if parameter.annotation is not parameter.empty}
    progress = next((name for name, hint in hints.items() if _is_progress(hint) and name in signature.parameters), "")
    rest = [parameter for name, parameter in signature.parameters.items() if name != progress]
    return Shape(signature.replace(parameters=rest), progress, hints, hints.get("return", Any))


def _is_progress(hint: Any) -> bool:
    name = hint if isinstance(hint, str) else getattr(hint, "__name__", "")
    return bool(name.rpartition(".")[2] == "Progress")


def check(fn: Any, *, on: str = "thread", workers: int = 1, retries: int = 0, timeout_s: float | None = None,
          failed: str = "ask", name: Any = None) -> None:
    """Whether this can run at all. Raises `TypeError` with a sentence for the author."""
    own = inner(fn)
    called = getattr(own, "__name__", type(own).__name__)
    if not callable(fn):
        raise TypeError(f"A job runs a function, not {type(fn).__name__}: give its name without calling it.")
    if on not in ("thread", "process", "cluster"):
        raise TypeError(f"on= is 'thread', 'process' or 'cluster', not {on!r}.")
    if on != "thread" and inspect.iscoroutinefunction(own):
        raise TypeError(f"{called} is a coroutine function, which runs on the server's loop: leave out on={on!r}.")
    if on != "thread" and "<" in getattr(own, "__qualname__", "<"):  # <lambda>, <locals>, or no function
        raise TypeError(f"{called} cannot be sent to another process: on={on!r} needs a function of the module.")
    if type(workers) is not int or not 1 <= workers <= MOST_WORKERS:
        raise TypeError(f"workers= is a whole number from 1 to {MOST_WORKERS}, not {workers!r}.")
    if type(retries) is not int or not 0 <= retries <= MOST_RETRIES:
        raise TypeError(f"retries= is a whole number from 0 to {MOST_RETRIES}, not {retries!r}.")
    if timeout_s is not None and (isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float)
                                  or not timeout_s > 0):
        raise TypeError(f"timeout_s= is a number of seconds above 0, or None, not {timeout_s!r}.")
    if failed not in ("ask", "keep"):
        raise TypeError(f"failed= is 'ask' or 'keep', not {failed!r}.")
    if name is not None and not callable(name):
        raise TypeError("name= is a function of the item that gives a text.")


def arguments(fn: Any, args: Sequence[Any]) -> dict[str, Any]:
    """All arguments of a call by name, those bound by `partial` too. Raises `TypeError` that says what is missing."""
    keywords: dict[str, Any] = {}
    while isinstance(fn, partial):
        args, keywords = (*fn.args, *args), fn.keywords | keywords
        fn = fn.func
    bound = shape(inner(fn)).signature.bind(*args, **keywords)
    return dict(bound.arguments)


def digest(value: Any) -> str:
    """The hash of a value's JSON; of a file, and of what an `each` gave, its content. Raises `TypeError`."""
    return hashlib.sha256(_json(value).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def call_digest(fn: Any, args: Sequence[Any]) -> str:
    """By which the result of a call is known: all its arguments. Raises `TypeError`."""
    return digest(arguments(fn, args))


def items_digest(fn: Any, items: Sequence[Any]) -> str:
    """By which the result of an `each` is known: all its items, and what else its function is given."""
    return digest([_around(fn), items])


def sealed(digest: str, seal: bytes) -> str:
    """A digest from which nobody without the key `seal` can try out what it was made of; as it is without one."""
    return hmac.digest(seal, digest.encode(), "sha256").hex()[:32] if seal else digest


def item_digests(fn: Any, items: Sequence[Any], seal: bytes = b"") -> Iterator[str]:
    """By which the result of each item is known: all arguments of its call, and its number among equals."""
    around = _json(_around(fn))
    seen: dict[str, int] = {}
    for item in items:
        name = sealed(digest([around, item]), seal)
        seen[name] = number = seen.get(name, -1) + 1
        yield f"{name}-{number}"


def _around(fn: Any) -> list[Any]:
    """The arguments of an item's call, and the name of the one that is the item."""
    bound = arguments(fn, (_HERE,))
    return [[name, "item" if value is _HERE else ["item"] if value == (_HERE,) else value]
            for name, value in bound.items()]


def _json(value: Any) -> str:
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise TypeError(f"It cannot be stored: {error}.") from None


def _plain(value: Any) -> Any:
    """What JSON has no word for. A set has no order of its own."""
    if (content := getattr(value, "sha256", None)) is not None:
        return ["content", str(content)]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PathLike):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, set | frozenset):
        return sorted(map(_json, value))
    if callable(dump := getattr(value, "model_dump", None)) and not isinstance(value, type):
        return dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if type(value).__module__ in ("decimal", "uuid", "fractions"):
        return str(value)
    raise TypeError(f"A job is given texts, numbers, lists, dicts, dataclasses and files, not "
                    f"{type(value).__module__}.{type(value).__qualname__}.".replace("builtins.", ""))


def item_of(hint: Any) -> Any:
    """What a list that is kept by row holds."""
    return next(iter(typing.get_args(hint)), Any)


def reader(hint: Any, open_file: OpenFile) -> Read:
    """How what was stored is read back, by a return annotation or the schema of an `llm`. Files come as `File`."""
    check = _checker(hint)

    def read(text: str) -> Any:
        if (found := FILE.fullmatch(text)) is not None:
            return open_file(found[1])
        return check(text)

    return read


def _checker(hint: Any) -> Read:
    try:
        return _known(hint)
    except TypeError:  # an annotation that cannot be hashed, such as Annotated with a list
        return _known.__wrapped__(hint)


@lru_cache(maxsize=512)
def _known(hint: Any) -> Read:
    if hint in _PLAIN or hint in (Any, None, type(None)):
        return partial(_builtin, hint)
    from pydantic import TypeAdapter, ValidationError  # only where an annotation says more than that
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

    try:
        adapter = TypeAdapter(hint)
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation):  # a frame or a figure: kept as a file
        return json.loads

    def read(text: str) -> Any:
        try:
            return adapter.validate_json(text)
        except ValidationError as error:
            raise InvalidAnswer(f"The stored result does not fit: {error.errors()[0]['msg']}.") from None

    return read


def _builtin(hint: Any, text: str) -> Any:
    value = json.loads(text)
    if hint in _PLAIN and not isinstance(value, (int, float) if hint is float else hint):
        raise InvalidAnswer(f"The stored result is no {hint.__name__}.")
    return value
