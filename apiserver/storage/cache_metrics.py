"""Shell: the watch cache's figures, read off it when somebody asks: counting costs the watches nothing.

After: k8s staging/src/k8s.io/apiserver/pkg/storage/cacher/metrics/metrics.go; etcd3/metrics/metrics.go and
pkg/endpoints/metrics/metrics.go for the last two
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apiserver.storage.object_log import ObjectLog
from apiserver.storage.watch_cache import WatchCache

Value = Callable[[ObjectLog], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of every kind."""

    name: str
    help: str
    value: Value
    is_counter: bool = True
    has_version: bool = False


FIGURES = (
    Figure(
        "apiserver_watch_cache_events_received",
        "Counter of events received in watch cache broken by resource type.",
        lambda log: log.counts.received,
    ),
    Figure(
        "apiserver_watch_cache_events_dispatched",
        "Counter of events dispatched in watch cache broken by resource type.",
        lambda log: log.counts.received,
    ),
    Figure(
        "apiserver_watch_cache_initializations",
        "Counter of watch cache initializations broken by resource type.",
        lambda log: log.counts.filled,
    ),
    Figure(
        "apiserver_terminated_watchers",
        "Counter of watchers closed due to unresponsiveness broken by resource type.",
        lambda log: log.counts.overtaken,
    ),
    Figure(
        "apiserver_resource_objects",
        "Number of stored objects broken by resource type.",
        lambda log: len(log.objects),
        is_counter=False,
    ),
    Figure(
        "apiserver_watch_events",
        "Number of events sent in watch clients.",
        lambda log: log.counts.sent,
        has_version=True,
    ),
)


class CacheCollector(Collector):
    """Reads the figures of all kinds."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    def collect(self) -> Iterable[Metric]:
        logs = list(self._cache.logs())
        for figure in FIGURES:
            labels = ("group", "version", "resource") if figure.has_version else ("group", "resource")
            family = (CounterMetricFamily if figure.is_counter else GaugeMetricFamily)(
                figure.name, figure.help, labels=labels
            )
            for log in logs:
                found = {
                    "group": log.resource.group,
                    "version": log.resource.version,
                    "resource": log.resource.plural,
                }
                family.add_metric([found[label] for label in labels], figure.value(log))
            yield family
        revision = GaugeMetricFamily(
            "apiserver_watch_cache_resource_version",
            "Current resource version of watch cache broken by resource type.",
            labels=("group", "resource"),
        )
        for log in logs:
            revision.add_metric([log.resource.group, log.resource.plural], self._cache.revision)
        yield revision
        # The name that the figure of objects had before it had groups.
        objects = GaugeMetricFamily(
            "apiserver_storage_objects",
            "Number of stored objects at the time of last check split by kind.",
            labels=("resource",),
        )
        for log in logs:
            objects.add_metric([log.resource.qualified], len(log.objects))
        yield objects
