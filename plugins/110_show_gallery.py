"""Everything a workflow can show, with the code that shows it."""

import datetime
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from fasthtml.common import Dd, Div, Dl, Dt, P, Progress
from fasthtml.svg import Circle, Svg

from treadle import Code, Diagram, Download, File, Graph, Image, Table, Ui, plain, workflow

from ._gallery import about, code_of, missing


@workflow("Show gallery", message="Choose what you want to see; I show it with the code that does it.",
          about="Everything a workflow can show, each with its code: tables, code, diagrams, graphs, charts, pictures.",
          training="A gallery for authors of workflows: each thing `ui.show` takes, with the code that shows it.",
          icon="layers", steps=["Shows"])
async def show_gallery(ui: Ui) -> None:
    chosen = await ui.choose("Shows", list(SHOWS), many=True, least=1, default=list(SHOWS),
                             help="Those that need a package which is not installed say how to install it.")
    for name in chosen:
        show, *parts = SHOWS[name]
        ui.show(f"## {name}\n\n{about(show)}")
        await show(ui)
        ui.show(code_of(show, *parts))


async def markdown(ui: Ui) -> None:
    """A text is Markdown. Raw HTML is shown as it is written; `plain` shows a value letter for letter."""
    name = "*Ada* <b>Lovelace</b>"
    ui.show(f"Hello, **{plain(name)}**. This is *one* paragraph with `code`,\n"
            "and a [link](https://example.org/).\n\n"
            "- a list\n- [x] with a task\n\n> and a quote")


async def table(ui: Ui) -> None:
    """Rows are dicts, dataclasses or pydantic models. Headings sort; from 11 rows on there is a search; 50 rows stand
    on a page."""
    pages = [Page(f"/guides/{n}", 200 if n % 9 else 404, n * 37 % 1000,
                  n % 7 / 10, datetime.date(2026, 11, 1 + n % 20)) for n in range(1, 121)]
    ui.show(Table(pages, sort="-clicks"))


@dataclass
class Page:
    path: str
    status: int
    clicks: int
    seconds: float
    seen: datetime.date


async def code(ui: Ui) -> None:
    """Coloured, with its language or a name over it, and Copy."""
    ui.show(Code("User-agent: *\nDisallow: /*?sort=\n", name="robots.txt"),
            Code("SELECT path, count(*) -- the most visited first\n"
                 "FROM hits GROUP BY path ORDER BY 2 DESC;", "sql"))


async def diagram(ui: Ui) -> None:
    """Mermaid draws it, in a frame that cannot reach the page. An error in the text is said in its place."""
    ui.show(Diagram("""
        flowchart LR
          shipping["/guides/shipping<br>301"] --> help["/help/shipping<br>302"]
          delivery["/help/delivery<br>301"] --> help --> final["/help<br>200"]
        """, title="Redirects"))


