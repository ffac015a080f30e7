"""What an `each` gave: a sequence over its rows, read where it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, overload

from .errors import InvalidAnswer
from .files import File

T = TypeVar("T", covariant=True)
PAGE = 500  # rows read at a time


@dataclass(frozen=True)
class Failed:
    """An item that has no result, in the place of its result. `error`: why, in one line; "Stopped" if it never ran."""

    item: Any
    error: str


class Row(NamedTuple):
    """One row of `items`. `value` is JSON."""

    number: int
    state: str
    value: str | None
    error: str


class Rows(Protocol):
    """The rows of one step, for any thread."""

    def page(self, number: int) -> list[Row]:
        """The rows of page `number`, from 0: items 500 * number and after. Those that never ran are not among them."""

    def count(self) -> int:
        """How many there are of a long list, where none is missing."""

    def done(self) -> list[int]:
        """The numbers of the items that have a result, in order. Numbers begin at 0."""

    def open_file(self, id: str) -> File:
        """A file among the results. Raises `NotFound`."""


class Results(Sequence[T], Generic[T]):
    """The results of an `each`, in the order of its items, or those of a job with a long list. It cannot be changed.

    A failed item is a `Failed(item, error)` in its place; `ok` leaves those out, `failed` has only those. A value is
    read from its row whenever it is asked for: 10,000 take 0.06 s, and a drawing has one second, so looking through
    more belongs in a job. In another process it is a list.
    """

    def __init__(self, rows: Rows, read: Callable[[str], Any], sha256: str, items: Sequence[Any] | None = None,
                 numbers: Sequence[int] | None = None) -> None:
        self._rows, self._read, self._items = rows, read, items
        self.sha256 = sha256  # changes with what is in it
        self._numbers = numbers
        self._page: tuple[int, dict[int, Row]] = (-1, {})

    @cached_property
    def _all(self) -> Sequence[int]:
        if self._numbers is not None:
            return self._numbers
        return range(len(self._items) if self._items is not None else self._rows.count())

    @cached_property  # asked for again and again while a run is drawn
    def ok(self) -> Results[T]:
        """Those that have a result."""
        return Results(self._rows, self._read, f"{self.sha256} ok", self._items, self._of(self._rows.done()))

    @cached_property
    def failed(self) -> Results[Any]:
        """The `Failed` of the others."""
        done = set(self._rows.done())
        rest = [number for number in self._all if number not in done]
        return Results(self._rows, self._read, f"{self.sha256} failed", self._items, rest)

    def _of(self, numbers: list[int]) -> list[int]:
        mine, wanted = self._all, set(numbers)
        return numbers if isinstance(mine, range) else [number for number in mine if number in wanted]

    def __len__(self) -> int:
        return len(self._all)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> list[T]: ...

    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return [self._value(number) for number in self._all[at]]
        return self._value(self._all[at])

    def __iter__(self) -> Iterator[T]:
        return (self._value(number) for number in self._all)

    def _value(self, number: int) -> Any:
        held = self._page  # one thread's look at it: others may turn the page
        if held[0] != number // PAGE:
            held = self._page = (number // PAGE, {row.number: row for row in self._rows.page(number // PAGE)})
        row = held[1].get(number)
        if row is None or row.state != "done" or row.value is None:
            error = row.error if row is not None else ""
            return Failed(self._items[number] if self._items is not None else None, error or "Stopped")
        try:
            return self._read(row.value)
        except InvalidAnswer as error:  # its annotation is another one since
            return Failed(self._items[number] if self._items is not None else None, error.message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __reduce__(self) -> Any:
        return list, (list(self),)

    def __repr__(self) -> str:
        return f"<{len(self)} results>"
