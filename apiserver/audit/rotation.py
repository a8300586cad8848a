"""Shell: what lines are appended to: a file that is put aside when it is full, or standard output.

    audit.log   audit-2026-11-26T19-38-27.123.log   audit-2026-11-25T07-00-01.001.log   ..

A file is one process's alone, by a lock, since two would put it aside under one another's hands. Where the
disk takes only a part of what is written, the file is cut back to whole lines.

After: gopkg.in/natefinch/lumberjack.v2, lumberjack.go
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from kube.base.clock import Clock
from kube.base.logs import logger
from kube.base.startup import StartupError

log = logger(__name__)

TIME = "%Y-%m-%dT%H-%M-%S.%f"
# Milliseconds, as far as names have them.
TIME_CHARS = len("2026-11-26T19-38-27.123")
MODE = 0o600
STANDARD_OUTPUT = 1
CLOSED = -1


class Output(Protocol):
    """Where lines go."""

    def append(self, lines: Sequence[bytes]) -> tuple[int, OSError | None]:
        """Append them in order: how many of them are there whole, and what kept the others from it."""

    def close(self) -> None:
        """Leave it to others; what is appended afterwards goes there all the same."""


class StandardOutput:
    """The process's standard output."""

    def append(self, lines: Sequence[bytes]) -> tuple[int, OSError | None]:
        return _write(STANDARD_OUTPUT, lines)[1:]

    def close(self) -> None:
        """It is the process's."""


@dataclass(slots=True)
class RotatingFile:
    """A file of at most `bytes_max`, unless a single line is larger.

    backups_max, days_max: how many of those put aside are kept, and how long; 0: all, for ever.
    """

    path: Path
    clock: Clock
    bytes_max: int
    backups_max: int = 0
    days_max: int = 0
    _descriptor: int = CLOSED
    _size: int = 0
    _is_stuck: bool = False

    def __post_init__(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
            self._prune()
        except BlockingIOError as error:
            raise StartupError(
                f"--audit-log-path {self.path}: another process writes to it: each needs a file of its own"
            ) from error
        except OSError as error:
            raise StartupError(f"--audit-log-path {self.path}: {error.strerror}") from error

    def append(self, lines: Sequence[bytes]) -> tuple[int, OSError | None]:
        if self._descriptor == CLOSED:
            try:
                self._open()
            except OSError as error:
                return 0, error
        written = 0
        while written < len(lines):
            count = self._fitting(lines, written)
            if count == 0:
                count = max(self._fitting(lines, written), 1) if self._rotate() else len(lines)
            size, whole, failure = _write(self._descriptor, lines[written : written + count])
            written, self._size = written + whole, self._size + size
            if failure is not None:
                self._cut(sum(map(len, lines[written - whole : written])), size)
                return written, failure
        return written, None

    def close(self) -> None:
        if self._descriptor != CLOSED:
            os.close(self._descriptor)
            self._descriptor = CLOSED

    def _fitting(self, lines: Sequence[bytes], first: int) -> int:
        """How many lines, from the first on, there is room for."""
        size, count = self._size, 0
        while first + count < len(lines) and size + len(lines[first + count]) <= self.bytes_max:
            size, count = size + len(lines[first + count]), count + 1
        return count

    def _cut(self, whole_bytes: int, written_bytes: int) -> None:
        """Take away what was written of a line that is not whole."""
        if written_bytes > whole_bytes:
            self._size -= written_bytes - whole_bytes
            os.ftruncate(self._descriptor, self._size)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(self.path, flags, MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor, self._size = descriptor, os.fstat(descriptor).st_size

    def _rotate(self) -> bool:
        """Put the file aside; False where that fails: then it just grows on."""
        if not self._size:
            return True
        before, backup = self._descriptor, self._free_name()
        try:
            self.path.rename(backup)
            try:
                self._open()
            except OSError:
                backup.rename(self.path)
                raise
            self._prune()
        except OSError as error:
            if not self._is_stuck:
                log.error("the audit log cannot be rotated", path=self.path, error=error)
            self._is_stuck = True
        else:
            self._is_stuck = False
        if self._descriptor != before:
            os.close(before)
        return self._descriptor != before

    def _free_name(self) -> Path:
        at = self.clock.now().astimezone(UTC)
        while (backup := self._backup(at)).exists():
            at += timedelta(milliseconds=1)
        return backup

    def _backup(self, at: datetime) -> Path:
        return self.path.with_stem(f"{self.path.stem}-{at.strftime(TIME)[:TIME_CHARS]}")

    def backups(self) -> list[tuple[datetime, Path]]:
        """The files put aside, the newest first."""
        found = []
        for path in self.path.parent.iterdir():
            at = _time_in(path.name, f"{self.path.stem}-", self.path.suffix)
            if at is not None:
                found.append((at, path))
        return sorted(found, reverse=True)

    def _prune(self) -> None:
        """Remove those that are too many or too old."""
        backups = self.backups()
        kept = backups[: self.backups_max] if self.backups_max else backups
        if self.days_max:
            oldest = self.clock.now() - timedelta(days=self.days_max)
            kept = [backup for backup in kept if backup[0] >= oldest]
        for backup in backups:
            if backup not in kept:
                backup[1].unlink(missing_ok=True)


def _time_in(name: str, begin: str, end: str) -> datetime | None:
    """The time in the name of a file put aside; None for any other file."""
    if not (name.startswith(begin) and name.endswith(end)):
        return None
    text = name[len(begin) : len(name) - len(end)]
    if len(text) != TIME_CHARS:
        return None
    try:
        return datetime.strptime(text, TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def _write(descriptor: int, lines: Sequence[bytes]) -> tuple[int, int, OSError | None]:
    """Write lines: how many bytes, how many of the lines whole, and what kept the others from it."""
    rest, size = memoryview(b"".join(lines)), 0
    try:
        while rest:
            count = os.write(descriptor, rest)
            rest, size = rest[count:], size + count
    except OSError as error:
        whole, end = 0, 0
        while whole < len(lines) and end + len(lines[whole]) <= size:
            end, whole = end + len(lines[whole]), whole + 1
        return size, whole, error
    return size, len(lines), None
