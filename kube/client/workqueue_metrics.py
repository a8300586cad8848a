"""Shell: what work queues count, under client-go's names, so that a dashboard for Kubernetes shows them.

Counters and durations are noted as they happen; how full a queue is and how long its workers have been busy
is asked when the metrics are read.

After: k8s staging/src/k8s.io/client-go/util/workqueue/metrics.go,
staging/src/k8s.io/component-base/metrics/prometheus/workqueue/metrics.go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sized

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = tuple(10.0**power for power in range(-6, 4))
NAME = ("name",)


class QueueMetrics:
    """Of all queues of a process, each by its name."""

    def __init__(self, registry: CollectorRegistry, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.depth = Gauge("workqueue_depth", "Keys that wait for a worker.", NAME, registry=registry)
        self.adds = Counter("workqueue_adds", "Keys added.", NAME, registry=registry)
        self.waited = Histogram(
            "workqueue_queue_duration_seconds",
            "How long a key waited for a worker.",
            NAME,
            buckets=BUCKETS,
            registry=registry,
        )
        self.worked = Histogram(
            "workqueue_work_duration_seconds",
            "How long a worker had a key.",
            NAME,
            buckets=BUCKETS,
            registry=registry,
        )
        self.unfinished = Gauge(
            "workqueue_unfinished_work_seconds",
            "How long workers have had the keys that they have now, all together: what grows has hung.",
            NAME,
            registry=registry,
        )
        self.longest = Gauge(
            "workqueue_longest_running_processor_seconds",
            "How long the slowest worker has had its key.",
            NAME,
            registry=registry,
        )
        self.retries = Counter("workqueue_retries", "Keys that came back.", NAME, registry=registry)

    def of(self, name: str, queue: Sized) -> OneQueue:
        """What one queue tells of itself."""
        return OneQueue(self, name, queue)


class OneQueue:
    """Hears from a queue when a key is added, taken and done."""

    def __init__(self, metrics: QueueMetrics, name: str, queue: Sized) -> None:
        self._now = metrics.now
        self._adds, self._retries = metrics.adds.labels(name), metrics.retries.labels(name)
        self._waited, self._worked = metrics.waited.labels(name), metrics.worked.labels(name)
        self._added_at: dict[str, float] = {}
        self._taken_at: dict[str, float] = {}
        metrics.depth.labels(name).set_function(lambda: len(queue))
        metrics.unfinished.labels(name).set_function(lambda: sum(self._busy()))
        metrics.longest.labels(name).set_function(lambda: max(self._busy(), default=0.0))

    def added(self, key: str) -> None:
        self._adds.inc()
        self._added_at.setdefault(key, self._now())

    def taken(self, key: str) -> None:
        now = self._now()
        self._waited.observe(now - self._added_at.pop(key, now))
        self._taken_at[key] = now

    def done(self, key: str) -> None:
        now = self._now()
        self._worked.observe(now - self._taken_at.pop(key, now))

    def retried(self) -> None:
        self._retries.inc()

    def _busy(self) -> list[float]:
        now = self._now()
        return [now - each for each in self._taken_at.values()]
