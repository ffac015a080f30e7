"""What a page of the web says: its title, where it leads, what it tells search engines, and its main text."""

import codecs
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from ._fetch import Page, cleaned

LINKS = 2_000    # of one page that are kept
TITLE = 300      # characters
_NOISE = ("script", "style", "noscript", "template", "svg", "nav", "header", "footer", "aside", "form", "iframe",
          "button", "select", "dialog")
_BLOCKS = ("p", "li", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "td", "th", "dt", "dd", "figcaption")


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
    """The text of a page without its menus, as paragraphs; at most `limit` characters, cut at one."""
    soup = soup_of(page)
    for tag in soup(list(_NOISE)):
        tag.decompose()
    for tag in soup("br"):
        tag.replace_with("\n")
    body = soup.find("main") or soup.find("article") or soup.body or soup
    blocks = [tag for tag in body.find_all(_BLOCKS) if not tag.find(_BLOCKS)]
    lines, length = [], 0
    for tag in blocks:
        text = tag.get_text() if tag.name == "pre" else " ".join(tag.get_text().split())
        if not text:
            continue
        line = f"{'#' * int(tag.name[1])} {text}" if re.fullmatch("h[1-6]", tag.name) else (
            f"- {text}" if tag.name == "li" else text)
        length += len(line) + 2
        if length > limit:
            break
        lines.append(line)
    return "\n\n".join(lines) if lines else " ".join(body.get_text(" ").split())[:limit]
