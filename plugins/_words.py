"""Numbers with the word they count."""


def many(count: int, one: str, more: str = "") -> str:
    """ "1 page" or "2,300 pages"; `more` where an s does not do."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"
