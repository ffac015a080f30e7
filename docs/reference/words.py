"""What the made pages of the reference say beside what the code says."""

from __future__ import annotations

from typing import NamedTuple


class Entries(NamedTuple):
    """A page of entries: names of `treadle.__all__`, and `ui.` with a call behind it."""

    title: str
    text: str
    names: str


PAGES = {
    "declaration": Entries(
        "What a plugin declares",
        "A file in `plugins/` is a plugin. What stands above a function makes it a workflow, a tool or a page. "
        "`message`, `about` and `help` are Markdown; titles and labels are plain text. The name of the function "
        "is the address, the number in front of the file's name its place in the menu; `xx_` in front switches "
        "the file off, `_` makes it a helper, which reloads together with the plugins that import it. `steps` is "
        "what the person sees ahead: a step with keys is one entry, one that is not listed appears when it is "
        "reached.\n\nThe icon stands beside the message in the chat. There are: ICONS.",
        "workflow tool page Ui"),
    "ui": Entries(
        "The calls of ui",
        "A workflow is given `ui`. Calls that stand for a step are awaited, take `key=`, and are known by label "
        "and key: in a loop give a key. What `await` gives is always read back from what was stored. How these "
        "calls make a run is told in [Replay](../explanation/replay.md).",
        "ui.ask ui.form ui.choose ui.approve ui.job ui.each ui.llm ui.show ui.export"),
    "fields": Entries(
        "Types to ask for",
        "`ui.ask`, the fields of `ui.form` and the parameters of a `@tool` take these types. What a person types "
        "and what comes from outside is checked alike; over HTTP a type is described by its JSON schema.",
        "LongText Markdown Url Email Secret Json Upload Accept File Range InvalidAnswer"),
    "shows": Entries(
        "What a workflow shows",
        "`ui.show` and `ui.approve` take Markdown, FastHTML components, pictures as bytes, figures of matplotlib, "
        "plotly and altair, frames of pandas and polars, renderables of rich, files of the run, and these. The "
        "show gallery in the app has one of each.",
        "Table Code Diagram Graph Image Download plain"),
    "jobs": Entries(
        "Inside a job",
        "What a function meets that runs in a job, and what comes back from an `each`. How to write one is told "
        "in [Long jobs](../how-to/long-jobs.md).",
        "Progress Stopped Results Failed"),
}
MEMBERS = {"File": ("open", "read_text", "encoding"), "Results": ("ok", "failed"), "Progress": ("__call__",)}
GIVEN = "File InvalidAnswer Json Progress Results Secret Stopped Ui Upload"  # no constructor that an author would call
CONTROLS = {  # a type as an author writes it: what a person sees
    "str": "a line",
    "LongText": "several lines",
    "Markdown": "several lines",
    "int": "a number",
    "float": "a number",
    "Annotated[int, Range(1, 50)]": "a slider",
    "bool": "a box to tick",
    "date": "a date",
    "datetime": "a date with a time",
    "Path": "a line",
    "Url": "a line",
    "Email": "a line",
    "Secret": "a line that hides what is typed",
    "Json": "several lines",
    'Literal["path", "host"]': "radios, or a list when there are many",
    "Size": "the same; a `class Size(Enum)`, stored by value",
    'list[Literal["200", "404"]]': "boxes to tick",
    "Upload": "a file",
    'Annotated[Upload, Accept(".csv", max_mb=50)]': "a file with one of these endings",
    "int | None": "a number, which may be left out",
}
AFTER_TYPES = (
    "`| None` or a default makes an answer optional. Any constraint of pydantic may stand in `Annotated[...]`; "
    "its sentence stands at the field. The field gallery in the app has each of them with its code.")
HELP = (
    "What each command says with `--help`. What they are for, with examples, is told in [Commands of "
    "server.py](command-line.md). Every one takes `--data FOLDER`, too.")
SETTINGS = (
    "They are read once, when the server starts. What a person changes while it runs, such as the model or its "
    "address, is kept in the data folder.")
ENVIRONMENT = {
    "OLLAMA_HOST": "the address of the model's server, where it is not `127.0.0.1:11434`; one saved in the app "
                   "goes before",
    "TREADLE_PLUGINS": "folders of plugins, written as `PATH` is; an empty part is the shipped folder: "
                       "`TREADLE_PLUGINS=:~/plugins`",
    "TREADLE_CLUSTER": 'the address of a Dask scheduler, for `on="cluster"`: `tcp://10.0.0.5:8786`',
}
SET = {  # what is told of a setting; "": the comment behind it
    "data": "`--data`: everything that is kept", "plugins": "the first of `TREADLE_PLUGINS`",
    "more_plugins": "the others of `TREADLE_PLUGINS`", "host": "`--host`", "port": "`--port`", "token": "",
    "open_browser": "`--open`, `--no-open`", "dev": "", "demo": "", "ollama_host": "`OLLAMA_HOST`",
    "cluster": "`TREADLE_CLUSTER`", "settle_s": "", "max_body": "",
    "max_upload": "bytes of one uploaded file, unless `Accept(max_mb=)` says otherwise",
}
