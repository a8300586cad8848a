"""Shell: reads the end of a log, where a process that cannot go on says why."""

from __future__ import annotations

from pathlib import Path


def last_line(log: Path) -> str:
    """The last line that says anything."""
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return "it left no log"
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")
