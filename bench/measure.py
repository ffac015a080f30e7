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
    return medians([(ours(), baseline()) for _ in range(rounds)])


def medians(pairs: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Of the first, of the second, and of their ratios."""
    return (statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs),
            statistics.median(a / b for a, b in pairs))


def p(values: list[float], percent: float) -> float:
    """The `percent` percentile, nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def process_cpu_s(pid: int) -> float:
    """CPU seconds a process has used so far, all its threads, also those that have ended, to the nanosecond (Linux)."""
    return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid makes it; /proc/*/stat counts in steps of 10 ms


def run_delay_s() -> float:
    """Seconds this thread was ready to run and others had the processors (Linux)."""
    with open("/proc/thread-self/schedstat") as stat:
        return int(stat.read().split()[1]) / 1e9


def rss_bytes(pid: int) -> int:
    """Resident memory of a process (Linux /proc)."""
    return int(open(f"/proc/{pid}/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
