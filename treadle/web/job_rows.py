"""What pages know of the jobs of a run, read from their rows: small queries on the loop, drawn elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ..core import Core
from ..drawing import WORKS, Step
from ..errors import NotFound
from ..jobs.engine import Live
from ..runs import RunView
from .components.bell import Line
from .components.jobs import FAILED, NEWEST, Item, Seen

READ_AT_ONCE = 500      # rows between two looks at what else is to be done
LOOKED = "jobs.looked"  # the setting whose rev says when the list of jobs was last opened
KEPT_S = 3600.0         # how long a job that has ended stays in the list
WORDS = {"running": "started", "done": "is done", "failed": "failed", "stopped": "is stopped"}


def seen_of(core: Core, view: RunView) -> Mapping[str, Seen]:
    """What is seen of each job of a run, by slug."""
    steps = [item for item in view.drawing.items if isinstance(item, Step) and item.kind in WORKS]
    return {step.slug: seen(core, step, view) for step in steps}


def seen(core: Core, step: Step, view: RunView) -> Seen:
    """What is seen of one job."""
    row = core.db.first("SELECT started_at, answered_at, log, details FROM steps WHERE id = ?", (step.id,))
    if row is None or step.work is None:
        return Seen()
    live = core.jobs.live(step.id)
    done, failed = _counts(core, step, live)
    items: list[Item] = []
    if step.state != "done" and step.work.items is not None:
        found = "SELECT number, state, value, error FROM items WHERE step = ? AND state = ? ORDER BY number"
        rows = core.db.rows(f"{found} DESC LIMIT ?", (step.id, "done", NEWEST))
        if live is not None:  # by number: looking through 10,000 items twice a second would be felt
            first = sorted(live.failures)[:FAILED]
            rows += core.db.rows("SELECT number, state, value, error FROM items WHERE step = ? AND number IN "
                                 f"({','.join('?' * len(first))})", (step.id, *first))
        elif failed:
            rows += core.db.rows(f"{found} LIMIT ?", (step.id, "failed", FAILED))
        items = [Item(each["number"], each["state"], each["value"], each["error"]) for each in rows]
    return Seen(done, failed, live, row["started_at"], row["answered_at"], row["log"].splitlines(), row["details"],
                items, newer=view.newer,
                waits=f"{live.waits}; this step goes on by itself." if live is not None and live.waits else "",
                written=live.written if live is not None and step.work.schema is None else "",
                model=core.llm.status.chosen or "", advice=core.jobs.advice(step.id),
                ending=live is None and core.jobs.ending(step.id))


def _counts(core: Core, step: Step, live: Live | None) -> tuple[int, int]:
    """How many items are done, and how many failed. Of what runs this is known: it is asked for twice a second."""
    if live is not None:
        return int(live.done) - live.failed, live.failed
    if step.work is None or step.work.items is None:
        return 0, 0
    counts = {each["state"]: each["n"] for each in core.db.rows(
        "SELECT state, count(*) AS n FROM items WHERE step = ? GROUP BY state", (step.id,))}
    return counts.get("done", 0), counts.get("failed", 0)


async def results(core: Core, step: Step) -> Sequence[Item]:
    """All items of an each that have ended, in order."""
    items: list[Item] = []
    if step.work is None:
        return items
    last = -1
    while True:
        rows = core.db.rows("SELECT number, state, value, error FROM items WHERE step = ? AND number > ? AND state IN "
                            "('done', 'failed') ORDER BY number LIMIT ?", (step.id, last, READ_AT_ONCE))
        items += [Item(row["number"], row["state"], row["value"], row["error"]) for row in rows]
        if len(rows) < READ_AT_ONCE:
            return items
        last = rows[-1]["number"]
        await asyncio.sleep(0)


def job_counts(core: Core) -> tuple[int, int]:
    """How many jobs run, and how many have failed since somebody last opened their list."""
    running = core.db.one("SELECT count(*) AS n FROM steps WHERE state = 'running'")["n"]
    looked = core.db.first("SELECT rev FROM settings WHERE key = ?", (LOOKED,))
    seen = looked["rev"] if looked is not None else 0
    return running, sum(line.rev > seen for line in lines(core, "failed"))


def jobs_since(core: Core, after: int) -> list[str] | None:
    """What has begun or ended since rev `after`, in words; None when nothing has changed that the bell shows."""
    rows = core.db.rows("SELECT label, state FROM steps WHERE run IN (SELECT key FROM runs WHERE rev > ?) AND rev > ? "
                        "AND kind IN ('job', 'each', 'llm') ORDER BY rev", (after, after))
    if not rows and core.db.first("SELECT 1 FROM settings WHERE key = ? AND rev > ?", (LOOKED, after)) is None:
        return None
    return [f"{row['label']} {WORDS[row['state']]}." for row in rows if row["state"] in WORDS]


def look(core: Core) -> None:
    """Somebody has opened the list: what has failed is no news any more."""
    with core.feed.change() as rev:
        core.db.execute("INSERT INTO settings (key, value, rev) VALUES (?, '', ?) "
                        "ON CONFLICT (key) DO UPDATE SET rev = excluded.rev", (LOOKED, rev))


def lines(core: Core, state: str = "") -> list[Line]:
    """What runs, and what ended within the hour and is still as it was; or only that in one `state`."""
    found: list[Line] = []
    for job in core.jobs.panel():
        if state and job.state != state:
            continue
        row = core.db.first("SELECT state, rev, started_at FROM steps WHERE id = ?", (job.step_id,))
        late = job.ended_at is not None and job.ended_at < core.clock.now() - KEPT_S
        if row is None or row["state"] != job.state or late or any(job.step_id == line.job.step_id for line in found):
            continue
        try:
            found.append(Line(job, core.runs.get(job.run), row["rev"], row["started_at"] or 0.0))
        except NotFound:
            continue  # it was deleted
    return found
