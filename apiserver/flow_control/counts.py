"""Shell: the figures of flow control under Kubernetes' names, most of them read off when somebody asks.

After: k8s staging/src/k8s.io/apiserver/pkg/util/flowcontrol/metrics/metrics.go
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apiserver.flow_control.dispatcher import Level
from apiserver.flow_control.priority_level import Limits

PREFIX = "apiserver_flowcontrol_"
WHERE = ("priority_level", "flow_schema")
WAIT_SECONDS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)


@dataclass(slots=True)
class Counts:
    """Of the requests of one schema at one level; `seats` are those that execute."""

    dispatched: int = 0
    waiting: int = 0
    executing: int = 0
    seats: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Figure:
    name: str
    help: str
    value: Callable[[Counts], int]


@dataclass(frozen=True, slots=True)
class _Bound:
    name: str
    help: str
    value: Callable[[Limits], int]


DISPATCHED = _Figure(
    "dispatched_requests",
    "Number of requests executed by API Priority and Fairness.",
    lambda counts: counts.dispatched,
)
GAUGES = (
    _Figure("current_inqueue_requests", "Requests that wait in queues now.", lambda counts: counts.waiting),
    _Figure("current_executing_requests", "Requests that have seats now.", lambda counts: counts.executing),
    _Figure("current_executing_seats", "Seats that are taken now.", lambda counts: counts.seats),
)
BOUNDS = (
    _Bound("nominal_limit_seats", "Seats of each level by its shares.", lambda limits: limits.nominal),
    _Bound("lower_limit_seats", "Seats that each level keeps.", lambda limits: limits.minimum),
    _Bound("upper_limit_seats", "Seats that each level may have at most.", lambda limits: limits.maximum),
)

ByFlow = Mapping[tuple[str, str], Counts]


def wait_histogram(registry: CollectorRegistry) -> Histogram:
    """How long requests waited; those that were refused have `execute` false."""
    return Histogram(
        f"{PREFIX}request_wait_duration_seconds",
        "Seconds that a request waited in its queue.",
        (*WHERE, "execute"),
        buckets=WAIT_SECONDS,
        registry=registry,
    )


class FlowCollector(Collector):
    """Reads the counts by level and schema, and the limits of levels."""

    def __init__(self, counts: ByFlow, levels: Callable[[], Iterable[Level]]) -> None:
        self._counts, self._levels = counts, levels

    def collect(self) -> Iterable[Metric]:
        dispatched = CounterMetricFamily(PREFIX + DISPATCHED.name, DISPATCHED.help, labels=WHERE)
        for where, counts in self._counts.items():
            dispatched.add_metric(where, counts.dispatched)
        yield dispatched
        yield self._rejected()
        for figure in GAUGES:
            gauge = GaugeMetricFamily(PREFIX + figure.name, figure.help, labels=WHERE)
            for where, counts in self._counts.items():
                gauge.add_metric(where, figure.value(counts))
            yield gauge
        for bound in BOUNDS:
            gauge = GaugeMetricFamily(PREFIX + bound.name, bound.help, labels=WHERE[:1])
            for level in self._levels():
                gauge.add_metric((level.spec.name,), bound.value(level.limits))
            yield gauge

    def _rejected(self) -> CounterMetricFamily:
        rejected = CounterMetricFamily(
            f"{PREFIX}rejected_requests",
            "Number of requests rejected by API Priority and Fairness.",
            labels=(*WHERE, "reason"),
        )
        for where, counts in self._counts.items():
            for reason, count in counts.rejected.items():
                rejected.add_metric((*where, reason), count)
        return rejected
