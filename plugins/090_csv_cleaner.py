"""Clean a CSV, TSV or XLSX file: columns, spaces, numbers, dates, duplicates."""

from functools import partial
from typing import Annotated

from treadle import Accept, LongText, Table, Ui, Upload, workflow

from ._cleaning import ALL, DAY_FIRST, FIXES, MONTH_FIRST, NO_DUPLICATES, Settings, changes, clean, renamable, renames
from ._tables import describe, read, readable
from ._words import many


@workflow("CSV cleaner", message="Give me a table; I show what is in it, clean it the way you say, and hand it back.",
          about="Detects delimiter, encoding and types of a CSV, TSV or XLSX file; renames, drops, normalises and "
                "removes duplicates; shows before and after.", icon="paintbrush", training="csv_cleaner.md",
          steps=["File", "Read", "Look at it", "Columns", "New names", "Fixes", "Dates with slashes", "Duplicates",
                 "Clean", "Compare"])
async def csv_cleaner(ui: Ui) -> None:
    file = await ui.ask("File", Annotated[Upload, Accept(".csv", ".tsv", ".txt", ".xlsx", max_mb=50)], check=readable,
                        help="CSV or TSV with any delimiter and encoding, or the first sheet of an XLSX; up to 100,000 "
                             "rows.")
    rows = await ui.job("Read", read, file, on="process")
    about = await ui.job("Look at it", describe, file, rows, on="process")
    names = [column["column"] for column in about["columns"]]
    parts = [about["format"], about["encoding"], about["delimiter"] and f"{about['delimiter']} between cells"]
    ui.show(f"**{many(len(rows), 'row')}, {many(len(names), 'column')}.** {', '.join(filter(None, parts))}. "
            f"{many(about['ragged'], 'line has', 'lines have')} more or fewer cells than the first.",
            Table(about["columns"]))
    columns = await ui.choose("Columns", names, many=True, least=1, default=names,
                              help="What is not chosen is dropped.")
    given = await ui.ask("New names", LongText | None, placeholder=f"{columns[0]} = New name",
                         check=partial(renamable, columns=columns),
                         help="One in each line: old = new. Left empty, the names stay.")
    fixes = await ui.choose("Fixes", FIXES, many=True, default=["spaces", "empty", "invisible"])
    dates = DAY_FIRST
    if "dates" in fixes and about["slashes"]:
        dates = await ui.choose("Dates with slashes", [DAY_FIRST, MONTH_FIRST], default=DAY_FIRST)
    duplicates = await ui.choose("Duplicates", [NO_DUPLICATES, ALL, *columns], default=NO_DUPLICATES,
                                 help="A column keeps the first row of each of its values.")
    settings = Settings(renames(given or "", columns), fixes, duplicates, dates)
    cleaned = await ui.job("Clean", clean, rows, settings, on="process")
    done = await ui.job("Compare", changes, rows, settings, on="process")
    ui.show(f"**Left: {len(cleaned):,} of {many(len(rows), 'row')}.** Dropped: {done['empty']:,} without a value, "
            f"{many(done['duplicates'], 'duplicate')}.")
    if done["sample"]:
        ui.show("### Before and after", Table(done["changed"], sort="-cells"), Table(done["sample"]))
    ui.show("### The cleaned table", Table(cleaned))
    ui.export("cleaned.csv", rows=cleaned)
    ui.export("cleaned.xlsx", rows=cleaned)
