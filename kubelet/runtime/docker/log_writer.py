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
    written; `written_bytes` grows until then.
    """

    def __init__(self, engine: Engine, container_id: str, path: Path, *, is_terminal: bool) -> None:
        self._engine, self._id = engine, container_id
        self._path, self._is_terminal = path, is_terminal
        path.parent.mkdir(parents=True, exist_ok=True)
        self._position = _cut_to_whole_lines(path)
        self._file: BinaryIO | None = path.open("ab", buffering=0)
        self.written_bytes = 0

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
        except OSError as error:
            log.warning("cannot write a log", path=self._path, error=error)
            self._position = _cut_to_whole_lines(self._path)
            return False
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
                    self.written_bytes += len(text)
                    has_written = True
        return has_written


def _cut_to_whole_lines(path: Path) -> Position:
    """Behind the last whole line, where it goes on: half of a line comes again as a whole. After the file was
    moved aside it goes on behind the newest one beside it.
    """
    if (lines := _tail(path)) and not lines[-1].endswith(b"\n"):
        os.truncate(path, path.stat().st_size - len(lines[-1]))
    beside = sorted(path.parent.glob(f"{path.name}.[0-9]*[0-9]"), reverse=True)
    positions = (position_of(_tail(each)) for each in (path, *beside[:1]))
    return next((each for each in positions if each.time), Position())


def _tail(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            start = max(file.seek(0, os.SEEK_END) - TAIL_BYTES, 0)
            file.seek(start)
            lines = list(io.BytesIO(file.read()))
    except FileNotFoundError:
        return []
    return lines[1:] if start else lines
