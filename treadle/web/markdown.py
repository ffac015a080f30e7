"""Markdown to HTML that cannot act. What a model writes becomes text, links and a few marks, whatever it writes.

Raw HTML is off, links are checked, pictures become links, and what holds the model's text goes through an allow-list
last. The wrappers around it are ours and constant, and carry the only ids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from loguru import logger

from .highlight import escape, highlight

PLAIN_OVER = 200_000  # characters; a longer message is plain text, whole
LEAF_OVER = 64_000    # characters of one paragraph; a longer one keeps its words but not its marks
SIGNS_OVER = 2_000    # of `[ ! * _ ~ < &`, backticks and line ends in one paragraph, likewise: hostile texts have many
NESTING = 60          # levels; a list or quote that goes deeper is plain text
COLUMNS = 60          # a table that has more is none
HTML_OVER = 2_000_000  # characters of HTML; a text that becomes more of it is plain text, whole
PLAIN_CHUNK = 8_192   # characters of plain text in one element, so that appending to it stays cheap

# C0 but tab and newline, C1, marks that turn the direction of text, signs nobody sees, halves of pairs
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
                    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]")
LINK = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?(?:[/?#].*)?|mailto:[^\s:/?#@]+@[a-z0-9.-]+(?:\?.*)?",
                  re.I | re.S)
WORDS = re.compile(r"[^\W\d_](?:[^\W_]|[,.;:!?'\u2019()%/\u2013\u2014-]| (?! ))*(?<! )")  # nothing in it is Markdown
SIGNS = re.compile(r"[\[!*_~<&`\n]")
TAG = re.compile(r"<[a-z0-9]+")
INLINE = {"strong_open": "<strong>", "strong_close": "</strong>", "em_open": "<em>", "em_close": "</em>",
          "s_open": "<del>", "s_close": "</del>", "softbreak": "\n", "hardbreak": "<br>\n", "link_close": "</a>"}
BLOCK = {"bullet_list_close": "</ul>", "ordered_list_close": "</ol>",
         "list_item_open": "<li>", "list_item_close": "</li>",
         "blockquote_open": "<blockquote>", "blockquote_close": "</blockquote>", "hr": "<hr>",
         "table_open": '<div class="tbl" tabindex="0" role="group" aria-label="Table"><table>',
         "table_close": "</table></div>", "thead_open": "<thead>", "thead_close": "</thead>", "tbody_open": "<tbody>",
         "tbody_close": "</tbody>", "tr_open": "<tr>", "tr_close": "</tr>", "th_close": "</th>", "td_close": "</td>"}
ALIGN = {"text-align:right": ' class="num"', "text-align:center": ' class="mid"'}
CODE_END = "</code></pre></div>"
Leaf = Callable[[Any], str]


def clean(text: str) -> str:
    """Newlines as LF; what would be invisible or turn the text around is replaced by a sign that is seen."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return UNSEEN.sub(_seen, text)


def _seen(match: re.Match[str]) -> str:
    code = ord(match.group())
    return chr(0x2400 + code) if code < 32 else "\u2421" if code == 127 else "\ufffd"


def attribute(text: str) -> str:
    """Text as it stands in an attribute: no `<`, no quote."""
    return escape(text).replace('"', "&quot;")


class References(dict[str, Any]):
    """Link definitions by label; the first of a label counts. `line`: where the text that asks stands.

    A definition that comes after its use is late: it is used only when `late` is set, and then the label of
    `[text][label]` stays visible after the link, as it was seen while the reply was written.
    """

    line = 0
    late = True

    def get(self, label: str, default: Any = None) -> Any:
        found = super().get(label)
        return default if found is None or (not self.late and self.is_late(label)) else found

    def is_late(self, label: str) -> bool:
        return bool(self[label]["map"][0] >= self.line) if label in self else False


@cache
def parser() -> Any:
    """The parser, made when first used: importing it costs about 50 ms of CPU."""
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import table
    from markdown_it.rules_inline import image, link

    md = MarkdownIt("commonmark", {"html": False, "tasklists": True, "maxNesting": NESTING})
    md.enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])
    md.block.ruler.at("table", _narrow(table), {"alt": ["paragraph", "reference"]})
    md.inline.ruler.at("link", _keep_label(link))
    md.inline.ruler.at("image", _keep_label(image))
    md.validateLink = lambda url: LINK.fullmatch(url) is not None
    md.normalizeLinkText = lambda url: url if url.isascii() else md.normalizeLink(url)
    return md


def _narrow(table: Any) -> Any:
    def rule(state: Any, start: int, end: int, silent: bool) -> bool:
        if state.src.count("|", state.bMarks[start], state.eMarks[start]) > COLUMNS + 1:
            return False
        return bool(table(state, start, end, silent))
    return rule


