"""Shell: the audit log: when its lines are written, who waits for that, and what becomes of the lost.

    blocking          a request goes on when its line is written; default, as in Kubernetes
    blocking-strict   and fails where its first one is not
    batch             nobody waits: a thread writes ten times a second; a killed process loses some

Who waits writes at once, without a thread: the kernel takes a line in 2 us, while to a thread and back it is
90 us, and 5 ms when the loop is busy. But once a write has been slow, a thread writes for a while, behind a
queue, so that a disk which stalls holds up those who must wait for it, and nobody else twice.

A disk that takes no more costs the lines, not the server: they are counted, and the log of the process says
so when it begins and when it is over. The same for lines that come while too many are queued.

Absent: fsync; lines that were written survive the process, not the machine. Kubernetes has none either.

After: k8s staging/src/k8s.io/apiserver/plugin/pkg/audit/log/backend.go, plugin/pkg/audit/buffered/buffered.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum

from prometheus_client import Counter

from apiserver.audit.rotation import Output
from kube.base.logs import logger

log = logger(__name__)

# As Kubernetes; and since events with bodies are large.
QUEUE_LINES_MAX = 10_000
QUEUE_BYTES_MAX = 64 << 20
BATCH_SECONDS = 0.1
# A write that takes longer is slow, and a thread does the next ones.
SLOW_SECONDS = 0.1
WARY_SECONDS = 10.0
WRITING, QUEUEING = "log", "buffered"


class Mode(StrEnum):
    """Whether requests wait for their lines."""

    BLOCKING = "blocking"
    STRICT = "blocking-strict"
    BATCH = "batch"


class AuditLog:
    """A queue, and the one task that empties it while there is something in it.

    errors: counts what is lost, by where: queueing or writing.
    """

    def __init__(self, output: Output, mode: Mode, errors: Counter) -> None:
        self.mode = mode
        self._output, self._errors = output, errors
        self._queue: list[tuple[bytes, asyncio.Future[bool] | None]] = []
        self._queue_bytes = 0
        self._emptying: asyncio.Task[None] | None = None
        self._closing, self._is_closed = asyncio.Event(), False
        self._wary_until = 0.0
        self._lost, self._overflowing = 0, False

    async def write(self, line: bytes) -> bool:
        """Write a line, or queue it and wait as the mode says; False where it is lost and that is known."""
        loop = asyncio.get_running_loop()
        if self._is_closed:
            return self._append_late(line)
        if self.mode is not Mode.BATCH and self._emptying is None and loop.time() >= self._wary_until:
            began = loop.time()
            count = self._note(1, *self._output.append([line]))
            self._took(loop.time() - began)
            return count == 1
        if len(self._queue) >= QUEUE_LINES_MAX or self._queue_bytes + len(line) > QUEUE_BYTES_MAX:
            self._overflow()
            return False
        written = None if self.mode is Mode.BATCH else loop.create_future()
        self._queue.append((line, written))
        self._queue_bytes += len(line)
        if self._emptying is None:
            self._emptying = loop.create_task(self._empty())
        return written is None or await written

    async def close(self) -> None:
        """Return when all that came is written. What still comes, of requests cut off, is written at once."""
        self._closing.set()
        while self._emptying is not None:
            await asyncio.wait({self._emptying})
        self._is_closed = True
        self._output.close()

    def _append_late(self, line: bytes) -> bool:
        count, error = self._output.append([line])
        self._output.close()
        return self._note(1, count, error) == 1

    async def _empty(self) -> None:
        try:
            while self._queue:
                if self.mode is Mode.BATCH:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._closing.wait(), BATCH_SECONDS)
                await self._write_queued()
        finally:
            self._emptying = None

    async def _write_queued(self) -> None:
        queued, self._queue, self._queue_bytes, self._overflowing = self._queue, [], 0, False
        loop, count = asyncio.get_running_loop(), 0
        began = loop.time()
        try:
            count = await self._append([line for line, _ in queued])
        finally:
            self._took(loop.time() - began)
            for at, (_, written) in enumerate(queued):
                # Its request may have been cut off meanwhile.
                if written is not None and not written.done():
                    written.set_result(at < count)

    async def _append(self, lines: Sequence[bytes]) -> int:
        return self._note(len(lines), *await asyncio.to_thread(self._output.append, lines))

    def _took(self, seconds: float) -> None:
        if seconds > SLOW_SECONDS:
            self._wary_until = asyncio.get_running_loop().time() + WARY_SECONDS

    def _note(self, wanted: int, count: int, error: OSError | None) -> int:
        """Count and tell what is lost; how many lines are not."""
        if error is not None:
            self._errors.labels(WRITING).inc(wanted - count)
            if not self._lost:
                log.error("the audit log cannot be written: events are lost", error=error)
            self._lost += wanted - count
        elif self._lost:
            log.warning("the audit log is written again", lost=self._lost)
            self._lost = 0
        return count

    def _overflow(self) -> None:
        self._errors.labels(QUEUEING).inc()
        if not self._overflowing:
            log.error("the audit log is written too slowly: events are lost", queued=len(self._queue))
            self._overflowing = True
