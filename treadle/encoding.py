"""Text that can be kept and sent."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text as UTF-8 can hold it: halves of a surrogate pair are joined, a lone half becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
