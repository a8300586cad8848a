"""Core: which history to let go of by itself: what is older than a time, or than so many revisions.

PERIODIC   every tenth of the retention (at most an hour's tenth) the revision of that moment is noted. Once
           the oldest note is a retention old it is compacted to, then again after each retention, or hour if
           that is shorter. So between one retention and two (or one and an hour) of history is kept.
REVISION   every five minutes: all but the newest so many revisions.

A member notes revisions always and compacts only while it leads.

After: etcd server/etcdserver/api/v3compactor.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

HOUR_SECONDS = 3600.0
NOTES = 10  # in a retention, or in an hour of it
REVISION_INTERVAL_SECONDS = 300.0


class Compactor(Protocol):
    """Asked every `interval_seconds`; told what came of it."""

    interval_seconds: float

    def due(self, now: float, revision: int, is_leader: bool) -> int | None:
        """The revision to compact to."""
        ...

    def done(self, now: float, revision: int) -> None:
        """It was compacted to that revision."""
        ...


class Periodic:
    """Keeps at least the history of a time."""

    def __init__(self, retention_seconds: float, now: float, revision: int) -> None:
        assert retention_seconds > 0, "0 means: no compactor"
        self.interval_seconds = min(retention_seconds, HOUR_SECONDS) / NOTES
        self._pause_seconds = retention_seconds  # until the first; then the shorter one
        self._later_pause_seconds = min(retention_seconds, HOUR_SECONDS)
        self._notes = deque([revision], maxlen=round(retention_seconds / self.interval_seconds) + 1)
        self._done_at = now
        self._done = 0

    def due(self, now: float, revision: int, is_leader: bool) -> int | None:
        oldest = self._notes[0]
        self._notes.append(revision)
        # clocks and divisions are not exact: half an interval early is in time
        is_time = now - self._done_at >= self._pause_seconds - self.interval_seconds / 2
        if not (is_leader and is_time) or oldest == self._done:
            return None
        self._pause_seconds = self._later_pause_seconds
        return oldest

    def done(self, now: float, revision: int) -> None:
        self._done_at, self._done = now, revision


class Revisions:
    """Keeps the newest so many revisions."""

    def __init__(self, retention: int) -> None:
        assert retention > 0, "0 means: no compactor"
        self.interval_seconds = REVISION_INTERVAL_SECONDS
        self._retention = retention
        self._done = 0

    def due(self, now: float, revision: int, is_leader: bool) -> int | None:
        wanted = revision - self._retention
        return wanted if is_leader and wanted > 0 and wanted != self._done else None

    def done(self, now: float, revision: int) -> None:
        self._done = revision
