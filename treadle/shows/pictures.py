"""Pictures: bytes and files as they are, images of PIL as PNG, figures of matplotlib as SVG.

What is drawn is remembered by what it is drawn from, as a run is drawn again and again.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from ..files import File
from .frames import made_by
from .things import Image

ENDINGS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
           "svg": "image/svg+xml"}
MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
LARGE = 1_000_000  # bytes of an SVG; a figure that needs more is drawn as PNG
HEAD = 65_536      # bytes of a file in which its size is looked for
KEPT = 24          # drawings that are remembered
_DRAWN: OrderedDict[str, Picture] = OrderedDict()
_ONE = threading.Lock()  # matplotlib draws in one thread at a time: its fonts and its parser of formulas are shared


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is sent. `key` changes with what it shows; width and height are pixels, 0 where not known."""

    media: str
    body: bytes
    key: str
    width: int = 0
    height: int = 0


def source_of(thing: Any) -> Any:
    """What an `Image` is drawn from; anything else is itself."""
    return thing.source if isinstance(thing, Image) else thing


def is_picture(thing: Any) -> bool:
    """Whether it can be drawn as a picture."""
    source = source_of(thing)
    if is_chart(source, "altair"):
        return find_spec("vl_convert") is not None
    return bool(media_of(source)) or made_by(source, "PIL", "Image") or made_by(source, "matplotlib", "Figure")


def is_chart(source: Any, library: str) -> bool:
    """Whether it is a figure of plotly or a chart of altair, or the file a job made of one."""
    if isinstance(source, File):
        return source.name.endswith(f".{library}.json")
    return made_by(source, library, "BaseFigure" if library == "plotly" else "TopLevelMixin")


def spec_of(source: Any) -> str:
    """What a chart is drawn from, as JSON."""
    return source.read_text() if isinstance(source, File) else str(source.to_json())


def media_of(source: Any) -> str:
    """The media type of a file or of bytes that are a picture, else ""."""
    if isinstance(source, File):
        return ENDINGS.get(source.name.rpartition(".")[2].lower(), "")
    if not isinstance(source, bytes | bytearray):
        return ""
    head = bytes(source[:512])
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if b"<svg" in head and head.lstrip().startswith((b"<svg", b"<?xml", b"<!")):
        return "image/svg+xml"
    return next((media for magic, media in MAGIC.items() if head.startswith(magic)), "")


def title_of(thing: Any) -> str:
    """What stands over a picture: its own title, or the name of its file."""
    if isinstance(thing, Image) and thing.title:
        return thing.title
    source = source_of(thing)
    if is_chart(source, "plotly") or is_chart(source, "altair"):
        return _chart_title(spec_of(source))
    if isinstance(source, File):
        return source.name
    if made_by(source, "matplotlib", "Figure"):
        titles = [source.get_suptitle(), *(axes.get_title() for axes in source.axes)]
        return next((str(title) for title in titles if title), "Figure")
    return "Picture"


def _chart_title(spec: str) -> str:
    """The title of a chart, a text or a dict with one, at its place in plotly and in altair."""
    whole = json.loads(spec)
    title = whole.get("title") or (whole.get("layout") or {}).get("title")
    return str((title.get("text") if isinstance(title, dict) else title) or "Chart")


def measured(thing: Any) -> Picture:
    """`picture` for a page that only names it: of a file no more is read than where its size stands."""
    source = source_of(thing)
    if not isinstance(source, File) or not media_of(source):
        return picture(thing)
    with source.open("rb") as file:
        return _sized(media_of(source), file.read(HEAD), source.sha256)


def picture(thing: Any) -> Picture:
    """Draw it: up to a second, in a thread. Raises whatever the library that draws it does."""
    source = source_of(thing)
    if is_chart(source, "altair"):
        spec = spec_of(source)
        return remembered(hashlib.sha256(spec.encode()).hexdigest(), lambda: _vega(spec))
    if isinstance(source, File):
        with source.open("rb") as file:
            return _sized(media_of(source), file.read(), source.sha256)
    if isinstance(source, bytes | bytearray):
        return _sized(media_of(source), bytes(source), hashlib.sha256(source).hexdigest())
    if made_by(source, "matplotlib", "Figure"):
        return remembered(_pickled(source), lambda: _figure(source))
    return remembered(hashlib.sha256(repr((source.mode, source.size)).encode() + source.tobytes()).hexdigest(),
                       lambda: _png(source))


def remembered(key: str, draw: Callable[[], tuple[str, bytes]]) -> Picture:
    """What `draw` makes, once for each `key`; "" is never remembered."""
    with _ONE:
        if key in _DRAWN:
            _DRAWN.move_to_end(key)
            return _DRAWN[key]
        media, body = draw()
        made = _sized(media, body, key or hashlib.sha256(body).hexdigest())
        if key:
            _DRAWN[key] = made
        while len(_DRAWN) > KEPT:
            _DRAWN.popitem(last=False)
        return made


def _pickled(figure: Any) -> str:
    """By what a figure holds, or "" where that cannot be told: it is made anew at each replay."""
    from matplotlib.transforms import TransformNode

    class Known(pickle.Pickler):
        """Written to be hashed, never to be read: without what names places in memory."""

        def reducer_override(self, thing: Any) -> Any:
            if not isinstance(thing, TransformNode):
                return NotImplemented
            state: Any = thing.__getstate__()
            return object.__new__, (type(thing),), {name: state[name] for name in state if name != "_parents"}

    out = io.BytesIO()
    try:
        Known(out).dump(figure)
        return hashlib.sha256(out.getvalue()).hexdigest()
    except Exception:  # noqa: BLE001 - whatever an author put into a figure; then it is drawn each time
        return ""


def _figure(figure: Any) -> tuple[str, bytes]:
    import matplotlib

    if matplotlib.rcParams["svg.hashsalt"] is None:
        matplotlib.rcParams["svg.hashsalt"] = "treadle"  # the same figure is the same bytes
    out = io.BytesIO()
    figure.savefig(out, format="svg", bbox_inches="tight", metadata={"Date": None})
    if out.tell() <= LARGE:
        return "image/svg+xml", out.getvalue()
    out = io.BytesIO()
    figure.savefig(out, format="png", bbox_inches="tight", dpi=2 * figure.dpi)
    return "image/png", out.getvalue()


def _vega(spec: str) -> tuple[str, bytes]:
    import vl_convert

    # it would fetch any address that stands in the chart, from here: data comes with the chart
    return "image/svg+xml", vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode()


def _png(image: Any) -> tuple[str, bytes]:
    out = io.BytesIO()
    (image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else image.convert("RGB")).save(out, "PNG")
    return "image/png", out.getvalue()


def _sized(media: str, body: bytes, key: str) -> Picture:
    width = height = 0
    if media == "image/png" and len(body) >= 24:
        width, height = struct.unpack(">II", body[16:24])
    elif media == "image/gif" and len(body) >= 10:
        width, height = struct.unpack("<HH", body[6:10])
    elif media == "image/jpeg":
        width, height = _jpeg(body)
    return Picture(media, body, key[:12], width, height)


def _jpeg(body: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 < len(body) and body[at] == 0xFF:
        if 0xC0 <= body[at + 1] <= 0xCF and body[at + 1] not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", body[at + 5:at + 9])
            return width, height
        at += 2 + int.from_bytes(body[at + 2:at + 4], "big")
    return 0, 0
