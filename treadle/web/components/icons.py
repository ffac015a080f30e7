"""Icons: Lucide (ISC) on a 24 grid, one sprite for all pages and one for what authors choose."""

from __future__ import annotations

from functools import cache
from html import escape

from fasthtml.common import NotStr

from ...plugins.registry import Plugins
from ..assets import icon_names, url

GLYPH = NotStr(
    '<svg viewBox="0 0 20 20" fill="none" aria-hidden="true">'
    '<rect x="2.5" y="2.5" width="6.5" height="6.5" rx="1.75" fill="currentColor"/>'
    '<rect x="11" y="2.5" width="6.5" height="6.5" rx="1.75" fill="currentColor" opacity=".32"/>'
    '<rect x="2.5" y="11" width="6.5" height="6.5" rx="1.75" fill="currentColor" opacity=".32"/>'
    '<rect x="11" y="11" width="6.5" height="6.5" rx="1.75" fill="currentColor" opacity=".62"/></svg>')


def icon_at(plugins: Plugins, endpoint: str) -> str:
    """The icon of a place; that of a workflow where it is gone or broken."""
    return getattr(plugins.get(endpoint), "icon", "workflow")


@cache
def icon(name: str, *, small: bool = False, label: str = "", cls: str = "") -> NotStr:
    """An icon of the sprites. Without a label it is decoration and hidden from screen readers.

    `small`: 14 px instead of 16. `cls`: further classes, such as "lock". A name they lack (an author's) is
    drawn as the sign of a workflow.
    """
    name = name if name in icon_names() else "workflow"
    classes = " ".join(part for part in ("i", "i-sm" if small else "", cls) if part)
    said = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return NotStr(f'<svg class="{classes}" {said}><use href="{url(icon_names()[name])}#{name}"/></svg>')
