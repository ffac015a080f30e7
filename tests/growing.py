"""Texts a model may write, and viewers who see them stream."""

from __future__ import annotations

import random
import re
from html import unescape

from tests.partials import Page, parse
from treadle.web.markdown import render_reply
from treadle.web.shown import KEPT
from treadle.web.streaming import LiveMarkdown, LivePlain

# ruff: noqa: E501 - texts a model may write, one beside the other
TAG = re.compile(r"<[^>]*>")
DOCUMENT = """# Hosts, counted

Some **bold text**, `a < b` and a [link](https://x.test/a?b=1&c "title"), ![a picture](http://x.test/a.png),
the next line, ~~gone~~ &amp; 5 * 3 = 15, snake_case_word and *em
over lines*.

- [x] done
- [ ] open with `x`
  - nested
    more of it

1. First **step**:

   ```python
   def f(a):
       return "x" * a
   ```

2. Second
   - sub

| Name | Value |
|------|------:|
| a    | 1     |
| `x\\|y` | [l](http://q.test) |

```js
/* over
 lines */
function f() { return `a ${1}`; }
```

> quoted
> > twice

Title
=====

a | b
--|--
1 | 2

---

    indented

1986\\. A great year [not a link] [nor](this one) <http://auto.test> <b>
"""

PIECES = [
    "word ", "Another one ", "**bold** ", "*em* ", "`code` ", "[link](http://x.test/z) ", "[a][r] ", "![i](http://i.test/j) ",
    "\n", "\n", "\n\n", "\n\n", "- item\n", "- [ ] task ", "* [x] done\n", "1. one\n", "2. two\n", "12. ", "3) x\n", "+ p\n", "-\n",
    "  - nested\n", "   more\n", "    code\n", "\t", "  ", "> quote\n", ">", "# H\n", "### h ###\n", "#", "```\n", "```py\n", "x = 1\n",
    "~~~\n", "| a | b |\n", "|---|--:|\n", "| 1 | 2 |\n", "|", "a | b\n", "--|--\n", "---\n", "===\n", "***\n", "* * *\n", "-", "*", "**",
    "_", "__", "~~", "`", "``", "[", "]", "(", ")", "](", "![", "!", "<", "<http://q.test>", ">", "&amp;", "&", "&lt", "\\", "\\*",
    "[r]: http://late.test 'T'\n", "[q]:\n", "http://u.test\n", '"ti\ntle"\n', "12", "1986. A\n", "é́", "😀", "\r\n", "\r", "\x00",
    "<b>", "<hx-a b", "a*b*c", "x_y_z", "\u202e", "end.",
]
CORPUS = [
    DOCUMENT, "", "\n\n\n", "a", "para\n- [ ] t\n\n\n- b", "- a | b\n--|--\n", "- x\n- a | b\n--|--\n", " - a\n  - b\n   - c\n    - d\n",
    "> ```\n> x\ny\n", ">~~~\n| 1 | 2 |\n", "- > 1. ```py\n      x\n", "``` a`b\n", "~~~ a`b\nx\n~~\n~~~~\ny", "```\n\n\n", "1. a\n\n\n   b\n2. c",
    "- \n- a\n-\n\n  b", "| a |\n|---|\n| 1 | 2 | 3 |\n|||\nx\n\ny", "[a]: b\n'title\nmore' x\n", "[a]:\nhttp://x.test\n\n[a]", "[a\nb]: c\n\n[a b]",
    "a\n\n\n    code\n\n    more\n\nb", "Title\n---\n- - -\n***\n", "a\\\nb\\", "**a\n\n**b**", "`a\n\n`b`", "[x](http://a.test/(b)c)", "[x](<a b>)",
    "[a [b](http://c.test) d](http://e.test)", "![a ![b](http://c.test)](http://d.test)", "&copy; &nope; &#x41; &#0; &", "a  \n  b\\\n   c",
    "- [x]\n- [ ]  a\n- [x] # h\n- [y] z", "#\n##\n# #\n## a ##\n####### b", "*a **b* c**", "***a** b*", "a_b_ _c_d", "~~~a~~~ ~~b~", "+\n\n  a",
    "0) a\n1) b\n1. c", "123456789. a\n1234567890. b", "\ta\n \tb\n- \tc\n\t\td", "a\u2028b\u0085c", "data: x\n\ndata: y", "</script>\nid: 1\n",
    "[docs][1] and [1]\n\n- [docs][1]\n\n[1]: http://x.test", "[1]: http://x.test\n\n[docs][1]\n\n[1]: http://y.test\n",
]


def words(html: str) -> str:
    """The letters and digits that are visible, in their order."""
    return "".join(filter(str.isalnum, unescape(TAG.sub("", html))))


class Viewer:
    """Somebody who looks: the body, and the rev up to which it is known to be."""

    def __init__(self, root: str = "m1-body") -> None:
        self.page, self.at, self._root = Page(f'<div id="{root}"></div>'), 0, root

    def follow(self, live: LiveMarkdown | LivePlain, *, after: int | None = None) -> str:
        """Take what is new, or more than that; the message."""
        message = live.changes(self.at if after is None else after)
        self.page.apply(message)
        self.at = live.rev
        return message

    @property
    def html(self) -> str:
        return self.page[self._root].html


def stream(text: str, cuts: list[int], choose: random.Random) -> LiveMarkdown:
    """Feed a text in pieces that end at `cuts` to two viewers: one follows every change, one some, with low cursors."""
    live, close, loose = LiveMarkdown("m1"), Viewer(), Viewer()
    seen, begin = "", 0
    for rev, end in enumerate([*cuts, len(text)], 1):
        live.feed(text[begin:end], rev)
        begin = end
        close.follow(live)
        assert words(live.html()).startswith(seen), f"{seen[-60:]!r} was visible before {text[end - 60:end]!r}"
        seen = words(live.html())
        if choose.random() < 0.3:
            loose.follow(live, after=max(0, loose.at - choose.choice((0, 0, 1, 3, 9, KEPT))))
            want = parse(live.html()).html
            assert loose.html == want
            assert close.html == want
    live.close(rev + 1)
    close.follow(live)
    loose.follow(live, after=max(0, loose.at - choose.randrange(4)))
    assert live.html() == render_reply("m1", text)
    assert close.html == loose.html == parse(live.html()).html
    assert words(live.html()).startswith(seen)
    return live


def cuts_of(text: str, step: int, choose: random.Random) -> list[int]:
    cuts, at = [], 0
    while (at := at + choose.randint(1, step)) < len(text):
        cuts.append(at)
    return cuts