async def graph(ui: Ui) -> None:
    """Nodes and links, laid out by a script in a frame of its own. Arrow keys go from node to node; the same stands
    under it as a table."""
    pages = [{"id": f"/{n}", "group": "broken" if n in (7, 18) else "page"}
             for n in range(24)]
    links = [(f"/{n}", f"/{m}") for n in range(24)
             for m in (n // 3, n * 5 % 24) if n != m]
    orphan = {"id": "/orphan", "group": "orphan"}
    ui.show(Graph([*pages, orphan], links, title="Links between pages"))


async def image(ui: Ui) -> None:
    """Bytes, a file of the run, an image of PIL. `Image` gives it a title, and says what it shows to who cannot see."""
    ui.show(Image(gradient(320, 120), title="A gradient",
                  alt="Grey that grows lighter from left to right"))


def gradient(width: int, height: int) -> bytes:
    """A PNG, without any package."""
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    row = b"\0" + bytes(column * 255 // width for column in range(width))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) \
        + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b"")


async def download(ui: Ui) -> None:
    """A text, bytes or a file of the run, in its place between the steps. `ui.export` lists its files at the end, and
    makes CSV, JSON, spreadsheets and pages of what it is given."""
    ui.show(Download("Two of 20 links are broken.\n", "notes.txt"))
    pages = [{"path": "/", "status": 200}, {"path": "=1+1", "status": 404}]
    ui.export("pages.csv", pages=pages)
    ui.export("pages.xlsx", pages=pages, about={"made": "by Treadle"})


async def components(ui: Ui) -> None:
    """Components of FastHTML. What could act is taken out: scripts, handlers, forms, styles, pictures from afar."""
    ui.show(Dl(Dt("Pages"), Dd("312"), Dt("Broken"), Dd("2"), cls="facts"),
            Div(P("Checked"), Progress(value=310, max=312, aria_label="Checked")),
            Svg(Circle(28, cx=30, cy=30, fill="none", stroke="currentColor", stroke_width=3),
                width=60, height=60, viewBox="0 0 60 60", role="img", aria_label="A circle"))


async def pandas(ui: Ui) -> None:
    """A frame is shown as a table. A job that returns one makes it a file of the run, which a Table reads; importing
    pandas takes longer than drawing a page may."""
    if needs := missing("pandas"):
        ui.show(needs)
        return
    frame: Any = await ui.job("Make the frame", sales)
    ui.show(Table(frame, sort="-clicks"))
    ui.export("clicks.csv", clicks=frame)


def sales() -> Any:
    """Clicks by month: a DataFrame."""
    import pandas

    frame = pandas.DataFrame({"month": ["Aug", "Sep", "Oct"] * 2, "clicks": [62, 49, 41, 60, 64, 67]})
    return frame.groupby("month", as_index=False).sum()


async def matplotlib(ui: Ui) -> None:
    """A figure is drawn in a thread. Build it in a job where that takes time, from `matplotlib.figure.Figure`: pyplot
    is not made for threads."""
    if needs := missing("matplotlib"):
        ui.show(needs)
        return
    drawn: Any = await ui.job("Draw the figure", clicks)
    ui.show(Image(drawn, title="Clicks by month",
                  alt="This year falls from 62 to 41 thousand"))


def clicks() -> Any:
    """A line a year."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(["Aug", "Sep", "Oct"], [62, 49, 41], color="#0f766e", label="2026")
    axes.plot(["Aug", "Sep", "Oct"], [60, 64, 67], color="#5d5b57", linestyle=":", label="2025")
    axes.set_ylabel("thousand clicks")
    axes.legend()
    return figure


async def plotly(ui: Ui) -> None:
    """Drawn by the script the package brings, in a frame of its own. A job builds it: importing plotly may take longer
    than drawing a page may."""
    if needs := missing("plotly"):
        ui.show(needs)
        return
    ui.show(await ui.job("Build the figure", years))


def years() -> Any:
    """A line a year, as a figure of plotly."""
    from plotly.graph_objects import Figure, Scatter

    months = ["Aug", "Sep", "Oct"]
    return Figure([Scatter(x=months, y=[62, 49, 41], name="2026"),
                   Scatter(x=months, y=[60, 64, 67], name="2025")],
                  layout={"title": {"text": "Clicks by month"}, "height": 320})


async def altair(ui: Ui) -> None:
    """Drawn as a picture by vl-convert-python. A job builds it, as importing altair takes long."""
    if needs := missing("altair", "vl-convert-python"):
        ui.show(needs)
        return
    chart: Any = await ui.job("Build the chart", bars)
    ui.show(Image(chart, title="Pages by status",
                  alt="290 answer, 20 are redirected, 2 are broken"))


def bars() -> Any:
    """A bar a status."""
    import altair

    data = altair.Data(values=[{"status": "200", "pages": 290}, {"status": "301", "pages": 20},
                               {"status": "404", "pages": 2}])
    return altair.Chart(data).mark_bar().encode(x="pages:Q", y="status:N").properties(width=480)


async def rich(ui: Ui) -> None:
    """What is made for a terminal is drawn as text, with its bold and its colours."""
    if needs := missing("rich"):
        ui.show(needs)
        return
    from rich.table import Table as RichTable

    hosts = RichTable("host", "answer", title="Hosts")
    hosts.add_row("example.org", "[green]200[/]")
    hosts.add_row("old.example.org", "[bold red]404[/]")
    ui.show(hosts)


SHOWS: dict[str, tuple[Callable[..., Any], ...]] = {  # what shows it, and what that calls
    "Markdown": (markdown,), "Table": (table, Page), "Code": (code,), "Diagram": (diagram,), "Graph": (graph,),
    "Image": (image, gradient), "Download": (download,), "Components": (components,), "pandas": (pandas, sales),
    "matplotlib": (matplotlib, clicks), "plotly": (plotly, years), "altair": (altair, bars), "rich": (rich,),
}


def test_every_show_stands_with_its_code(run: Any) -> None:
    played = run(show_gallery, answers={"Shows": list(SHOWS)})
    assert played.waiting_for is None
    assert [thing.name for thing in played.shown if isinstance(thing, Code) and thing.name.endswith("()")] \
        == [f"{show.__name__}()" for show, *_ in SHOWS.values()]
    assert "async def graph(ui: Ui)" in next(thing.text for thing in played.shown
                                             if isinstance(thing, Code) and thing.name == "graph()")


def test_what_a_job_made_is_a_file_that_a_table_and_a_picture_take(run: Any) -> None:
    played = run(show_gallery, answers={"Shows": ["pandas", "matplotlib"]})
    if find_spec("pandas") is not None:
        assert isinstance(played["Make the frame"], File)
        assert played.exports["clicks.csv"][0] == {"month": "Aug", "clicks": "122"}
    if find_spec("matplotlib") is not None:
        assert played["Draw the figure"].name.endswith(".png")


def test_formulas_are_quoted_in_what_is_exported(run: Any) -> None:
    played = run(show_gallery, answers={"Shows": ["Download"]})
    assert [row["path"] for row in played.exports["pages.csv"]] == ["/", "'=1+1"]
