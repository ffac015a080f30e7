"""What the check of one address finds."""

from typing import Any

from ._fetch import FORBIDDEN, Rules, fetch
from ._pages import read


def check(url: str, rules: Rules) -> dict[str, Any]:
    """Status, redirects, title, canonical and robots of one address."""
    page = fetch(url, rules)
    found = read(page)
    chain = [f"{hop['status']} {hop['url']}" for hop in page.chain]
    if page.error:
        verdict = "kept out" if page.error == FORBIDDEN else "fails"
    else:
        verdict = "broken" if page.status >= 400 else "redirects" if chain else "fine"
    if verdict == "fine" and "noindex" in found.robots:
        verdict = "noindex"
    elif verdict == "fine" and found.canonical and found.canonical != page.final:
        verdict = "canonical elsewhere"
    return {"url": url, "verdict": verdict, "status": page.status or "", "why": page.error,
            "leads to": page.final if chain else "", "hops": len(chain), "title": found.title,
            "canonical": found.canonical, "robots": found.robots, "type": page.type if page.status else "",
            "chain": " > ".join(chain), "seconds": page.seconds}