def _keep_label(original: Any) -> Any:
    def rule(state: Any, silent: bool) -> bool:
        start, references = state.pos, state.env["references"]
        if not original(state, silent):
            return False
        if references and not silent and state.src[state.pos - 1] == "]":
            opening = state.src.rindex("[", start, state.pos)
            label = state.src[opening + 1:state.pos - 1]
            if state.src[opening - 1:opening] == "]" and label and references.is_late(_label(label)):
                state.push("text", "", 0).content = f"[{label}]"
        return True
    return rule


def _label(text: str) -> str:
    from markdown_it.common.utils import normalizeReference

    return normalizeReference(text)


@cache
def _cleaner() -> Any:
    import nh3

    return nh3.Cleaner(tags={"a", "br", "code", "del", "em", "strong"}, attributes={"a": {"href", "title"}},
                       clean_content_tags=set(), url_schemes={"http", "https", "mailto"},
                       link_rel="noopener noreferrer", set_tag_attribute_values={"a": {"target": "_blank"}})


def blocks_of(source: str, references: References) -> list[Any]:
    """The block tokens of a text that is clean. Definitions are added to `references`."""
    tokens: list[Any] = []
    parser().block.parse(source, parser(), {"references": references}, tokens)
    return tokens


def inline(content: str, references: References, line: int, *, start: int = 0, breaks: bool = False) -> str:
    """The text of one paragraph as HTML. `start`: where to begin; what stands before is only looked back at."""
    if len(content) > LEAF_OVER or (len(content) > SIGNS_OVER and len(SIGNS.findall(content)) > SIGNS_OVER):
        return escape(content[start:]).replace("\n", "<br>\n")
    from markdown_it.rules_inline import StateInline

    md = parser()
    references.line = line
    tokens: list[Any] = []
    state = StateInline(content, md, {"references": references}, tokens)
    state.pos = start
    md.inline.tokenize(state)
    for rule in md.inline.ruler2.getRules(""):
        rule(state)
    return _cleaner().clean("".join(_marks(tokens, breaks)))


def _marks(tokens: list[Any], breaks: bool) -> Iterator[str]:
    links = 0
    for token in tokens:
        kind = token.type
        if kind == "text":
            yield escape(token.content)
        elif kind == "text_special":  # an escape or an entity, which may name any character
            yield escape(UNSEEN.sub(_seen, token.content))
        elif kind == "code_inline":
            yield f"<code>{escape(token.content)}</code>"
        elif kind == "link_open":
            links += 1
            yield _link(token.attrs["href"])
        elif kind == "image":  # nothing is fetched from elsewhere: a link, which a person may follow
            text = "".join(_plain(token.children)) or token.attrs["src"]
            yield escape(text) if links else f"{_link(token.attrs['src'])}{escape(text)}</a>"
        elif kind == "softbreak":
            yield "<br>\n" if breaks else "\n"
        else:
            links -= kind == "link_close"
            yield INLINE[kind]


def _link(url: str) -> str:
    return f'<a href="{attribute(url)}" title="{attribute(url)}">'


def _plain(tokens: list[Any] | None) -> Iterator[str]:
    for token in tokens or []:
        if token.children:
            yield from _plain(token.children)
        elif token.type in ("softbreak", "hardbreak"):
            yield " "
        else:
            yield UNSEEN.sub(_seen, token.content)


@cache
def _copy() -> str:
    from .components.icons import icon

    return '<button class="btn icon sm js" type="button" data-copy="" aria-label="Copy the code">' \
           f'{icon("copy", small=True)}</button>'


def language(info: str) -> str:
    """What a fence says its code is: the first word after it."""
    from markdown_it.common.utils import unescapeAll

    words = unescapeAll(info).split()
    return UNSEEN.sub(_seen, words[0][:30]) if words else ""


def code_start(info: str, name: str = "") -> str:
    """A box of code up to its first line; `CODE_END` ends it. `name`: what stands over it instead of the language."""
    return f'<div class="code"><div class="bar"><span>{escape(name or language(info))}</span>{_copy()}</div>' \
           '<pre tabindex="0"><code>'


def code(token: Any) -> str:
    """The lines of a fence, coloured. The last line end is not drawn."""
    content = token.content.removesuffix("\n")
    return escape(content) if token.type == "code_block" else highlight(language(token.info), content)


