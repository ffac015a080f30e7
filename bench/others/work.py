"""The work itself, the same for all four: the links of a page, and a check of one. Every check is written to a file,
so that the harness can count what ran and what ran again."""

import os
import time
from pathlib import Path

LINKS = 20
SECONDS = 0.25  # of one check


def links_of(url: str) -> list[str]:
    """Twenty links, as a page would give them."""
    return [f"{url.rstrip('/')}/page-{number}" for number in range(1, LINKS + 1)]


def check(link: str) -> dict[str, str | int]:
    """One link, checked: it takes a quarter of a second."""
    with Path(os.environ["CALLS"]).open("a") as calls:
        calls.write(f"{link}\n")
    time.sleep(SECONDS)
    return {"link": link, "status": 404 if link.endswith("7") else 200}
