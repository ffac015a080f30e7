"""What a page of the web says: its title, where it leads, what it tells search engines, and its main text."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from ._fetch import Page, cleaned

LINKS = 2_000    # of one page that are kept
TITLE = 300      # characters
_NOISE = {"script", "style", "noscript", "template", "svg", "nav", "header", "footer", "aside", "form", "iframe",
          "button", "select", "dialog", "title"}
_ASIDE = {"navigation", "search", "banner", "contentinfo", "complementary"}  # roles: what pages of divs call the same
_BLOCKS = {"p", "div", "section", "article", "main", "body", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl",
           "dt", "dd", "table", "caption", "tr", "td", "th", "pre", "blockquote", "figure", "figcaption", "details",
           "summary", "address", "center", "br", "hr"}


_CHARSET = re.compile(r"charset\s{0,9}=\s{0,9}[\"']?([\w-]{1,40})", re.IGNORECASE)
_NO_PAGE = {"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"}  # the first takes hours for 3 MB
_NUMBER = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{7,});?")


@dataclass
class Read:
    """A page, read. `robots`: what its meta tag and its header say; `links`: addresses, each once, in their order."""

    title: str
    canonical: str
    robots: str
    language: str
    links: list[str]


def read(page: Page) -> Read:
    """What stands in a page. What is no HTML has no title and no links."""
    said = [page.headers.get("x-robots-tag", "")]
    if not page.html or not page.body:
        return Read("", "", ", ".join(filter(None, said)), "", [])
    from bs4 import Tag

    soup = soup_of(page)
    base_tag = soup.find("base", href=True)
    base = urljoin(page.final, str(base_tag["href"])) if isinstance(base_tag, Tag) else page.final
    said += [str(tag.get("content", "")) for tag in soup.find_all("meta", attrs={"name": re.compile("^robots$", re.I)})]
    canonical = soup.find("link", rel=lambda value: value is not None and "canonical" in str(value).lower(), href=True)
    links: dict[str, None] = {}
    for tag in soup.find_all(["a", "area"], href=True):
        address = joined(base, str(tag["href"]))
        if address and len(links) < LINKS:
            links[address] = None
    html = soup.find("html")
    return Read(title_of(soup), joined(base, str(canonical["href"])) if isinstance(canonical, Tag) else "",
                ", ".join(part.strip().lower() for part in said if part.strip()),
                str(html.get("lang", "")) if isinstance(html, Tag) else "", list(links))


def soup_of(page: Page) -> Any:
    """The page as a tree. Its encoding is that of the header, else of its own mark."""
    from bs4 import BeautifulSoup  # imported when a page is read, not at the start of the server

    return BeautifulSoup(closed(text_of(page)), "html.parser")


def text_of(page: Page) -> str:
    """The body as text: in the encoding of its header or its own mark, else UTF-8, else that of old pages."""
    named = _CHARSET.search(page.headers.get("content-type", "")) or \
        _CHARSET.search(page.body[:4_096].decode("latin-1"))
    bom = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8[:2]: "utf-8-sig"}
    for name in (bom.get(page.body[:2], ""), named[1] if named else ""):
        try:
            if name and codecs.lookup(name).name not in _NO_PAGE:
                return page.body.decode(name, "replace")
        except LookupError:  # there is none, or it is no encoding of texts
            continue
    text = page.body.decode("utf-8", "replace")
    return text if text.count("\ufffd") <= 3 else page.body.decode("cp1252", "replace")


def closed(text: str) -> str:
    """HTML without what never ends: a parser that looks for the end of each of a million tags takes hours, in which
    nothing else of Python runs."""
    text = _NUMBER.sub("\ufffd", text.replace("<![", "<!"))
    text = text[:text.rfind(">") + 1] + text[text.rfind(">") + 1:].partition("<")[0]
    if (at := text.find("<!--", text.rfind("-->") + 1)) >= 0:
        return text[:at]
    return text


def title_of(soup: Any) -> str:
    """The title in one line."""
    tag = soup.find("title")
    return " ".join(tag.get_text().split())[:TITLE] if tag is not None else ""


def joined(base: str, link: str) -> str:
    """Where a link leads, as in a browser, without its fragment; "" for what is no page of the web."""
    path, mark, query = re.sub(r"[\t\r\n]", "", link.strip()).partition("?")
    try:
        address = urljoin(base, path.replace("\\", "/") + mark + query)
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or len(address) > 2_000:
            return ""
        return cleaned(address)
    except ValueError:
        return ""


def main_text(page: Page, limit: int) -> str:
    """The text of a page without its menus, as paragraphs; at most `limit` characters, cut at one if it ends in
    the last 500 of them."""
    soup = soup_of(page)
    articles = soup.find_all("article", limit=2)
    body = soup.find("main") or soup.find(role="main") or (articles[0] if len(articles) == 1 else soup)
    lines, length = [], 0
    for line in _lines(body):
        lines.append(line)
        length += len(line) + 2
        if length - 2 > limit:
            break
    text = "\n\n".join(lines)
    if len(text) <= limit:
        return text
    end = text.rfind("\n\n", max(0, limit - 499), limit + 2)
    return text[:end if end > 0 else limit]


def _lines(body: Any) -> Iterator[str]:
    """The text of an element, line by line: a block ends a line, what is inline does not."""
    line, mark, pre = "", "", 0
    for part, ends in _walk(body):
        if isinstance(part, str):
            line += part
            continue
        if part.name not in _BLOCKS:
            continue
        if text := line.strip("\n") if pre else " ".join(line.split()):
            yield mark + text
            mark = ""
        line = ""
        if part.name == "pre":
            pre += -1 if ends else 1
        elif part.name == "li" or re.fullmatch("h[1-6]", part.name):
            mark = "" if ends else "- " if part.name == "li" else "#" * int(part.name[1]) + " "
    if text := " ".join(line.split()):
        yield mark + text


def _walk(body: Any) -> Iterator[tuple[Any, bool]]:
    """The texts and tags of an element in their order; a tag once more, with True, where it ends. It keeps a list of
    what is left instead of calling itself: pages nest 100,000 deep."""
    from bs4 import Tag
    from bs4.element import PreformattedString

    left = [(body, False)]
    while left:
        part, ends = left.pop()
        if isinstance(part, PreformattedString):  # a comment, or what else is no text
            continue
        if isinstance(part, Tag) and not ends:
            if part.name in _NOISE or _is_aside(part):
                continue
            left.append((part, True))
            left += [(child, False) for child in reversed(part.contents)]
        yield part, ends


def _is_aside(tag: Any) -> bool:
    """Whether a tag is hidden, or says that it is not the page itself."""
    style = str(tag.get("style", "")).replace(" ", "").lower()
    return (tag.has_attr("hidden") or tag.get("aria-hidden") == "true" or tag.get("role") in _ASIDE
            or "display:none" in style)
