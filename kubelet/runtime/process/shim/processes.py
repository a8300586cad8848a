"""Shell: the processes below one, from /proc: what they have used, and an end to them."""

from __future__ import annotations

import contextlib
import os
import signal

TICK_NANOSECONDS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def usage(first: int) -> tuple[int, int]:
    """Processor time in nanoseconds and bytes of memory, of a process and those below it."""
    stats = _stats()
    rows = [stats[pid] for pid in [first, *_below(first, stats)] if pid in stats]
    ticks = sum(int(row[11]) + int(row[12]) + int(row[13]) + int(row[14]) for row in rows)
    return ticks * TICK_NANOSECONDS, sum(int(row[21]) for row in rows) * PAGE_BYTES


def end_all_below() -> None:
    """Until this process has no children; orphans become ours while we do it."""
    while below := _below(os.getpid(), _stats()):
        for pid in below:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _below(first: int, stats: dict[int, list[str]]) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, row in stats.items():
        children.setdefault(int(row[1]), []).append(pid)
    found, waiting = [], [first]
    while waiting:
        more = children.get(waiting.pop(), [])
        found += more
        waiting += more
    return found


def _stats() -> dict[int, list[str]]:
    """Of each process, the fields of its `stat` after the name."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
                found[int(name)] = file.read().rpartition(") ")[2].split()
    return found
