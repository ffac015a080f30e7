"""What a show draws with a library or in a frame: pictures, diagrams, graphs, charts, terminal text, components.

One that cannot be drawn is a card in its place; the rest of the run is drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from html import escape
from typing import Any

from fasthtml.common import to_xml

from ...shows import Code, Diagram, Graph
from ...shows.digest import digest
from ...shows.frames import installs
from ...shows.pictures import measured, spec_of
from ...shows.pictures import title_of as picture_title
from ...shows.terminal import spans
from ...text import one_line, storable
from ..assets import url as asset
from ..highlight import escape as escape_text
from ..highlight import highlight
from ..markdown import CODE_END, PLAIN_OVER, clean, code_start, plain
from .icons import icon

FRAMED = frozenset({"diagram", "graph", "plotly"})
SOURCE = 20_000  # characters of what a figure is made of, under it
Url = Callable[[str], str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SVG = _words("svg g path circle ellipse line polyline polygon rect text tspan linearGradient radialGradient stop")
TAGS = SVG | _words("""a abbr b bdi bdo blockquote br caption cite code col colgroup data dd del desc details dfn div
dl dt em figcaption figure h2 h3 h4 h5 h6 hr i img ins kbd li mark meter ol p pre progress q rp
rt ruby s samp section small span strong sub summary sup table tbody td tfoot th thead time
title tr u ul var wbr""")
ATTRIBUTES = {
    "*": _words("class title lang dir role"), "a": _words("href"), "img": _words("src alt width height"),
    "td": _words("colspan rowspan"), "th": _words("colspan rowspan scope"), "col": _words("span"),
    "ol": _words("start reversed"), "li": _words("value"), "details": _words("open"), "time": _words("datetime"),
    "data": _words("value"), "progress": _words("value max"), "meter": _words("value min max low high optimum"),
    **dict.fromkeys(SVG, _words("""x y x1 y1 x2 y2 cx cy r rx ry d points width height viewBox preserveAspectRatio
transform fill stroke stroke-width stroke-dasharray stroke-linecap stroke-linejoin
opacity fill-opacity stroke-opacity text-anchor font-size font-weight dominant-
baseline dx dy offset stop-color stop-opacity gradientUnits""")),
}


def title_of(thing: Any) -> str:
    """What stands over a figure."""
    if isinstance(thing, Diagram | Graph):
        return thing.title or type(thing).__name__
    return picture_title(thing)


def Component(thing: Any) -> str:
    """FastHTML components as they may stand in a page: no script, handler or form, nothing from elsewhere, no id."""
    return str(_cleaner().clean(storable(to_xml(thing, indent=False))))


_CONTROLS = "".join(map(chr, range(32)))  # which browsers leave out in front of an address


@cache
def _cleaner() -> Any:
    import nh3

    def own(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src":
            return value if value.startswith(("/files/", "/frame/", "data:image/")) else None
        if name == "href" and "".join(value.split()).lstrip(_CONTROLS).lower().startswith("data:"):
            return None
        return None if "url(" in value.lower() or (tag in SVG and "\\" in value) else value  # fill="u\\72l(...)"

    return nh3.Cleaner(tags=set(TAGS), attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
                       attribute_filter=own, generic_attribute_prefixes={"aria-"},
                       url_schemes={"http", "https", "mailto", "data"}, link_rel="noopener noreferrer",
                       clean_content_tags={"script", "style", "template"})


def CodeBox(code: Code) -> str:
    """A text with its colours and Copy."""
    if len(code.text) > PLAIN_OVER:
        return plain(clean(code.text))
    text = clean(code.text).removesuffix("\n")
    return f"{code_start('', clean(code.name or code.language))}{highlight(code.language, text)}{CODE_END}"


def Terminal(thing: Any) -> str:
    """What rich draws."""
    out = []
    for marks, text in spans(thing):
        drawn = escape_text(clean(text))
        if color := marks.strip("bi"):
            drawn = f'<span class="{color}">{drawn}</span>'
        drawn = f"<em>{drawn}</em>" if "i" in marks else drawn
        out.append(f"<b>{drawn}</b>" if "b" in marks else drawn)
    return f"{code_start('', 'Terminal')}{''.join(out).rstrip()}{CODE_END}"


def Figure(thing: Any, how: str, n: int, *, base: str, url: Url) -> str:
    """A picture, or a frame in which a script draws; the same as text under it. `base`: as `Things` has it."""
    title = clean(title_of(thing))
    at = base.replace("/runs/", "/frame/", 1) + f"/{n}"
    if how == "picture":
        drawn = measured(thing)
        size = f' width="{drawn.width}" height="{drawn.height}"' if drawn.width and drawn.height else ""
        alt = clean(getattr(thing, "alt", "") or title)
        return _box(title, url(at), f'<img src="{escape(f"{at}?v={drawn.key}")}"{size} alt="{escape(alt)}">')
    key = hashlib.sha256(spec_of(thing).encode()).hexdigest()[:12] if how == "plotly" else digest(thing)[:12]
    kind = "" if title in ("Diagram", "Graph", "Chart") else f"{how.capitalize()}: "
    frame = (f'<iframe id="{escape(at.strip("/").replace("/", "-"))}-{key}" src="{escape(f"{at}?v={key}")}" '
             f'title="{escape(kind + title)}" sandbox="allow-scripts" referrerpolicy="no-referrer" loading="lazy" '
             'height="320"></iframe>')  # its height is set by a script
    return f'{_box(title, url(at), frame)}<script src="{asset("shows.js")}"></script>'


def Source(thing: Any, how: str) -> str:
    """What a diagram or a figure is made of, for who does not see it."""
    text = thing.text if how == "diagram" else spec_of(thing)
    language = "" if how == "diagram" else "json"
    cut = text if len(text) <= SOURCE else f"{text[:SOURCE]}\n… {len(text) - SOURCE:,} more characters"
    return Fold("Source", CodeBox(Code(cut, language, title_of(thing))))


def Fold(summary: str, body: str) -> str:
    """What few read."""
    return (f'<details class="fold"><summary>{icon("chevron-right", small=True)}{escape(summary)}</summary>'
            f"{body}</details>")


def Needs(thing: Any) -> str:
    """A chart of altair where nothing can draw it."""
    text = f"This chart is drawn by vl-convert-python, which is not installed; {installs('vl-convert-python')}"
    return f'<div class="notice">{icon("info")}<p>{escape(text)}</p></div>{Source(thing, "altair")}'


def NotDrawn(thing: Any, error: Exception) -> str:
    """The card of a thing that failed while it was drawn."""
    what = type(thing).__name__
    try:
        why = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an author's error may fail to say what it is
        why = type(error).__name__
    return (f'<div class="notice bad" role="alert">{icon("circle-alert")}<p>This {escape(what)} could not be drawn. '
            f"{escape(one_line(clean(why), 400))}</p></div>")


def _box(title: str, at: str, inner: str) -> str:
    label = escape(f"Open {title} in a tab of its own")
    return (f'<figure class="data"><header><b>{escape(title)}</b><a class="btn icon sm" href="{escape(at)}" '
            f'target="_blank" rel="noopener" aria-label="{label}">{icon("arrow-up-right", small=True)}</a></header>'
            f"{inner}</figure>")
