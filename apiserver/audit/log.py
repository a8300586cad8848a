"""Shell: the audit log: lines queue before a thread that writes all there are at once; the loop never waits.

    blocking          who writes waits until his line is there; default, as in Kubernetes
    blocking-strict   and is told whether it is
    batch             nobody waits; what is queued when the process is killed is lost

A disk that takes no more costs the lines, not the server: they are counted, and the log of the process says
so when it begins and when it is over. The same for lines that come while too many are queued.

Absent: fsync; lines that were written survive the process, not the machine. Kubernetes has none either.

After: k8s staging/src/k8s.io/apiserver/plugin/pkg/audit/log/backend.go, plugin/pkg/audit/buffered/buffered.go
"""

from __future__ import annotations

import asyncio
from enum import StrEnum

from prometheus_client import Counter

from apiserver.audit.rotation import Output
from kube.base.logs import logger

log = logger(__name__)

# As Kubernetes; and since events with bodies are large.
QUEUE_LINES_MAX = 10_000
QUEUE_BYTES_MAX = 64 << 20
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
        self._bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._is_closed = False
        self._lost, self._overflowing = 0, False

    async def write(self, line: bytes) -> bool:
        """Queue a line and wait for it as the mode says; False where it is lost and that is known."""
        if self._is_closed:
            count, error = self._output.append([line])
            self._output.close()
            return self._note(1, count, error) == 1
        if len(self._queue) >= QUEUE_LINES_MAX or self._bytes + len(line) > QUEUE_BYTES_MAX:
            self._overflow()
            return False
        loop = asyncio.get_running_loop()
        written = None if self.mode is Mode.BATCH else loop.create_future()
        self._queue.append((line, written))
        self._bytes += len(line)
        if self._writing is None:
            self._writing = loop.create_task(self._empty())
        return written is None or await written

    async def close(self) -> None:
        """Return when all that came is written. What still comes, of requests cut off, is written at once."""
        while self._writing is not None:
            await asyncio.wait({self._writing})
        self._is_closed = True
        self._output.close()

    async def _empty(self) -> None:
        try:
            while self._queue:
                await self._write_queued()
        finally:
            self._writing = None

    async def _write_queued(self) -> None:
        queued, self._queue, self._bytes, self._overflowing = self._queue, [], 0, False
        lines, count = [line for line, _ in queued], 0
        try:
            count = self._note(len(lines), *await asyncio.to_thread(self._output.append, lines))
        finally:
            for at, (_, written) in enumerate(queued):
                # Its request may have been cut off meanwhile.
                if written is not None and not written.done():
                    written.set_result(at < count)

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
