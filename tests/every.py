"""A workflow that asks for every type there is, for the tests of forms."""

from __future__ import annotations

from pathlib import Path

EVERY = '''
from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from treadle import Accept, Email, Json, LongText, Markdown, Range, Secret, Upload, Url, plain, workflow


class Size(Enum):
    SMALL = 1
    LARGE = 2


@dataclass
class Scope:
    name: Annotated[str, Field(min_length=3)]
    pages: Annotated[int, Field(ge=1, le=5000, description="How *many*.")]
    price: float
    on: date
    at: datetime
    contact: Email | None
    start: Url
    notes: LongText | None
    compare: Literal["Path", "Full URL as it stands", "Canonical"]
    include: list[Literal["HTML", "Images", "Documents"]]
    country: Literal["NL", "DE", "FR", "BE", "UK", "US", "ES"]
    size: Size
    file: Annotated[Upload, Accept(".csv", ".gz", max_mb=0.01)]
    other: Upload | None
    key: Secret
    settings: Json
    text: Markdown
    folder: Path | None
    workers: Annotated[int, Range(1, 50)] = 12
    group: bool = True

    def __post_init__(self):
        if self.pages < self.workers:
            raise ValueError("There are fewer pages than workers.")


@workflow("Every", message="m", steps=["Scope", "Days", "Key"])
async def every(ui):
    scope = await ui.form("Scope", Scope, help="What is crawled, and **how**.", check=known)
    days = await ui.choose("Days", {1: "Monday", 2: "Tuesday", 3: "Friday"}, many=True, least=1)
    key = await ui.ask("Key", Secret | None)
    ui.show(plain(f"{scope.name} {scope.pages} {scope.price} {scope.on:%d.%m.} {scope.at:%H:%M} {scope.compare} "
                  f"{scope.include} {scope.size.name} {scope.file.name} {len(scope.key)} {scope.settings} "
                  f"{scope.workers} {scope.group} {days} {key is None}"))
    ui.export("scope.json", name=scope.name, days=days)


def known(scope):
    if scope.name == "Nobody":
        raise ValueError("Nobody crawls.")
    if scope.name == "Leak":
        raise LookupError(f"401 with {scope.key}")
    return scope


@workflow("Pick", message="m")
async def pick(ui):
    many = await ui.choose("Pages", [f"Page {n}" for n in range(300)], many=True)
    ui.show(f"{len(many)} pages")
'''
GOOD = {"value.name": "Spring", "value.pages": "1,500", "value.price": "9.5", "value.on": "2026-11-18",
        "value.at": "2026-11-18T14:05", "value.contact": "", "value.start": "https://docs.example.org/",
        "value.notes": "", "value.compare": "Canonical", "value.include": ["HTML", "Documents"],
        "value.country": "FR", "value.size": "Large", "value.key": "hunter2!", "value.settings": '{"a": 1}',
        "value.text": "# T", "value.folder": "", "value.workers": "20", "value.group": "yes"}


def plugins_at(folder: Path) -> Path:
    """Write the workflow into `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "010_every.py").write_text(EVERY)
    return folder
