"""`python -m bench [name ...]`: every figure beside its baseline. Exits 0 whatever they are."""

from __future__ import annotations

import datetime
import importlib
import sys
import traceback
from pathlib import Path

from bench.measure import Row

PARTS = ("http", "stream", "markdown", "browser", "storage", "start", "authoring", "jobs", "shows")
TABLE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "bench.md"


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| figure | what | ours | baseline | ratio | goal | |", "|---|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: int(row.number)):
        cells = (row.number, row.what, row.ours, row.baseline, row.ratio, row.goal, "reached" if row.reached else "missed")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(names: list[str]) -> None:
    """Run the parts and print the table; with no names all parts, and the table is kept in docs/."""
    rows: list[Row] = []
    for name in names or PARTS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            rows += importlib.import_module(f"bench.{name}").rows()
        except Exception:  # noqa: BLE001 - one part that fails must not hide the figures of the others
            traceback.print_exc()
    print(table(rows))
    if not names:
        TABLE.parent.mkdir(parents=True, exist_ok=True)
        TABLE.write_text(
            f"# Figures\n\nMeasured with `make bench` on {datetime.date.today():%d %B %Y}, 2 cores, "
            f"Python {sys.version.split()[0]}. The numbers are those of the project's performance figures; the ratio is the "
            "median of paired rounds in one run. The machine is shared: between runs a ratio moves by a fifth.\n\n"
            + table(rows) + "\n")


main(sys.argv[1:])
