"""Shell: reads a container's log piece by piece, from its last lines on if these are wanted; follows it.

    at the end of the file -> another file in its place? go on with that -> container ended? done -> wait

A log is turned over by moving its file aside (rotation.py): who follows reads the moved one to its end
first. Only the newest file of a log is read from the beginning.

After: k8s pkg/kubelet/kuberuntime/logs/logs.go, ReadLogs; pkg/util/tail/tail.go
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from io import FileIO
from pathlib import Path

from kubelet.container_logs import LogOptions, Selection
from kubelet.logs import changes
from kubelet.logs.changes import Changes

CHUNK_BYTES = 64 * 1024
# A longer line is cut into several.
LINE_BYTES_MAX = 1 << 20


async def read(
    path: Path,
    options: LogOptions,
    watched: Changes,
    is_running: Callable[[], bool],
    as_cri: Callable[[bytes], bytes] = lambda lines: lines,
) -> AsyncGenerator[bytes]:
    """What the client wants of the log; with `follow` until the container ends. as_cri: for lines that are
    not as CRI writes them.
    """
    selection = Selection(options)
    with watched.of(path) as event:
        async with aclosing(_lines(path, options, event, is_running)) as pieces:
            async for lines in pieces:
                if shown := selection.take(as_cri(lines)):
                    yield shown
                if selection.is_full:
                    return


async def _lines(
    path: Path, options: LogOptions, event: asyncio.Event, is_running: Callable[[], bool]
) -> AsyncGenerator[bytes]:
    """Whole lines, as many at a time as one piece of the file has."""
    file = LogFile(path)
    try:
        if options.tail_lines is not None:
            file.seek_last_lines(options.tail_lines)
        while True:
            # Asked before the end is seen: what came between would be lost.
            goes_on = options.follow and is_running()
            if lines := file.read():
                yield lines
                # Others get their turn between the pieces of a long log.
                await asyncio.sleep(0)
            elif file.is_replaced():
                if lines := file.read():
                    yield lines
                    continue
                file.close()
                file = LogFile(path)
            elif not goes_on:
                return
            else:
                await changes.wait(event)
    finally:
        file.close()


class LogFile:
    """One file of a log; it may be there only later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._rest = b""
        self._open()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def read(self) -> bytes:
        """The next whole lines; nothing at the end of what there is."""
        if self._file is None and not self._open():
            return b""
        assert self._file is not None, "an open log has a file"
        while data := self._file.read(CHUNK_BYTES):
            data = self._rest + data
            end = data.rfind(b"\n") + 1 or (len(data) if len(data) > LINE_BYTES_MAX else 0)
            self._rest = data[end:]
            if end:
                return data[:end]
        return b""

    def is_replaced(self) -> bool:
        """Whether there is another file in its place, or it begins anew."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            return True
        mine = os.fstat(self._file.fileno())
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino) or now.st_size < self._file.tell()

    def seek_last_lines(self, count: int) -> None:
        """Go to the beginning of the last so many lines, reading backwards."""
        if self._file is None:
            return
        position = end = _last_line_end(self._file)
        wanted = count + 1 if end else 0
        while position > 0 and wanted > 0:
            start = max(position - CHUNK_BYTES, 0)
            self._file.seek(start)
            data = self._file.read(position - start)
            found = data.count(b"\n")
            if found >= wanted:
                at = len(data)
                for _ in range(wanted):
                    at = data.rfind(b"\n", 0, at)
                self._file.seek(start + at + 1)
                return
            wanted -= found
            position = start
        self._file.seek(0)

    def _open(self) -> bool:
        try:
            self._file = FileIO(self._path)
        except FileNotFoundError:
            return False
        return True


def _last_line_end(file: FileIO) -> int:
    """Where the last whole line ends."""
    position = file.seek(0, os.SEEK_END)
    while position > 0:
        start = max(position - CHUNK_BYTES, 0)
        file.seek(start)
        at = file.read(position - start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        position = start
    return 0
