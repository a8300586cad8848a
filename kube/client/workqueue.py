"""Shell: keys waiting for a worker, with client-go's promises.

* Fair: keys are handed out in the order they were added.
* Stingy: a key added several times before a worker takes it is handed out once.
* One at a time: a key added while a worker has it waits until that worker is done with it.
* Shutdown: after `shut_down` what waits is still handed out, then `get` raises ShutDown.

Three sets make it so: `dirty` holds every key that needs work, `processing` those a worker has, and the queue
the order of those that are dirty and not being processed. Time is the event loop's.

After: k8s staging/src/k8s.io/client-go/util/workqueue/{queue,delaying_queue,rate_limiting_queue}.go.
"""

from __future__ import annotations

import asyncio
from collections import deque

from kube.client.workqueue_metrics import QueueMetrics

RETRY_SECONDS_MIN = 0.005
# client-go waits up to 1000 s; half a minute keeps a cluster lively after it lost its API server for long.
RETRY_SECONDS_MAX = 30.0


class ShutDown(Exception):
    """The queue is shut down and empty."""


class WorkQueue:
    """A queue of keys for any number of workers on one event loop."""

    def __init__(self, name: str = "", metrics: QueueMetrics | None = None) -> None:
        self.name = name
        self._metrics = metrics.of(name, self) if metrics is not None else None
        self._queue: deque[str] = deque()
        self._dirty: set[str] = set()
        self._processing: set[str] = set()
        self._delayed: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._shutting_down = False

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, key: str) -> None:
        """Mark a key as needing work."""
        if self._shutting_down or key in self._dirty:
            return
        self._dirty.add(key)
        if self._metrics is not None:
            self._metrics.added(key)
        if key not in self._processing:
            self._append(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Add a key later; of several such calls for a key the earliest counts."""
        if self._shutting_down:
            return
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        waiting = self._delayed.get(key)
        if waiting is not None:
            if waiting.when() <= at:
                return
            waiting.cancel()
        self._delayed[key] = loop.call_at(at, self._due, key)

    def add_rate_limited(self, key: str) -> None:
        """Add a key after a delay that doubles with each failure since `forget`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        if self._metrics is not None:
            self._metrics.retried()
        self.add_after(key, min(RETRY_SECONDS_MIN * 2 ** min(failures, 30), RETRY_SECONDS_MAX))

    def forget(self, key: str) -> None:
        """Let the next failure of a key wait the shortest delay again."""
        self._failures.pop(key, None)

    def failures(self, key: str) -> int:
        """How often a key was added rate limited since `forget`."""
        return self._failures.get(key, 0)

    async def get(self) -> str:
        """Take the key that waited longest; the taker must call `done` with it."""
        while not self._queue:
            if self._shutting_down:
                raise ShutDown(self.name)
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._pass_on(waiter)
                raise
        key = self._queue.popleft()
        self._processing.add(key)
        self._dirty.discard(key)
        if self._metrics is not None:
            self._metrics.taken(key)
        return key

    def done(self, key: str) -> None:
        """Say that the worker has finished; a key that was added meanwhile waits again."""
        assert key in self._processing, f"nobody took {key}"
        self._processing.discard(key)
        if self._metrics is not None:
            self._metrics.done(key)
        if key in self._dirty:
            self._append(key)

    def shut_down(self) -> None:
        """Take nothing more; workers end once they have taken what waits."""
        self._shutting_down = True
        for handle in self._delayed.values():
            handle.cancel()
        self._delayed.clear()
        while self._waiters:
            self._wake_one()

    def _due(self, key: str) -> None:
        del self._delayed[key]
        self.add(key)

    def _append(self, key: str) -> None:
        self._queue.append(key)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _pass_on(self, waiter: asyncio.Future[None]) -> None:
        """A waiting worker was cancelled: if it had just been woken, another must wake in its place."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif waiter.done() and not waiter.cancelled() and self._queue:
            self._wake_one()
