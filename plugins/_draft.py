"""An outline and the prompts of a draft."""

import re
from html import escape

LANGUAGE = ("Write in the language of the brief. Write plain Markdown, no code fence around it, and nothing about "
            "yourself.")
MOST_SECTIONS = 12


def outline_prompt(brief: str, audience: str, length: str) -> str:
    """What the model is asked for before anything is written."""
    return (f"Make an outline for a text.\n\nBrief:\n{brief}\n\nReaders: {audience}\nLength: {length}\n\nAnswer with "
            f"one heading in each line, no numbers, no marks, at most {MOST_SECTIONS}, the first one being the title. "
            f"{LANGUAGE}")


def headings(text: str) -> list[str]:
    """The headings of an outline, however they are marked; each once."""
    found = []
    for line in text.splitlines():
        plain = re.sub(r"^(?:[-*+#>\s]|\d+[.)])+", "", line).strip(" *_`").rstrip(":")
        if plain and plain not in found:
            found.append(plain[:200])
    return found


def checked(text: str) -> str:
    """An outline that can be written: a title and at least one section. Raises `ValueError`."""
    found = headings(text)
    if len(found) < 2:
        raise ValueError("An outline has a title in its first line and at least one heading after it.")
    if len(found) > MOST_SECTIONS + 1:
        raise ValueError(f"{len(found) - 1} sections is over the limit of {MOST_SECTIONS}. Join some.")
    return text


def section_prompt(brief: str, audience: str, length: str, outline: list[str], heading: str, before: str) -> str:
    """What the model is asked for one section, with what was written before it."""
    listed = "\n".join(f"- {each}" for each in outline)
    written = f"\n\nWritten so far:\n{before[-4_000:]}" if before else ""
    return (f"Write the section \u201c{heading}\u201d of a text, without its heading.\n\nBrief:\n{brief}\n\n"
            f"Readers: {audience}\nLength of the whole text: {length}\n\nOutline:\n{listed}{written}\n\n{LANGUAGE}")


def joined(title: str, sections: dict[str, str]) -> str:
    """The whole text as Markdown."""
    parts = [f"## {heading}\n\n{text.strip()}" for heading, text in sections.items()]
    return "\n\n".join([f"# {title}", *parts]) + "\n"


def as_html(title: str, text: str) -> str:
    """Markdown as a page that opens anywhere, and whose parts can be copied into an editor. HTML in it is text."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return f'<!doctype html>\n<html><head><meta charset="utf-8"><title>{escape(title)}</title></head>' \
           f"<body>\n{body}</body></html>\n"
