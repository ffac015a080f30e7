"""The blocks of a Markdown text that grows: what is finished is drawn once, what grows is drawn at its end only.

The rules of Markdown are those of the parser, which is asked again about the last block, or the last item of a list,
or the last row of a table; a fence is read line by line. Only complete lines finish a block.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from .highlight import escape
from .leaves import REST, SPOT, LiveCode, LiveLeaf
from .markdown import CODE_END, NESTING, References, blocks, blocks_of, clean, code_start, inline, plain
from .tokens import dedent, empty_cells, groups_of, items_of, last_of, open_fence, tip_of
from .undecided import may_be_definition, may_be_header, may_show, words_only

OPEN_OVER = 16_000    # characters of a block, or of an item, that is not finished: plain text until it is
EMPTY_OVER = 65_000   # empty cells of one table: the parser ends it about there
OPENER = re.compile(r"<[^>]*>")


@dataclass
class _List:
    """A list of which some items are finished. `html`: up to the last of them."""

    html: str
    close: str
    before: str  # an item to parse the last one after: whether it is one depends on there being a list


@dataclass
class _Table:
    """A table with rows. `html`: up to the last of them; `head`: its two first lines."""

    html: str
    head: str
    close: str
    empty: int = 0


@dataclass
class _Fence:
    """A fence that is open."""

    html: str
    code: LiveCode
    end: re.Pattern[str]
    sign: str
    indent: int


@dataclass
class _Line:
    """An unfinished line in a paragraph: more of it is more of the paragraph, nothing has to be parsed again."""

    before: list[str]  # the blocks before, and the last one up to and after the paragraph
    start: str
    end: str
    text: str          # of the paragraph
    references: References
    number: int        # of its first line


@dataclass
class Growing:
    """Feed it; `closed` are the finished blocks, without ids, and `tail` draws the rest."""

    closed: list[str] = field(default_factory=list)
    source: str = ""               # what is not finished, from the start of its block, item or row
    _line: int = 0                 # of the whole text, at which `source` begins
    _references: References = field(default_factory=References)
    _in: _List | _Table | _Fence | None = None
    _leaf: LiveLeaf = field(default_factory=LiveLeaf)
    _written: _Line | None = None
    _texts: dict[str, str] = field(default_factory=dict)
    _codes: dict[tuple[int, str], LiveCode] = field(default_factory=dict)
    _fence: str = ""               # the sign of the fence in an item or quote in which the text ends
    _carry: str = ""

    def __post_init__(self) -> None:
        self._references.late = False

    def feed(self, text: str) -> None:
        """More text; what its complete lines finish is closed."""
        text = self._carry + text
        self._carry = "\r" if text.endswith("\r") else ""  # it may be half of a line end
        text = clean(text.removesuffix("\r"))
        self.source += text
        if "\n" in text:
            self._written = None
            while self._advance():
                pass
        elif self._written is not None:
            self._written.text += text

    def finish(self, text: str) -> list[str]:
        """All blocks of the whole text that was fed, as `render_reply` draws them; what was drawn already is used."""
        source, references = clean(text), References()
        tokens = blocks_of(source, references)
        self._line, self._in = 0, None
        return self._draw(tokens, source, references)

    # -- what complete lines finish

    def _advance(self) -> bool:
        """Finish what can be; True if the rest is to be looked at again."""
        whole = self.source[:self.source.rfind("\n") + 1]
        if not whole:
            return False
        if isinstance(self._in, _Fence):
            return self._advance_fence(self._in, whole)
        if isinstance(self._in, _Table):
            return self._advance_table(self._in, whole)
        tokens, references = self._parse(whole)
        groups = groups_of(tokens)
        self._fence = open_fence(tokens, whole)
        if not groups:
            return False
        if isinstance(self._in, _List):
            return self._advance_list(self._in, whole, tokens, references, groups)
        if len(groups) > 1:
            last = groups[-1][0].map[0]
            self.closed += self._draw(tokens[:-len(groups[-1])], whole, references)
            self._cut(last, references)
            return True
        return self._enter(groups[0], whole, references)

    def _enter(self, group: list[Any], whole: str, references: References) -> bool:
        """Begin to read a fence by lines, a list by items, a table by rows, where that has become possible."""
        first = group[0]
        if any(token.level >= NESTING - 1 for token in group):
            return False
        if first.type == "fence":
            size = len(first.markup)
            line = whole.split("\n")[first.map[0]]
            end = re.compile(rf" {{0,3}}{re.escape(first.markup[0])}{{{size},}}[ \t]*")
            code = self._codes[self._line + first.map[0], first.info] = LiveCode(first.info)
            self._in = _Fence(code_start(first.info), code, end, first.markup[0], len(line) - len(line.lstrip(" ")))
            self._cut(first.map[0] + 1, references)
            return True
        if first.type in ("bullet_list_open", "ordered_list_open"):
            items = [at for at, token in enumerate(group) if token.type == "list_item_open" and token.level == 1]
            if len(items) < 2:
                return False
            html = self._draw([*group[:items[-1]], group[-1]], whole, references)[0]
            close = f"</{first.tag}>"
            marker = first.markup if first.tag == "ul" else f"1{first.markup}"
            self._in = _List(html.removesuffix(close), close, f"{marker}    x\n\n")
            self._cut(group[items[-1]].map[0], references)
            return True
        if first.type == "table_open" and first.map[1] > first.map[0] + 2:
            html = self._draw(group, whole, references)[0]
            close = "</tbody></table></div>"
            lines = whole.split("\n")
            head = "\n".join(lines[first.map[0]:first.map[0] + 2]) + "\n"
            self._in = _Table(html.removesuffix(close), head, close, empty_cells(group))
            self._cut(first.map[1], references)
            return True
        return False

    def _advance_fence(self, fence: _Fence, whole: str) -> bool:
        lines = whole.split("\n")
        for at, line in enumerate(lines[:-1]):
            if fence.end.fullmatch(line):
                self.closed.append(fence.html + fence.code.html + CODE_END)
                self._in = None
                self._cut(at + 1, self._references)
                return True
            fence.code.add(dedent(line, fence.indent))
        self._cut(len(lines) - 1, self._references)
        return False

    def _advance_table(self, table: _Table, whole: str) -> bool:
        tokens, references = self._parse(whole)
        group = groups_of(tokens)[0]
        rows = group[0].map[1] - 2
        if rows:
            html = self._draw(group, table.head + whole, references, shift=2)[0]
            table.html += html[html.index("<tbody>") + 7:].removesuffix(table.close)
            table.empty += empty_cells(group)
            self._cut(rows, references)
        if rows < whole.count("\n") or table.empty > EMPTY_OVER:
            self.closed.append(table.html + table.close)
            self._in = None
            return True
        return False

    def _advance_list(self, list_: _List, whole: str, tokens: list[Any], references: References,
                      groups: list[list[Any]]) -> bool:
        items, group = items_of(groups[0])
        shift = list_.before.count("\n")
        if len(groups) > 1 and any(token.level >= NESTING - 1 for token in group):
            return False
        if len(groups) > 1:
            html = self._draw(group, list_.before + whole, references, shift=shift)[0]
            self.closed.append(list_.html + OPENER.sub("", html, count=1))
            self._in = None
            self._cut(groups[1][0].map[0] - shift, references)
            return True
        if len(items) > 1:
            last = items[-1]
            html = self._draw([*group[:last], group[-1]], list_.before + whole, references, shift=shift)[0]
            list_.html += OPENER.sub("", html, count=1).removesuffix(list_.close)
            self._cut(group[last].map[0] - shift, references)
            return True
        return False

    def _cut(self, lines: int, references: References) -> None:
        """Forget the first lines of the source; they are drawn. Definitions in them stay."""
        at = 0
        for _ in range(lines):
            at = self.source.index("\n", at) + 1
        self.source = self.source[at:]
        self._line += lines
        for label, found in references.items():
            if found["map"][0] < self._line:
                self._references.setdefault(label, found)
        self._fence = ""
        self._written = None
        self._leaf = LiveLeaf()

    # -- drawing

    def _parse(self, source: str) -> tuple[list[Any], References]:
        """Tokens, with their lines counted from the start of what was parsed; references by lines of the whole text."""
        context = self._in
        before = context.before if isinstance(context, _List) else context.head if isinstance(context, _Table) else ""
        references = References(self._references)
        references.late = False
        tokens = blocks_of(before + source, references)
        base = self._line - before.count("\n")
        for label in references.keys() - self._references.keys():
            references[label] = {**references[label], "map": [line + base for line in references[label]["map"]]}
        return tokens, references

    def _draw(self, tokens: list[Any], source: str, references: References, *, shift: int = 0,
              live: Any = None) -> list[str]:
        """Blocks as HTML. `shift`: lines before the source that are not of the text; `live`: the token that grows."""
        base = self._line - shift

        def leaf(token: Any) -> str:
            line, text = base + token.map[0], token.content
            if token is live:
                return self._leaf.draw(text, references, line)
            if "[" in text:  # what it is depends on the definitions known by now
                return inline(text, references, line, breaks=True)
            found = self._texts.get(text)
            if found is None:
                found = self._texts[text] = inline(text, references, line, breaks=True)
            return found

        def fence(token: Any) -> str:
            if token.type == "code_block":
                return escape(token.content.removesuffix("\n")) + (SPOT + REST if token is live else "")
            place = base + token.map[0], token.info
            code = self._codes.get(place)
            if code is None or not token.content.startswith(code.text):
                code = self._codes[place] = LiveCode(token.info)
            rest = code.follow(token.content)
            if token is live:
                return code.draw(rest)
            if rest:  # the text ends without a line end
                code.add(rest)
            return code.html

        return list(blocks(tokens, source, leaf, fence))

    def tail(self) -> list[str]:
        """The blocks that are not finished, as they may be shown: the last one holds `SPOT` and `REST` where it grows.

        Empty while it is not clear what begins.
        """
        if isinstance(self._in, _Fence):
            fence = self._in
            rest = dedent(self.source, fence.indent) if may_show(self.source, fence.sign) else ""
            return [fence.html + fence.code.draw(rest) + CODE_END]
        if isinstance(self._in, _Table):
            return [self._in.html + self._in.close]
        if len(self.source) > OPEN_OVER:
            return self._tail_as_text()
        if (line := self._written) is not None:
            drawn = self._leaf.draw(line.text.rstrip(), line.references, line.number)
            return [*line.before, f"{line.start}{drawn}{line.end}"]
        begun = self.source.rfind("\n") + 1
        whole, line = self.source[:begun], self.source[begun:]
        source = self.source
        tokens, references = self._parse(source) if may_show(line, self._fence) else ([], References())
        shown = bool(tokens) and self._belongs(tokens, line)
        if not shown:
            source = whole
            tokens, references = self._parse(source)
        shift = self._in.before.count("\n") if isinstance(self._in, _List) else 0
        live = tip_of(tokens)
        if live is not None and live.type == "inline" and live.map[1] < shift + whole.count("\n") + shown:
            live = None  # an empty line ended it
        if live is not None and live.type == "inline" and tokens[tokens.index(live) - 1].type == "paragraph_open":
            tokens = self._held_back(tokens, live, references, self._line - shift, None if shown else line)
        if isinstance(self._in, _List):
            groups = groups_of(tokens)
            if any(token.level >= NESTING - 1 for token in groups[0]):
                return self._tail_as_text()
            tokens = [*items_of(groups[0])[1], *(token for group in groups[1:] for token in group)]
            html = self._draw(tokens, self._in.before + source, references, shift=shift, live=live)
            html[0] = self._in.html + OPENER.sub("", html[0], count=1)
        else:
            html = self._draw(tokens, source, references, live=live)
        if shown and live is not None and live in tokens and live.type == "inline":
            self._remember(tokens, live, html, references, line)
        return html

    def _remember(self, tokens: list[Any], live: Any, html: list[str], references: References, line: str) -> None:
        """That the text ends in a paragraph, if no sign that may follow can make something else of it."""
        text = live.content
        if tokens[tokens.index(live) - 1].type != "paragraph_open" or text[:1] in tuple("[\"'(") or not html:
            return
        start, _, end = html[-1].partition(SPOT)
        done = self._leaf.html
        if start.endswith(done):
            text += line[len(line.rstrip()):]
            self._written = _Line(html[:-1], start[:len(start) - len(done)], end.partition(REST)[2], text, references,
                                  references.line)

    def _belongs(self, tokens: list[Any], line: str) -> bool:
        """Whether an unfinished line may be shown where the parser has put it: not in a row, which would lose cells."""
        last = last_of(tokens)
        if tokens[last].type == "inline" and tokens[last - 1].type == "td_open":
            return False
        return not self._fence or tokens[last].type == "fence" or may_show(line, "")

    def _held_back(self, tokens: list[Any], live: Any, references: References, base: int,
                   hidden: str | None) -> list[Any]:
        """Without the paragraph that may turn out to be a definition, or the line that may be the head of a table.

        `hidden`: the unfinished line after it, if it is not shown.
        """
        before, _, last = live.content.rpartition("\n")
        if hidden is not None and may_be_header(last, hidden):
            live.content = before.rstrip()
        text, start = live.content, base + live.map[0]
        title = text[:1] in tuple("\"'(") and any(found["map"][1] == start for found in references.values())
        if text and not title and not may_be_definition(text):
            return tokens
        at = tokens.index(live)
        return tokens[:at - 1] + tokens[at + 2:]

    def _tail_as_text(self) -> list[str]:
        box = plain(words_only(self.source))
        if isinstance(self._in, _List):
            return [f"{self._in.html}<li>{box}</li>{self._in.close}"]
        return [box]
