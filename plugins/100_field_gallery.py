"""Every kind of question a workflow can ask, with the code that asks it."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

from treadle import (
    Accept,
    Email,
    File,
    Json,
    LongText,
    Markdown,
    Range,
    Secret,
    Table,
    Ui,
    Upload,
    Url,
    workflow,
)

from ._gallery import about, code_of


@workflow("Field gallery", message="Choose kinds of questions; I ask them, and show the code of each.",
          about="Every kind of question a workflow can ask, each with its code: texts, numbers, dates, choices, files.",
          training="A gallery for authors of workflows: each type `ui.ask` takes, with the code that asks for it.",
          icon="list-checks", steps=["Questions"])
async def field_gallery(ui: Ui) -> None:
    chosen = await ui.choose("Questions", list(FIELDS), many=True, least=1, default=list(FIELDS),
                             help="Each comes with an answer to start from, or may be left empty.")
    rows = []
    for name in chosen:
        asks, *parts = FIELDS[name]
        ui.show(f"## {name}\n\n{about(asks)}", code_of(asks, *parts))
        value = await asks(ui)
        rows.append({"question": name, "type": type(value).__name__, "value": told(value)})
    ui.show("## What the workflow was given", Table(rows))
    ui.export("answers.json", answers=rows)


def told(value: Any) -> str:
    """A value as Python writes it. A secret is never shown."""
    if isinstance(value, Secret):
        return "known, and never shown"
    return f"{value.name}, {value.size:,} bytes" if isinstance(value, File) else repr(value)


async def text(ui: Ui) -> Any:
    """One line. Without `| None` or a default it must be answered."""
    return await ui.ask("Name", str, default="Ada Lovelace", max_length=80)


async def optional(ui: Ui) -> Any:
    """`| None` makes it optional: left empty it is None."""
    return await ui.ask("Nickname", str | None, placeholder="None")


async def long_text(ui: Ui) -> Any:
    """Several lines. With `draft=` the model writes into it until the person types."""
    return await ui.ask("Note", LongText, default="Two links are broken.", max_length=2_000,
                        draft="Write one sentence about the name above.")


async def markdown(ui: Ui) -> Any:
    """The same, meant as Markdown: `ui.show` draws it."""
    note = await ui.ask("Comment", Markdown, default="It is **done**.")
    ui.show(note)
    return note


async def checked(ui: Ui) -> Any:
    """`check=` is given the value when the person answers; the message of a ValueError stands at the field."""
    return await ui.ask("Even number", int, default=2, check=even)


def even(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd. Give an even number.")
    return number


async def whole_number(ui: Ui) -> Any:
    """A whole number."""
    return await ui.ask("Pages", int, default=500)


async def number(ui: Ui) -> Any:
    """A number with or without decimals."""
    return await ui.ask("Seconds", float, default=1.5)


async def slider(ui: Ui) -> Any:
    """A number between two ends."""
    return await ui.ask("Depth", Annotated[int, Range(1, 10)], default=3)


async def constraints(ui: Ui) -> Any:
    """Any constraint of pydantic; its sentence stands at the field."""
    from pydantic import Field

    Rate = Annotated[float, Field(gt=0, le=10, multiple_of=0.5)]
    return await ui.ask("Requests a second", Rate, default=0.5)


async def yes_no(ui: Ui) -> Any:
    """A box to tick."""
    return await ui.ask("Follow redirects", bool, default=True)


async def day(ui: Ui) -> Any:
    """A date."""
    return await ui.ask("From", datetime.date, default=datetime.date(2026, 11, 1))


async def moment(ui: Ui) -> Any:
    """A date with a time."""
    return await ui.ask("Not before", datetime.datetime, default=datetime.datetime(2026, 11, 1, 9))


async def path(ui: Ui) -> Any:
    """A path on the computer Treadle runs on. Read it in a job."""
    return await ui.ask("Folder", Path, default=Path("reports"))


async def url(ui: Ui) -> Any:
    """A full web address."""
    return await ui.ask("Page", Url, default=Url("https://example.org/"))


async def email(ui: Ui) -> Any:
    """An address for mail."""
    return await ui.ask("Report to", Email, default=Email("ada@example.org"))


async def secret(ui: Ui) -> Any:
    """Kept in a file of its own that no log, export or backup includes; the model never sees it."""
    return await ui.ask("Password", Secret | None)


async def json(ui: Ui) -> Any:
    """JSON, as what it says."""
    return await ui.ask("Headers", Json, default={"accept": "text/html"})


async def literal(ui: Ui) -> Any:
    """One of a few, known beforehand."""
    return await ui.ask("Match", Literal["path", "full URL", "canonical"], default="path")


async def enum(ui: Ui) -> Any:
    """The same as an Enum: it is stored by value, and comes back as its member."""
    return await ui.ask("Priority", Priority, default=Priority.NORMAL)


class Priority(Enum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


async def several(ui: Ui) -> Any:
    """Some of them."""
    return await ui.ask("Codes", list[Literal["200", "301", "404"]], default=["404"])


async def choice(ui: Ui) -> Any:
    """Options found while running: texts, or a dict of value to text. From 7 on they fold into one control."""
    return await ui.choose("Month", {number: f"2026-{number:02}" for number in range(1, 13)}, default=11)


async def upload(ui: Ui) -> Any:
    """A file, which belongs to the run. Open it in a job or a check."""
    return await ui.ask("Log", Annotated[Upload, Accept(".csv", ".gz", ".log", max_mb=50)] | None)


async def form(ui: Ui) -> Any:
    """Several at once, from a dataclass or a pydantic model; `await` gives an instance of it."""
    return await ui.form("Limits", Limits, default=Limits(pages=500))


@dataclass
class Limits:
    pages: Annotated[int, Range(1, 5_000)]
    rate: float = 1.0
    robots: bool = True
    hosts: list[Literal["www", "shop", "blog"]] = field(default_factory=list)


async def approve(ui: Ui) -> Any:
    """A decision about what `ui.show` can show. When that is another one later, it is asked again."""
    return await ui.approve("Go", "Fetch **500 pages** of example.org.", yes="Fetch them", no="Not now")


FIELDS: dict[str, tuple[Callable[..., Any], ...]] = {  # what asks, and what that names
    "Text": (text,), "Optional": (optional,), "Long text": (long_text,), "Markdown": (markdown,),
    "With a check": (checked, even), "Whole number": (whole_number,), "Number": (number,), "Slider": (slider,),
    "Constraints": (constraints,), "Yes or no": (yes_no,), "Date": (day,), "Date and time": (moment,),
    "Path": (path,), "Address": (url,), "Email": (email,), "Secret": (secret,), "JSON": (json,),
    "One of a few": (literal,), "Enum": (enum, Priority), "Some of a few": (several,), "Options": (choice,),
    "File": (upload,), "Form": (form, Limits), "Approval": (approve,),
}
GIVEN = {"Questions": list(FIELDS), "Name": "Ada", "Nickname": "", "Note": "A line\nand another", "Comment": "*done*",
         "Even number": "4", "Pages": "500", "Seconds": "0.5", "Depth": "3", "Requests a second": "1.5",
         "Follow redirects": "yes", "From": "2026-11-18", "Not before": "2026-11-18T14:20", "Folder": "reports",
         "Page": "https://example.org/", "Report to": "ada@example.org", "Password": "hunter2",
         "Headers": '{"accept": "text/html"}', "Match": "canonical", "Priority": "high", "Codes": ["200", "404"],
         "Month": 11, "Log": "", "Limits": {"pages": "20", "rate": "0.5", "hosts": ["shop"]}, "Go": True}


def test_every_question_is_asked_with_its_code_and_gives_its_type(run: Any) -> None:
    played = run(field_gallery, answers=GIVEN)
    assert played.waiting_for is None
    assert played["Priority"] is Priority.HIGH and played["Limits"] == Limits(20, 0.5, True, ["shop"])
    assert played["Not before"] == datetime.datetime(2026, 11, 18, 14, 20) and played["Nickname"] is None
    types = {row["question"]: row["type"] for row in played.exports["answers.json"]["answers"]}
    assert list(types) == list(FIELDS)
    assert (types["Date"], types["JSON"], types["Slider"]) == ("date", "dict", "int")


def test_a_secret_is_shown_nowhere(run: Any) -> None:
    played = run(field_gallery, answers={"Questions": ["Secret"], "Password": "hunter2"})
    assert played.exports["answers.json"]["answers"][0]["value"] == "known, and never shown"


def test_what_a_check_refuses_is_refused(run: Any) -> None:
    import pytest

    with pytest.raises(Exception, match=r"3 is odd\. Give an even number"):
        run(field_gallery, answers={"Questions": ["With a check"], "Even number": "3"})
