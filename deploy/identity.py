"""Shell: knows a process again by its pid and the moment it started, since pids are handed out anew.

Everything is read from /proc. A zombie counts as ended: nothing is left of it but its entry.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for ever: `started` is in clock ticks since boot, as /proc/<pid>/stat counts."""

    pid: int
    started: int

    def is_alive(self) -> bool:
        return _started(self.pid) == self.started

    def is_paused(self) -> bool:
        """Whether a SIGSTOP holds it."""
        return _stat(self.pid) == ("T", self.started)

    def send(self, number: signal.Signals) -> None:
        """Signal the process, if it is still this one."""
        if self.is_alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def identity_of(pid: int) -> Identity | None:
    """The identity of a living process."""
    started = _started(pid)
    return None if started is None else Identity(pid, started)


def memory_bytes(pid: int) -> int | None:
    """What a process has for itself plus its part of what it shares (PSS); None if not to be read."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), None)


def _started(pid: int) -> int | None:
    """When the process started; None when it has ended."""
    stat = _stat(pid)
    return None if stat is None or stat[0] in "ZX" else stat[1]


def _stat(pid: int) -> tuple[str, int] | None:
    """State letter and start time of a process, zombies included."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the name in parentheses, which may hold anything: count from its end.
    fields = stat[stat.rindex(")") + 2 :].split()
    return fields[0], int(fields[19])
