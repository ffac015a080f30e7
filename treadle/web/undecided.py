"""What of a text that still grows may be shown: no word once visible may disappear again.

`scan` says up to where a paragraph is decided, whatever follows, and how much of the rest can be shown meanwhile; the
link whose address is not complete, half an entity, a mark without its other half are held back. `may_show` says the
same of an unfinished line: whether it is clear what kind of block it begins. Both may err: what they decide wrongly is
drawn again, whole, when its block is finished.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from .markdown import References, _label

HELD = 300     # characters after `[`, `*` or a backtick that wait for their other half; then it is taken for text
LABEL = 1_000  # characters of a link's address and title that are waited for
WORDS = re.compile(r"[^\\`*_~\[!<&\s]+")
SPACE = re.compile(r"\s+")
TICKS = re.compile("`+")
ANGLE = re.compile(r"<[A-Za-z0-9.!#$%&'*+/=?^_`{|}~:@;,()\[\]-]*")
ENTITY = re.compile(r"&(?:#[0-9A-Fa-fxX]{0,8}|[A-Za-z][A-Za-z0-9]{0,31})?")
OTHERWISE = re.compile(r"[&\[<`]")  # in a code span that may be none: what would read differently outside of one
BRACKET = re.compile(r"\\.|`+|[\[\]]", re.S)
PREFIX = re.compile(r"(?:[ \t]*(?:>|(?:[-*+]|\d{1,9}[.)]|\[[ xX]\])(?=[ \t])))*[ \t]*")
MARKS = re.compile(r"[-*+_=~`#|:>.)\s]*|\d{1,9}[.)]?")
FENCE = re.compile(r"`{3,}[^`]*|~{3,}.*")
TASK = re.compile(r"\[(?:[ xX](?:\][ \t]*)?)?")
DELIMITER = re.compile(r"[\s>|:-]*")


class Scan(NamedTuple):
    """`decided`: what stands before is final. `seen`: up to where it may be shown, with `closers` after it."""

    decided: int
    seen: int
    closers: str


def scan(text: str, start: int, references: References) -> Scan:
    """Read the text of a paragraph from `start`, where nothing is open."""
    end, at = len(text), start
    open_: list[tuple[str, int, int]] = []  # mark, how many of it, where
    stop, code = end, ""
    pairs: dict[int, int] | None = None
    while at < end:
        sign = text[at]
        if run := WORDS.match(text, at) or SPACE.match(text, at):
            at = run.end()
        elif sign == "\\":
            if at + 1 == end:
                stop = at
                break
            at += 2
        elif sign == "`":
            after, seen = _code(text, at)
            if after < 0:
                stop, code = seen, "`" * -after if seen > at else ""
                break
            at = after
        elif sign == "[" or (sign == "!" and text.startswith("[", at + 1)):
            opening = at + (sign == "!")
            if pairs is None:
                pairs = _pairs(text, opening)
            after = _link(text, opening, pairs.get(opening, -1), references)
            if after < 0:
                stop = at
                break
            at = max(after, at + 1)
        elif sign == "!":
            if at + 1 == end:
                stop = at
                break
            at += 1
        elif sign in "<&":
            run = (ANGLE if sign == "<" else ENTITY).match(text, at)
            assert run is not None
            if run.end() == end and end - at < HELD:
                stop = at
                break
            at = run.end() + 1 if text[run.end():run.end() + 1] in (">", ";") else at + 1
        else:
            run_end = at + 1
            while run_end < end and text[run_end] == sign:
                run_end += 1
            if run_end == end:
                stop = at
                break
            _delimiter(text, at, run_end, open_)
            at = run_end
    open_ = [mark for mark in open_ if end - mark[2] <= HELD]
    decided = min([mark[2] for mark in open_[:1]] + ([at] if code else [stop]))
    return _visible(text, decided, stop, open_, code)


def _visible(text: str, decided: int, seen: int, open_: list[tuple[str, int, int]], code: str) -> Scan:
    """Cut what would show marks without content, and close what is open."""
    seen = decided + len(text[decided:seen].rstrip())
    while not code and open_ and open_[-1][2] + open_[-1][1] >= seen:
        seen = decided + len(text[decided:open_.pop()[2]].rstrip())
    closers = code + "".join(mark * count for mark, count, _ in reversed(open_))
    return Scan(decided, max(seen, decided), closers)


def _code(text: str, at: int) -> tuple[int, int]:
    """A code span: where it ends. Still open: minus its backticks, and up to where it may be shown."""
    run = TICKS.match(text, at)
    assert run is not None
    size = run.end() - at
    for close in TICKS.finditer(text, run.end()):
        if close.end() - close.start() == size and close.end() < len(text):
            return close.end(), 0
    if len(text) - at > HELD:
        return run.end(), 0
    other = OTHERWISE.search(text, run.end())
    seen = len(text[:other.start() if other else len(text)].rstrip())
    return -size, seen if seen > run.end() else at


def _pairs(text: str, at: int) -> dict[int, int]:
    """The brackets that belong together, from `at` on."""
    found: dict[int, int] = {}
    open_: list[int] = []
    while token := BRACKET.search(text, at):
        at = token.end()
        sign = token.group()
        if sign == "[":
            open_.append(token.start())
        elif sign == "]" and open_:
            found[open_.pop()] = token.start()
        elif sign[0] == "`":
            at, _ = _code(text, token.start())
            if at < 0:  # what follows may be code
                break
    return found


def _link(text: str, at: int, closing: int, references: References) -> int:
    """After a link or picture that begins with the bracket at `at`; `at` + 1 where it is none; -1 undecided."""
    end = len(text)
    if closing < 0:
        return at + 1 if end - at > HELD else -1
    after = closing + 1
    if after == end:
        return -1
    if text[after] == "(":
        found = _address(text, after + 1)
        if found:
            return found
        return at + 1
    if text[after] == "[":
        closing = text.find("]", after)
        if closing < 0:
            return at + 1 if end - after > HELD else -1
        name = _label(text[after + 1:closing] or text[at + 1:after - 1])
        return closing + 1 if name in references and not references.is_late(name) else at + 1
    return at + 1


def _address(text: str, at: int) -> int:
    """After the `)` of an address and title that begin at `at`; 0 where they are none; -1 undecided."""
    from markdown_it.helpers import parseLinkDestination, parseLinkTitle

    end = min(len(text), at + LABEL)
    more = -1 if end == len(text) else 0
    at = _skip(text, at, end)
    if at >= end:
        return more
    target = parseLinkDestination(text, at, end)
    if not target.ok:
        broken = re.compile(r"[<\n]" if text[at] == "<" else r"[\x00-\x20\x7f]").search(text, at + 1, end)
        return 0 if broken or text[at] == ")" else more
    at, before = _skip(text, target.pos, end), target.pos
    if at >= end:
        return more
    if text[at] == ")":
        return at + 1
    if at == before or text[at] not in "\"'(":
        return 0
    title = parseLinkTitle(text, at, end)
    if not title.ok:
        return more if title.can_continue else 0
    at = _skip(text, title.pos, end)
    return more if at >= end else at + 1 if text[at] == ")" else 0


def _skip(text: str, at: int, end: int) -> int:
    while at < end and text[at] in " \t\n":
        at += 1
    return at


def _delimiter(text: str, at: int, run_end: int, open_: list[tuple[str, int, int]]) -> None:
    """A run of `*`, `_` or `~`: it closes what it can and may open the rest."""
    sign, count = text[at], run_end - at
    before, after = text[at - 1] if at else " ", text[run_end]
    left = not after.isspace() and (not _punctuation(after) or before.isspace() or _punctuation(before))
    right = not before.isspace() and (not _punctuation(before) or after.isspace() or _punctuation(after))
    opens, closes = left, right
    if sign == "_":
        opens, closes = left and (not right or _punctuation(before)), right and (not left or _punctuation(after))
    elif sign == "~":
        count -= count % 2
    if closes:
        for index in range(len(open_) - 1, -1, -1):
            mark, size, where = open_[index]
            if mark != sign:
                continue
            used = min(size, count)
            count -= used
            open_[index:] = [(mark, size - used, where)] if size > used else []
            if not count:
                break
    if opens and count:
        open_.append((sign, count, at))


def _punctuation(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "PS"


def may_show(line: str, fence: str) -> bool:
    """Whether an unfinished line may be shown. `fence`: the sign of the fence it stands in, or ""."""
    if fence:
        return bool(line.strip(" \t>" + fence))
    rest = line[PREFIX.match(line).end():]  # type: ignore[union-attr]
    if not rest or MARKS.fullmatch(rest) or FENCE.fullmatch(rest) or rest[0] == "|":
        return False
    return not (TASK.fullmatch(rest) and len(rest) < len(line.lstrip()))


def may_be_header(line: str, below: str) -> bool:
    """Whether a line may turn out to be the head of a table, seen what has come of the line below it."""
    return line.lstrip().startswith("|") and DELIMITER.fullmatch(below) is not None


def may_be_definition(content: str) -> bool:
    """Whether a paragraph may turn out to be a link definition, which is not shown."""
    if not content.startswith("["):
        return False
    closing = 1
    while closing < len(content) and content[closing] != "]":
        if content[closing] == "[":
            return False
        closing += 1 + (content[closing] == "\\")
    if closing >= len(content) - 1:
        return len(content) < LABEL
    return content[closing + 1] == ":"


HIDDEN = re.compile(
    r"(?m)^([ \t>]*)\d{1,9}(?:[.)](?=\s)|[.)]?\Z)|^[ \t>]*\[[^\]\n]*\]:.*$|\]\([^)\s]*(?:\s[^)]*)?(?:\)|\Z)"
    r"|&[#A-Za-z0-9]*(?:;|\Z)|\[[xX]\]|^[ \t>]*(?:`{3,}|~{3,}).*$|\][ \t]*\[[^\]]*\Z|(?=(!?\[))")


def words_only(source: str) -> str:
    """Markdown as plain text, without what would not be visible once it is drawn: addresses, numbers of items."""
    # where a link may have begun: looked for once, as looking from each bracket costs the square of them
    begun = max(source.rfind("]"), source.rfind("\n")) + 1
    out, at = [], 0
    for match in HIDDEN.finditer(source):
        if match[2] is None:
            out += [source[at:match.start()], match[1] or ""]
            at = match.end()
        elif match.end(2) > begun:
            return "".join([*out, source[at:match.start()]])
    return "".join([*out, source[at:]])
