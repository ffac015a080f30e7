"""Check a list of URLs: status, redirect chain, title, canonical, robots."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from treadle import LongText, Range, Table, Ui, Upload, workflow

from ._check import check
from ._fetch import Rules, cleaned
from ._urls import checked, read
from ._words import many

MOST = 10_000


@dataclass
class Manner:
    """How the sites are asked."""

    requests_a_second: Annotated[int, Range(1, 20)] = 2
    keep_to_robots_rules: bool = True
    private_networks: bool = False


@workflow("URL check", message="Give me a list of URLs; I check status, redirects, title and robots of each.",
          about="Checks thousands of URLs: status, redirect chain, title, canonical and robots. Can be stopped, and "
                "goes on where it was.", icon="list-checks", training="url_check.md", needs=["network"],
          steps=["Source", "URLs", "Manner", "Check"])
async def url_check(ui: Ui) -> None:
    source = await ui.ask("Source", Literal["Paste a list", "Upload a file"])
    kind = LongText if source == "Paste a list" else Upload
    given = await ui.ask("URLs", kind, check=partial(checked, most=MOST),
                         help=f"One in each line, CSV or a sitemap; up to {MOST:,}.")
    listed = read(given)
    urls = list(dict.fromkeys(address(url.text) for url in listed.urls))
    how = await ui.form(
        "Manner", Manner, help="Requests are counted for each host. Leave robots.txt out only for sites of your own. "
        "Private networks are this computer and those around it: leave them out for the public web.")
    rules = Rules(float(how.requests_a_second), how.private_networks, how.keep_to_robots_rules)
    found = await ui.each("Check", urls, partial(check, rules=rules), workers=8, failed="keep")
    verdicts = Counter(row["verdict"] for row in found.ok).most_common()
    doubles, others = len(listed.urls) - len(urls), len(listed.rejected)
    not_asked = f" {many(len(found.failed), 'URL')} not asked for." if found.failed else ""
    ui.show(f"**{many(len(found.ok), 'URL')} checked.** {', '.join(f'{name} {count:,}' for name, count in verdicts)}.",
            f"{many(doubles, 'duplicate')} and {many(others, 'line')} without a URL were left out.{not_asked}",
            Table(found.ok, sort="verdict"))
    if listed.rejected:
        ui.show("### Lines without a URL", Table(listed.rejected, sort="line"))
    ui.export("urls.csv", rows=found)
    ui.export("urls.xlsx", urls=found)


def address(text: str) -> str:
    """A URL of a list as it is asked for."""
    return cleaned(text if "://" in text else f"https://{text.removeprefix('//')}")
