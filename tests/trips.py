"""Workflows for the tests of runs, written as an author writes them, in a folder of their own."""

from __future__ import annotations

from pathlib import Path

TRIP = '''
import time
from typing import Literal
from treadle import File, LongText, Table, Upload, plain, workflow


@workflow("Trip", message="Where to?", about="Plan a **trip**.", steps=["Where", "Days", "Go", "Note"])
async def trip(ui):
    where = await ui.ask("Where", str, max_length=20, help="A town.")
    days = await ui.ask("Days", int, check=few)
    if await ui.approve("Go", f"{days} days in {plain(where)}", yes="Book it", no="Stay"):
        note = await ui.ask("Note", LongText | None)
        ui.show(f"Booked: **{plain(where)}**")
        ui.export("trip.json", where=where, days=days, note=note)


def few(days):
    if days == 13:
        raise LookupError("no thirteenth")
    if days > 30:
        raise ValueError("At most 30 days.")
    return days


@workflow("List", message="Send a list.", steps=["List", "Kind"])
async def listing(ui):
    file = await ui.ask("List", Upload, check=filled)
    kind = await ui.ask("Kind", Literal["a", "b"] | None)
    rows = [{"word": word, "length": len(word), "line": n} for n, word in enumerate(file.read_text().split(), 1)]
    ui.show("Words:", Table(rows, sort="-length"))
    ui.export("words.csv", words=rows)


def filled(file):
    if not file.size:
        raise ValueError(f"{file.name} is empty.")
    return file


@workflow("Extra", message="m")
async def extra(ui):
    await ui.ask("Extra", Upload | None)


@workflow("Skip", message="m", steps=["Fork", "Left", "Right", "End"])
async def skip(ui):
    if await ui.ask("Fork", Literal["left", "right"]) == "left":
        await ui.ask("Left", str)
    else:
        await ui.ask("Right", str)
    await ui.ask("End", bool)


@workflow("Fails", message="m", steps=["Number"])
async def fails(ui):
    number = await ui.ask("Number", int)
    ui.show(f"{1 / number}")


@workflow("Swap", message="m")
async def swap(ui):
    await ui.ask("File", Upload, check=gone)


def gone(file):
    """Takes as long as the file is there: until another one has replaced it."""
    while file.path.exists():
        time.sleep(0.001)
    return file


@workflow("Leap", message="m")
async def leap(ui):
    await ui.approve("Jump", "It is high.")


@workflow("Nothing", message="Asks nothing.")
async def nothing(ui):
    ui.show("There is <b>nothing</b> to ask.")
'''
BROKEN = '''
from treadle import workflow
import no_such_module

@workflow("Gap", message="m")
async def gap(ui):
    pass
'''


def plugins_at(folder: Path) -> Path:
    """Write the workflows into `folder`: those above, and gap, which does not load."""
    folder.mkdir(exist_ok=True)
    (folder / "010_trip.py").write_text(TRIP)
    (folder / "070_gap.py").write_text(BROKEN)
    return folder
