"""Join exports of keywords or pages: what one has and the others lack, by priority."""

from typing import Annotated

from treadle import Accept, Range, Table, Ui, Upload, plain, workflow

from ._gap import BY_PATH, BY_TEXT, KEYS, MISSING, MOST, PARTS, WEIGHTS, List, compare, guess, listed, name_of
from ._tables import read, readable

Export = Annotated[Upload, Accept(".csv", ".tsv", ".txt", ".xlsx", max_mb=50)]
NONE = "No column: what more lists have comes first"


@workflow("Content gap", message="Give me your export of keywords or pages and those of others; I show what you lack.",
          about="Joins two or more exports of keywords or pages (CSV, TSV, XLSX) and shows what one has and the others "
                "lack, by priority.", icon="git-compare", training="content_gap.md",
          steps=["Other lists", "Export", "Read", "Compare by", "Priority", "What makes two the same", "Compare",
                 "List"])
async def content_gap(ui: Ui) -> None:
    others = await ui.ask("Other lists", Annotated[int, Range(1, 5)], default=1,
                          help="How many you compare yours with: other sites, other months, another tool.")
    lists: list[List] = []
    tables = []
    for number in range(1, others + 2):
        whose = "Yours" if number == 1 else "One to compare with"
        file = await ui.ask("Export", Export, key=number, check=readable, help=f"{whose}: CSV, TSV or XLSX, up to "
                            "100,000 rows. The list is called as the file is.")
        rows = await ui.job("Read", read, file, key=number, on="process")
        columns = list(rows[0])
        by = await ui.choose("Compare by", columns, key=number, default=guess(columns, KEYS),
                             help=f"The column of {file.name} with the keywords or the addresses.")
        weight = await ui.choose("Priority", [NONE, *columns], key=number, default=guess(columns, WEIGHTS) or NONE,
                                 help="The column that says what matters: search volume, clicks, traffic.")
        lists.append(List(name_of(file.name, lists), by, "" if weight == NONE else weight))
        tables.append(rows)
    pages = "url" in lists[0].key.lower() or "page" in lists[0].key.lower()
    how = await ui.choose("What makes two the same", [BY_TEXT, BY_PATH], default=BY_PATH if pages else BY_TEXT)
    found = await ui.job("Compare", compare, lists, tables, how, on="process")
    mine = lists[0].name
    parts = {}
    for part in PARTS:
        parts[part] = await ui.job("List", listed, found, mine, part, key=part, on="process")
    lack, only, both = (f"{len(rows):,}{' or more' if len(rows) == MOST else ''}" for rows in parts.values())
    ui.show(f"**Missing in {plain(mine)}: {lack}.** Only there: {only}. Shared: {both}.")
    for part, rows in parts.items():
        if rows:
            ui.show(f"### {PARTS[part].format(plain(mine))}", Table(rows))
    ui.export("content-gap.xlsx", **parts)
    ui.export("missing.csv", rows=parts[MISSING])