def blocks(tokens: list[Any], source: str, leaf: Leaf, fence: Leaf = code) -> Iterator[str]:
    """The top-level blocks as HTML, without ids. `leaf` draws an `inline` token, `fence` the lines of a code token.

    `source` is what the tokens were parsed from. Paragraphs of list items are always drawn as such, so that a list
    that turns out to be loose later looks as it did.
    """
    out: list[str] = []
    begin = 0
    task: bool | None = None
    for at, token in enumerate(tokens):
        kind = token.type
        if kind == "inline":
            out.append(leaf(token))
        elif kind == "paragraph_open":
            box = tokens[at - 1].meta.get("checked") if at else None
            task = box is not None
            out.append(_box(box) if task else "<p>")
        elif kind == "paragraph_close":
            out.append("</span></label>" if task else "</p>")
        elif kind == "heading_open":
            out.append("<h3>" if token.tag < "h3" else '<h3 class="sub">')
        elif kind == "heading_close":
            out.append("</h3>")
        elif kind == "fence" or kind == "code_block":
            out.append(f"{code_start(token.info)}{fence(token)}{CODE_END}")
        elif kind == "bullet_list_open":
            out.append('<ul class="tasks">' if "checked" in tokens[at + 1].meta else "<ul>")
        elif kind == "ordered_list_open":
            out.append(f'<ol start="{token.attrs["start"]}">' if "start" in token.attrs else "<ol>")
        elif kind == "list_item_open" and "checked" in token.meta and tokens[at + 1].type != "paragraph_open":
            out.append(f'<li>{_box(token.meta["checked"])}</span></label>')
        elif kind == "th_open" or kind == "td_open":
            scope = ' scope="col"' if kind == "th_open" else ""
            out.append(f"<{token.tag}{scope}{ALIGN.get(token.attrs.get('style', ''), '')}>")
        else:
            out.append(BLOCK[kind])
        if token.nesting <= 0 and token.level == 0 and kind != "inline":
            part, begin = tokens[begin:at + 1], at + 1
            if any(inner.level >= NESTING - 1 for inner in part):
                out = [plain(_lines(source, part[0].map))]
            yield "".join(out)
            out = []


def _box(checked: bool) -> str:
    return f'<label class="check"><input type="checkbox"{" checked" if checked else ""} disabled><span>'


def _lines(source: str, span: list[int]) -> str:
    return "\n".join(source.split("\n")[span[0]:span[1]]).rstrip("\n")


def plain(text: str) -> str:
    """A text as it is, in a box that scrolls."""
    inner = "".join(f"<pre>{part}</pre>" for part in plain_parts(text))
    return f'<div class="out" tabindex="0" role="group" aria-label="Plain text">{inner}</div>'


def plain_parts(text: str) -> list[str]:
    """A text in escaped pieces, cut at the first line end after `PLAIN_CHUNK` characters, or at twice as many.

    While the text grows only the last piece changes, at its end.
    """
    parts, at = [], 0
    while at < len(text) or not parts:
        end = at + 2 * PLAIN_CHUNK
        cut = text.find("\n", at + PLAIN_CHUNK, end) + 1 or end
        part = escape(text[at:cut])
        parts.append("\n" + part if part.startswith("\n") else part)  # the browser drops the first newline
        at = cut
    return parts


def with_id(block: str, prefix: str, number: int) -> str:
    """A block with its id, `{prefix}-b{number}`."""
    tag = TAG.match(block)
    assert tag is not None
    return f'{tag.group()} id="{prefix}-b{number}"{block[tag.end():]}'


def with_ids(prefix: str, drawn: list[str]) -> list[str]:
    """All blocks of a reply with their ids."""
    return [with_id(block, prefix, number) for number, block in enumerate(drawn, 1)]


def _drawn(text: str, *, breaks: bool) -> list[str]:
    source = clean(text)
    if len(text) > PLAIN_OVER:
        return [plain(source)]
    references = References()
    try:
        tokens = blocks_of(source, references)
        drawn = list(blocks(tokens, source, lambda t: inline(t.content, references, t.map[0], breaks=breaks)))
        return drawn if sum(map(len, drawn)) <= HTML_OVER else [plain(source)]
    except Exception:  # noqa: BLE001 - a text that breaks the parser is still a text
        logger.exception("a text of {} characters could not be drawn as Markdown", len(text))
        return [plain(source)]


def render(text: str) -> str:
    """Markdown as safe HTML without ids: for what a plugin says and for documentation."""
    if WORDS.fullmatch(text):
        return f"<p>{text}</p>"
    return "\n".join(_drawn(text, breaks=False))


def reply_blocks(prefix: str, text: str) -> list[str]:
    """The blocks of a settled reply, each with its id; a line end breaks the line."""
    return with_ids(prefix, _drawn(text, breaks=True))


def render_reply(prefix: str, text: str) -> str:
    """The settled body of a reply. Equal, byte for byte, to what was streamed.

    About 1 ms for 2 KB; hostile texts up to `PLAIN_OVER` take seconds: in a thread, above some KB.
    """
    return "".join(reply_blocks(prefix, text))


def warm() -> None:
    """Import what drawing needs, so that the first reply does not wait for it: about 0.1 s of CPU, in a thread."""
    render("*a* [a](http://a.example)\n```python\na\n```")
    _WARM.append(True)


_WARM: list[bool] = []


def is_warm() -> bool:
    """Whether drawing imports nothing any more."""
    return bool(_WARM)
