"""Shell: which APIServices cannot be asked, read off them when somebody wants to know.

After: k8s staging/src/k8s.io/kube-aggregator/pkg/controllers/status/metrics/metrics.go
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apiserver.aggregation.aggregation import Aggregation


class AggregationCollector(Collector):
    """One series an APIService, local ones too."""

    def __init__(self, aggregation: Aggregation) -> None:
        self._aggregation = aggregation

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is, is known when it is read."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The figures now."""
        family = GaugeMetricFamily(
            "aggregator_unavailable_apiservice",
            "Gauge of APIServices which are marked as unavailable broken down by APIService name.",
            labels=["name"],
        )
        for name, each in self._aggregation.services().items():
            family.add_metric([name], float(not each.is_available))
        yield family
