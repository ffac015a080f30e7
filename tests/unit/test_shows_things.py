"""What is drawn beside Markdown and tables, and what says what to pass instead."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass

import pytest
from fasthtml.common import A, Button, Div, Img, P, Script, Svg, to_xml

from tests.partials import parse
from treadle.config import ROOT
from treadle.files import File, FileId
from treadle.shows import Code, Diagram, Download, Graph, Image, Table, kind, pictures
from treadle.shows.digest import digest
from treadle.shows.pictures import picture
from treadle.web.components.shows import Things


def png(width: int = 3, height: int = 2, color: int = 0) -> bytes:
    """A picture of one colour."""
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + bytes([color]) * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def file_of(path, name: str, content: bytes) -> File:
    (path / "x").write_bytes(content)
    return File(FileId("0" * 32), name, len(content), "ab" * 32, path / "x")


def drawn(*things) -> str:
    return Things(things, 1, base="/runs/default-x-01", url=lambda path: path)


def figure(title: str = "Clicks", **more):
    matplotlib = pytest.importorskip("matplotlib.figure")
    made = matplotlib.Figure(figsize=(4, 2))
    axes = made.subplots()
    axes.plot([1, 2, 3], [3, 1, 2], **more)
    axes.set_title(title)
    return made


# -- what is refused, and what to pass instead


async def _never() -> None: ...


@pytest.mark.parametrize(("thing", "instead"), [
    (None, "is None"), ([{"a": 1}], "Table(rows)"), ({"a": 1}, "json.dumps"), (b"\0\1\2", "Download(bytes"),
    (print, "Call it"), (ROOT, "Read it in a job"), (Table, "only a Table that was made"), (object(), "Diagram"),
    (Image("text"), "Image takes a picture, not str"),
])
def test_a_wrong_thing_says_what_to_pass(thing, instead):
    with pytest.raises(TypeError) as error:
        kind(thing)
    assert instead in str(error.value)


def test_a_coroutine_says_await():
    waiting = _never()
    with pytest.raises(TypeError, match="await"):
        kind(waiting)
    waiting.close()


def test_axes_say_that_their_figure_is_shown():
    with pytest.raises(TypeError, match=r"ax\.figure"):
        kind(figure().axes[0])


@pytest.mark.parametrize("make", [lambda: Code(5), lambda: Diagram(None), lambda: Download(5, "a"),
                                  lambda: Download("text"), lambda: Graph([None], []), lambda: Graph(["a"], ["ab"]),
                                  lambda: Table("text"), lambda: Table([], columns="a")])
def test_a_wrong_argument_is_a_sentence(make):
    with pytest.raises(TypeError, match=r"takes|needs|are|is"):
        make()


def test_too_large_a_graph_is_refused_with_the_limit():
    with pytest.raises(ValueError, match="2,000 nodes"):
        Graph(range(2001), [])


# -- text


@pytest.mark.parametrize("thing", ["half \ud83d", Code("half \ud83d"), Table([{"half \ud83d": "half \ud83d"}]),
                                   P("half \ud83d"), Graph(["half \ud83d"], []), Diagram("half \ud83d", "half \ud83d"),
                                   Download("half \ud83d", "half \ud83d")])
def test_half_a_surrogate_is_shown_replaced(thing):
    assert "half \ufffd" in drawn(thing).encode().decode()


def test_code_has_its_name_its_colours_and_copy():
    node = parse(drawn(Code("def f():\n    return 1\n", "python", name="a<b>.py")))
    assert "a<b>.py" in node.text and any(part.has_class("k") and part.text == "def" for part in node.walk())
    assert any("data-copy" in part.attrs for part in node.walk())


def test_rich_is_text_with_a_few_marks():
    table = pytest.importorskip("rich.table").Table(title="Hosts")
    table.add_column("host", style="bold red")
    table.add_row("<script>alert(1)</script>")
    html = drawn(table)
    assert "Hosts" in html and "<b>" in html and "&lt;script&gt;" in html and "style=" not in html


# -- components


@pytest.mark.parametrize(("thing", "kept", "gone"), [
    (Div(P("text", id="main", style="color:red"), Script("alert(1)"), cls="facts"), 'class="facts"',
     ("script", "style", "main")),
    (Button("press", hx_post="/x", onclick="alert(1)"), "press", ("button", "hx-post", "onclick")),
    (A("go", href="javascript:alert(1)"), "go", ("javascript",)),
    (A("go", href="/hello"), 'href="/hello"', ()),
    (Img(src="https://example.org/a.png", alt="far"), 'alt="far"', ("example.org",)),
    (Img(src="data:image/png;base64,AA", alt="near"), "data:image/png", ()),
    (P("a", title="<hx-a onerror=alert(1) src=x>"), "&lt;hx-a", ("<hx",)),
])
def test_components_are_drawn_without_what_could_act(thing, kept, gone):
    html = drawn(thing)
    assert kept in html
    assert not [part for part in gone if part in html]


def test_a_drawing_of_components_stays_a_drawing():
    from fasthtml.svg import Circle, Path

    svg = Svg(Circle(5, cx=10, cy=10, fill="red"), Path(d="M0 0h5", stroke="url(https://example.org)"),
              viewBox="0 0 20 20")
    html = drawn(svg)
    assert 'viewBox="0 0 20 20"' in html and "<circle" in html and "example.org" not in html, to_xml(svg)


def test_a_component_that_fails_is_a_card_and_the_rest_is_drawn():
    class Bad:
        def __ft__(self):
            raise LookupError("no data")

    html = drawn("before", Bad(), "after")
    assert "before" in html and "after" in html and "This Bad could not be drawn. LookupError: no data" in html


# -- pictures


def test_bytes_of_a_picture_have_its_size_and_an_address_that_changes_with_it():
    one, other = drawn(png()), drawn(png(color=9))
    assert 'width="3" height="2"' in one and 'src="/frame/default-x-01/1?v=' in one and one != other


def test_a_file_of_a_picture_is_drawn_and_another_file_is_a_row(tmp_path):
    assert "<img" in drawn(file_of(tmp_path, "a.PNG", png()))
    assert "<img" not in drawn(file_of(tmp_path, "a.pdf", b"%PDF"))


def test_an_image_has_its_title_and_what_it_shows():
    html = drawn(Image(png(), title="Front page", alt='A "menu"'))
    assert "<b>Front page</b>" in html and 'alt="A &quot;menu&quot;"' in html


def test_a_figure_is_drawn_once_while_it_holds_the_same():
    first, second, other = picture(figure()), picture(figure()), picture(figure(color="red"))
    assert first is second and other.key != first.key
    assert first.media == "image/svg+xml" and b"<svg" in first.body
    assert ">Clicks<" in drawn(figure())


def test_a_figure_that_cannot_be_drawn_is_a_card():
    html = drawn(figure(r"$\frac{1$"), "after")
    assert "This Figure could not be drawn" in html and "after" in html and "<img" not in html


def test_an_image_of_pil_is_drawn():
    images = pytest.importorskip("PIL.Image")
    assert 'width="4" height="5"' in drawn(images.new("CMYK", (4, 5)))


# -- frames


def test_a_diagram_stands_in_a_sandboxed_frame_with_its_source_under_it():
    node = parse(drawn(Diagram("graph LR\n  a-->b", title="Redirects")))
    frame = next(part for part in node.walk() if part.tag == "iframe")
    assert frame.attrs["sandbox"] == "allow-scripts" and frame.attrs["title"] == "Diagram: Redirects"
    assert frame.attrs["src"].startswith("/frame/default-x-01/1?v=") and "a-->b" in node.text


def test_a_graph_has_a_table_that_says_the_same():
    graph = Graph([{"id": "a", "label": "Start", "group": "page"}, "alone"], [("a", "b"), {"source": "a", "target": "c",
                                                                                          "label": "301"}])
    assert graph.table.records()[0] == {"node": "Start", "group": "page", "in": 0, "out": 2, "leads to": "b, c (301)"}
    assert [row["node"] for row in graph.table.rows] == ["Start", "alone", "b", "c"]
    assert "leads to" in drawn(graph)


def test_a_figure_of_plotly_stands_in_a_frame():
    go = pytest.importorskip("plotly.graph_objects")
    html = drawn(go.Figure(go.Scatter(y=[1, 2]), layout={"title": {"text": "Clicks"}}))
    assert 'title="Plotly: Clicks"' in html and 'sandbox="allow-scripts"' in html


class Chart:
    """As altair has it, where nothing is installed that draws it."""

    def to_json(self) -> str:
        return '{"mark": "bar"}'


class TopLevelMixin(Chart):
    __module__ = "altair.vegalite"


def test_a_chart_nothing_can_draw_says_which_command_installs_what_does(monkeypatch):
    monkeypatch.setattr(pictures, "find_spec", lambda name: None)
    html = drawn(TopLevelMixin())
    assert "-m pip install vl-convert-python" in html and "mark" in html


# -- downloads and digests


def test_a_download_is_a_row_with_its_name(tmp_path):
    html = drawn(Download("text", "notes.txt"), Download(file_of(tmp_path, "a.bin", b"12345"), ""))
    assert 'href="/frame/default-x-01/1" download>notes.txt' in html and "a.bin" in html and "5 bytes" in html


@dataclass
class Host:
    host: str


@pytest.mark.parametrize(("one", "other"), [
    (Table([{"a": 1}]), Table([{"a": 2}])), (Code("a"), Code("b")), (Code("a"), Code("a", "python")),
    (Diagram("a"), Diagram("b")), (Graph(["a"], []), Graph(["b"], [])), (Download("a", "n"), Download("b", "n")),
    ("a", "b"), (png(), png(color=1)), (Image(png()), Image(png(color=1))), (Image(png(), "a"), Image(png(), "b")),
    (P("a"), P("b")), (Table([Host("a")]), Table([Host("b")])),
])
def test_what_is_approved_is_asked_again_when_it_changes(one, other):
    assert digest(one) == digest(one) != digest(other)


def test_nothing_is_imported_for_what_is_not_shown():
    code = "import sys, treadle.web.app; from treadle import Table; Table([]); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"pandas", "matplotlib", "rich", "plotly", "PIL", "numpy", "openpyxl"} & set(loaded.split())
