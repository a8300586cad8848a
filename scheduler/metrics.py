"""Shell: what the scheduler counts, under kube-scheduler's names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

QUEUES = ("active", "backoff", "unschedulable", "gated")


class Metrics:
    """Attempts by result, their duration, and the pods that wait."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "scheduler_schedule_attempts",
            "Number of attempts to schedule pods, by the result.",
            ["result"],
            registry=registry,
        )
        self.duration = Histogram(
            "scheduler_scheduling_attempt_duration_seconds",
            "How long one scheduling cycle takes, without the binding.",
            registry=registry,
        )
        self._pending = Gauge(
            "scheduler_pending_pods", "Number of pods that wait, by queue.", ["queue"], registry=registry
        )

    def watch_queue(self, counts: Callable[[], dict[str, int]]) -> None:
        """Ask `counts` whenever the metrics are read."""
        for queue in QUEUES:
            self._pending.labels(queue).set_function(partial(_count, counts, queue))


def _count(counts: Callable[[], dict[str, int]], queue: str) -> int:
    return counts()[queue]
