"""Text that can be kept, sent and shown."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text as UTF-8 can hold it: halves of a surrogate pair are joined, a lone half becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def one_line(text: str, length: int) -> str:
    """The text as one line of at most `length` characters; what is cut off is an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[:length - 1].rstrip() + "…"


_hidden: list[str] = []


def hide(secret: str) -> None:
    """Never write `secret`, wherever it may turn up: in the log, in what an error says."""
    if secret not in _hidden:
        _hidden.append(secret)


def without_secrets(text: str) -> str:
    """The text with dots for all that is to be hidden."""
    for secret in _hidden:
        text = text.replace(secret, "...")
    return text
