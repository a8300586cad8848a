"""How far the machine itself wavers: a fixed piece of work timed around measurements, and spreads of runs.

Processor seconds of a process are what the kernel accounts to it, all its threads together. They waver less
than the clock on the wall when others use the machine, but not nothing: caches and clock rates are shared.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

BUSY_LOOP_COUNT = 1_000_000


def busy_loop_ms() -> float:
    """How long a fixed loop takes right now."""
    begin = time.perf_counter()
    total = 0
    for number in range(BUSY_LOOP_COUNT):
        total += number & 7
    assert total > 0
    return (time.perf_counter() - begin) * 1000


class Noise:
    """The fixed loop, timed whenever `sample` is called."""

    def __init__(self) -> None:
        self._samples = [busy_loop_ms() for _ in range(3)]

    def sample(self) -> None:
        self._samples.append(busy_loop_ms())

    def __str__(self) -> str:
        self.sample()
        load = os.getloadavg()[0]
        return (
            f"noise: a fixed loop took {spread(self._samples, 'ms', 0)} in {len(self._samples)} tries; "
            f"{os.cpu_count()} cores, load {load:.1f}"
        )


def spread(values: Sequence[float], unit: str, digits: int = 2) -> str:
    """Median, least and most of several runs."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} {unit} ({low:.{digits}f} to {high:.{digits}f})"


def cpu_seconds(pid: int) -> float:
    """The processor time a process has used; 0 if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """What a process holds in memory for itself; pages of files that it only maps do not count."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:")) / 1024


def cpu_seconds_of(pids: Iterable[int]) -> float:
    """The same for several."""
    return sum(map(cpu_seconds, pids))
