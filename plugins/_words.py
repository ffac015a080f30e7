"""Words for numbers, and names that are not taken."""

from collections.abc import Collection
from itertools import count as numbers


def many(count: int, one: str, more: str = "") -> str:
    """ "1 page" or "2,300 pages"; `more` where an s does not do."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def unused(name: str, taken: Collection[str]) -> str:
    """The name, or where it is taken the first of "name 2", "name 3" that is not."""
    if name not in taken:
        return name
    return next(other for number in numbers(2) if (other := f"{name} {number}") not in taken)
