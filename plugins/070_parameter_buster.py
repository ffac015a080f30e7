"""Find the query parameters that make many addresses of one page, and propose a robots.txt."""

from typing import Annotated

from treadle import Accept, Code, Download, Table, Ui, Upload, workflow

from ._logs import readable
from ._params import ROWS, count, proposed, remaining, robots, rule
from ._words import many

MOST_SHOWN = 10  # pages


@workflow("Parameter buster", icon="list-filter", steps=["Log or list", "Count", "Block", "Count what is left"],
          message="Give me an access log or a list of URLs; I find the query parameters that multiply your pages.",
          about="Finds the query parameters that multiply pages, in an access log or a list of URLs, and writes a "
                "robots.txt proposal.", training="parameter_buster.md")
async def parameter_buster(ui: Ui) -> None:
    file = await ui.ask(
        "Log or list", Annotated[Upload, Accept(max_mb=200)], check=readable, help="An access log in the common or "
        "combined format, one URL in each line, or a CSV with a column of them; gzip is fine.")
    found = await ui.job("Count", count, file, on="process")
    ui.show(f"**{many(found['addresses'], 'address', 'addresses')} of {many(found['pages'], 'page')}**, from "
            f"{many(found['lines'], 'line')}. {many(found['rejected'], 'line was', 'lines were')} no request, "
            f"{found['errors']:,} showed no page (status 3xx to 5xx).")
    ui.export("parameters.csv", rows=found["parameters"])
    if not found["parameters"]:
        ui.show("No address has a query parameter: there is nothing to block.")
        return
    part = f" The first {ROWS:,} of {found['names']:,}." if found["names"] > ROWS else ""
    ui.show(f"### Parameters\n\n*extra* is how many addresses fewer there would be without the parameter.{part}",
            Table(found["parameters"], sort="-extra"))
    if found["multiplied"]:
        more = f"\n\nThe first {MOST_SHOWN}; pages.csv has all." if len(found["multiplied"]) > MOST_SHOWN else ""
        ui.show(f"### Pages with most addresses{more}",
                Table(found["multiplied"][:MOST_SHOWN], sort="-addresses"))
        ui.export("pages.csv", rows=found["multiplied"])
    names = {row["parameter"]: f"{row['parameter']}: {many(row['addresses'], 'address', 'addresses')}"
             for row in found["parameters"][:100] if rule(row["parameter"])}
    if not names:
        ui.show("None of these names can stand in a robots.txt rule.")
        return
    default = [name for name in proposed(found["parameters"]) if name in names]
    block = await ui.choose("Block", names, many=True, default=default,
                            help="Proposed are tracking parameters, and others that make three or more addresses of a "
                                 "page. Leave out what changes the page: a page number, a product, a language.")
    if not block:
        ui.show("Nothing is blocked. Revert to **Block** to choose.")
        return
    left = await ui.job("Count what is left", remaining, file, block, on="process")
    ui.show(f"With these rules **{left['addresses']:,} of {many(found['addresses'], 'address', 'addresses')}** may be "
            f"crawled, and {left['pages']:,} of {many(found['pages'], 'page')}.")
    if left["lost"]:
        ui.show("### Pages that are blocked as a whole\n\nThey were only seen with one of these parameters. Make sure "
                "that they are linked without it.", Table([{"page": page} for page in left["lost"]]))
    text = robots(block)
    ui.show("### robots.txt\n\nAdd this to your robots.txt. Blocked addresses that are indexed already stay known to "
            "search engines; a canonical link is the better way for those.", Code(text, "text"),
            Download(text, "robots.txt"))
