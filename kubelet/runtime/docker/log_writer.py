"""Shell: writes one container's output to its log file while it runs, and what came while nobody did.

    engine's log stream -> log_lines.py (core) -> the file at log_path

A kubelet that comes back goes on behind the last line of the file. An engine that goes away is asked again
when it is back.
"""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path
from typing import BinaryIO

from kube.base.logs import logger
from kubelet.runtime.docker.engine import NOT_FOUND, Engine, EngineFailure
from kubelet.runtime.docker.log_lines import LogLines, Position, position_of

log = logger(__name__)

READ_BYTES = 1 << 16
# So much of a file's end is looked at for its last lines.
TAIL_BYTES = 1 << 18
RETRY_SECONDS = 0.5


class LogWriter:
    """One container's log, which is there at once. `run` ends when the container has ended and all is
    written.
    """

    def __init__(self, engine: Engine, container_id: str, path: Path, *, is_terminal: bool) -> None:
        self._engine, self._id = engine, container_id
        self._path, self._is_terminal = path, is_terminal
        path.parent.mkdir(parents=True, exist_ok=True)
        self._position = _position(path)
        _cut_torn_line(path)
        self._file: BinaryIO | None = path.open("ab", buffering=0)

    async def run(self) -> None:
        assert self._file is not None, "a writer runs once"
        try:
            while not await self._follow():  # noqa: ASYNC110 -- the engine is asked anew each time
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._file.close()
            self._file = None

    def reopen(self) -> None:
        """Write on in a new file."""
        if self._file is not None:
            self._file.close()
            self._file = self._path.open("ab", buffering=0)

    async def _follow(self) -> bool:
        """Write what there is and comes; True when nothing more will."""
        try:
            await self._read(follow=True)
            inspected = await self._engine.inspect(self._id)
            if inspected is None or inspected["State"]["Running"]:
                return inspected is None
            # A follower that lagged behind is let go when the container ends.
            while await self._read(follow=False):
                pass
        except EngineFailure as failure:
            return failure.code == NOT_FOUND
        return True

    async def _read(self, *, follow: bool) -> bool:
        """Write on behind the position; True if there was anything."""
        lines, has_written = LogLines(self._position, is_terminal=self._is_terminal), False
        query = {"stdout": "1", "stderr": "1", "timestamps": "1", "since": self._position.since}
        query["follow"] = "1" if follow else "0"
        async with self._engine.request("GET", f"containers/{self._id}/logs", query) as response:
            async for piece in response.content.iter_any():
                if (text := lines.feed(piece)) and self._file is not None:
                    self._file.write(text)
                    has_written = True
        return has_written


def _position(path: Path) -> Position:
    """Behind the last line; after the file was moved aside, behind that of the newest one beside it."""
    beside = sorted(path.parent.glob(f"{path.name}.[0-9]*[0-9]"), reverse=True)
    for each in (path, *beside[:1]):
        position = position_of(_tail(each))
        if position.time:
            return position
    return Position()


def _tail(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            start = max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0)
            file.seek(start)
            lines = list(io.BytesIO(file.read()))
    except FileNotFoundError:
        return []
    return lines[1:] if start else lines


def _cut_torn_line(path: Path) -> None:
    """What a killed kubelet wrote half of comes again as a whole."""
    if path.exists():
        content = _tail(path)
        if content and not content[-1].endswith(b"\n"):
            os.truncate(path, path.stat().st_size - len(content[-1]))
