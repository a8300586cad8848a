"""Shell: reads logs: the last line, where a process that cannot go on says why, and all of them as one.

Lines of several logs are put in order by the time at their beginning; one without (a traceback) belongs to
the line before it.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import LaunchError
from deploy.layout import Layout

# What each log line of a component begins with, in logfmt; its value sorts as text.
STAMP = "time="
# How often followed logs are looked at for new lines.
FOLLOW_SECONDS = 0.2


@dataclass(slots=True)
class Log:
    """A log and how far it has been read."""

    name: str
    path: Path
    position: int = 0
    stamp: str = ""

    def read(self, last: int | None = None) -> Iterator[tuple[str, str, str]]:
        """What is new (only the `last` lines of it) as (stamp, name, line); half a line waits for its end."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.position if self.position <= os.fstat(file.fileno()).st_size else 0)
                data = file.read()
                end = data.rfind(b"\n") + 1
                self.position = file.tell() - len(data) + end
        except OSError:
            return
        for line in deque(data[:end].decode(errors="replace").splitlines(), maxlen=last):
            if line.startswith(STAMP):
                self.stamp = line.split(" ", 1)[0]
            yield self.stamp, self.name, line


def last_line(log: Path) -> str:
    """The last line that says anything."""
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return "it left no log"
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")


def find(layout: Layout, names: Sequence[str]) -> list[Log]:
    """The logs with these names, or all there are."""
    there = sorted(path.stem for path in layout.log("*").parent.glob("*.log"))
    if unknown := [name for name in names if name not in there]:
        known = ", ".join(there) or "none"
        raise LaunchError(
            f"no log of {', '.join(unknown)} in {layout.log('*').parent}; there are those of: {known}"
        )
    return [Log(name, layout.log(name)) for name in names or there]


def merged(logs: Sequence[Log], last: int | None = None) -> Iterator[str]:
    """What is new in all logs, in the order of time, each line behind the name of its process."""
    width = max((len(log.name) for log in logs), default=0)
    # Sorted by stamp alone: lines of one log with the same stamp stay as they were.
    lines = sorted((line for log in logs for line in log.read(last)), key=lambda line: line[0])
    for _, name, line in lines:
        yield f"{name:<{width}}  {line}"


async def follow(logs: Sequence[Log], say: Callable[[str], None]) -> None:
    """Say what comes, until cancelled."""
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        for line in merged(logs):
            say(line)
