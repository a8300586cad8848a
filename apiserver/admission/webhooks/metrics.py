"""Shell: counts and times the calls of webhooks, under Kubernetes' names.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/metrics/metrics.go
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as Total
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

SECONDS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0)
CODE_MAX = 600
ADMIT, VALIDATING = "admit", "validating"
# Why a request was refused: nobody answered, we could not go on with the answer, or that was the answer.
CALLING, OURS, NO_ERROR = "calling_webhook_error", "apiserver_internal_error", "no_error"


class WebhookMetrics:
    """The figures of all webhooks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "apiserver_admission_webhook_admission_duration_seconds",
            "Seconds until a webhook has answered.",
            ("name", "type", "operation", "rejected"),
            buckets=SECONDS,
            registry=registry,
        )
        self._requests = Total(
            "apiserver_admission_webhook_request",
            "Calls of webhooks by the code of the answer.",
            ("name", "type", "operation", "code", "rejected"),
            registry=registry,
        )
        self._rejections = Counts(
            "apiserver_admission_webhook_rejection_count",
            "Requests refused on account of webhooks.",
            ("name", "type", "operation", "error_type", "rejection_code"),
        )
        self._opened = Counts(
            "apiserver_admission_webhook_fail_open_count",
            "Calls that failed and were gone on without.",
            ("name", "type"),
        )
        registry.register(self._rejections)
        registry.register(self._opened)

    def called(
        self, name: str, kind: str, operation: str, seconds: float, code: int, rejected: str = ""
    ) -> None:
        """Count a call; rejected: why the request was refused, if it was."""
        code, told = min(code, CODE_MAX), "true" if rejected else "false"
        self._seconds.labels(name, kind, operation, told).observe(seconds)
        self._requests.labels(name, kind, operation, str(code), told).inc()
        if rejected:
            self._rejections.add(name, kind, operation, rejected, str(code))

    def failed_open(self, name: str, kind: str) -> None:
        """Count a call that failed and was gone on without."""
        self._opened.add(name, kind)


class Counts(Collector):
    """A counter whose name ends as Kubernetes has it: the client library would add `_total`."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._counts: Counter[tuple[str, ...]] = Counter()

    def add(self, *values: str) -> None:
        """Count one more."""
        self._counts[values] += 1

    def collect(self) -> Iterable[Metric]:
        metric = Metric(self._name, self._text, "unknown")
        metric.samples = [
            Sample(self._name, dict(zip(self._labels, values)), float(count))
            for values, count in sorted(self._counts.items())
        ]
        yield metric
