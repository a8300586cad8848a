"""Core: lines of a log that is none of a container's, as CRI writes them: with the time that stands in them.

A line without a time, such as one of a traceback, has that of the line before it.
"""

from __future__ import annotations

import re

TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
# Within so many bytes a line that has a time has it.
TIME_WITHIN = 100
BEFORE_ALL = b"1970-01-01T00:00:00Z"


class PlainLines:
    """Remembers the time of the last line that had one."""

    def __init__(self) -> None:
        self._time = BEFORE_ALL

    def as_cri(self, lines: bytes) -> bytes:
        """Whole lines, each as CRI has it."""
        return b"".join(self._line(line) for line in lines.splitlines(keepends=True))

    def _line(self, line: bytes) -> bytes:
        if (found := TIME.search(line, 0, TIME_WITHIN)) is not None:
            self._time = found[0]
        return b"%b stdout F %b" % (self._time, line)
