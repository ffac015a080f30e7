"""Components that plugins show with values from outside: attributes, addresses, SVG."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from fasthtml.common import A, Button, Div, Form, Img, Input, Safe, Time

from treadle.web.components.figures import Component

VALUES = ["<script>alert(1)</script>", "javascript:alert(1)", "java\tscript:alert(1)", "\x01javascript:alert(1)",
          '" onmouseover="alert(1)', "data:text/html,x", "\x01data:text/html,x", "da\tta:text/html,x",
          "<hx-a onerror=alert(1)>", "url(http://evil.test)", "u\\72l(http://evil.test)", "http://evil.test/a.png"]
ACTING = {"script", "form", "input", "button", "iframe", "use", "animate", "image", "foreignobject", "style",
          "template"}


def acts(html: str) -> list[str]:
    """The tags and attributes in it that a browser, or htmx, would do something for."""
    found: list[str] = []

    class Seen(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag in ACTING or tag.startswith("hx-"):
                found.append(tag)
            for name, value in attrs:
                plain = "".join((value or "").split()).strip("\x01").lower()
                if name.startswith(("on", "hx-", "data-")) or name in ("style", "id", "name", "srcdoc"):
                    found.append(name)
                if name.endswith("href") and plain.startswith(("javascript:", "data:")):
                    found.append(plain)
                if name == "src" and not plain.startswith(("/files/", "/frame/", "data:image/")):
                    found.append(plain)
                if name == "fill" and ("url(" in plain or "\\" in plain):
                    found.append(plain)

    Seen().feed(html)
    return found


@pytest.mark.parametrize("value", VALUES)
def test_no_value_in_a_component_acts_or_fetches(value):
    svg = (f'<svg><a href="{value}" xlink:href="{value}"><text fill="{value}">x</text></a><use href="{value}"/>'
           f'<animate attributeName="href" to="{value}"/><image href="{value}"/><style>{value}</style>'
           f'<foreignObject><iframe srcdoc="{value}"></iframe></foreignObject></svg>')
    for made in (A("x", href=value), Img(src=value, alt=value), Safe(value), Safe(svg), Time("x", datetime=value),
                 Div("x", cls=value, id=value, hx_get=value, onclick=value, style=value, title=value, data_x=value),
                 Form(Input(name=value), Button(value), action=value)):
        assert acts(Component(made)) == [] and "<hx-" not in Component(made)


def test_what_acts_is_seen():
    assert acts('<a onclick="x" href="java\tscript:x"><img src="//x"><text fill="u\\72l(x)"><hx-a>') == [
        "onclick", "javascript:x", "//x", "u\\72l(x)", "hx-a"]
