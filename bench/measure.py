"""Paired, interleaved measuring: this machine is shared and noisy, so only ratios of the same round count."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """One figure of PERFORMANCE.md beside its baseline. `ratio` is the median of the paired ratios where both were timed."""

    number: str     # of the figure in PERFORMANCE.md
    what: str
    ours: str
    baseline: str
    ratio: str
    goal: str
    reached: bool


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of this process, all threads, for one call."""
    before = time.process_time()
    work()
    return time.process_time() - before


def paired(ours: Callable[[], float], baseline: Callable[[], float], rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Call both in turn, `rounds` times after one warming round. Medians of ours, of the baseline, and of the ratios."""
    ours(), baseline()
    pairs = [(ours(), baseline()) for _ in range(rounds)]
    return (statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs),
            statistics.median(a / b for a, b in pairs))


def p(values: list[float], percent: float) -> float:
    """The `percent` percentile, nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def process_cpu_s(pid: int) -> float:
    """CPU seconds a process has used so far, user and system, all its threads (Linux /proc)."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int) -> int:
    """Resident memory of a process (Linux /proc)."""
    return int(open(f"/proc/{pid}/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
