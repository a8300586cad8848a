"""Core: /metrics/resource: the few numbers that metrics-server reads, as Prometheus' text.

After: k8s pkg/kubelet/metrics/collectors/resource_metrics.go
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from kubelet.stats.usage import Amounts, ContainerUsage, PodUsage, Snapshot

CPU = "cpu_usage_seconds_total"
MEMORY = "memory_working_set_bytes"
NANO = 1_000_000_000
# Name, type and meaning; in the order of names, as the kubelet writes them.
FAMILIES = (
    (f"container_{CPU}", "counter", "Cumulative cpu time consumed by the container in core-seconds"),
    (f"container_{MEMORY}", "gauge", "Current working set of the container in bytes"),
    ("container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds"),
    (f"node_{CPU}", "counter", "Cumulative cpu time consumed by the node in core-seconds"),
    (f"node_{MEMORY}", "gauge", "Current working set of the node in bytes"),
    (f"pod_{CPU}", "counter", "Cumulative cpu time consumed by the pod in core-seconds"),
    (f"pod_{MEMORY}", "gauge", "Current working set of the pod in bytes"),
    (
        "resource_scrape_error",
        "gauge",
        "1 if there was an error while getting container metrics, 0 otherwise",
    ),
)


def text(snapshot: Snapshot) -> str:
    """The whole document."""
    samples: dict[str, list[str]] = {name: [] for name, _, _ in FAMILIES}
    for name, line in _samples(snapshot):
        samples[name].append(f"{name}{line}\n")
    return "".join(_family(*family, samples[family[0]]) for family in FAMILIES)


def _family(name: str, kind: str, meaning: str, samples: Iterable[str]) -> str:
    lines = "".join(samples)
    return f"# HELP {name} [STABLE] {meaning}\n# TYPE {name} {kind}\n{lines}" if lines else ""


def _samples(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Each family's name, and what follows it in a line."""
    yield from _amounts("node", "", snapshot.node.amounts)
    for pod in snapshot.pods:
        for container in pod.containers:
            yield from _container(pod, container)
        yield from _amounts("pod", f'{{namespace="{pod.namespace}",pod="{pod.name}"}}', pod.amounts)
    yield "resource_scrape_error", f" {int(snapshot.has_errors)}"


def _container(pod: PodUsage, container: ContainerUsage) -> Iterator[tuple[str, str]]:
    labels = f'{{container="{container.name}",namespace="{pod.namespace}",pod="{pod.name}"}}'
    if container.started_at is not None:
        yield "container_start_time_seconds", f"{labels} {container.started_at.timestamp()!r}"
    yield from _amounts("container", labels, container.amounts)


def _amounts(of: str, labels: str, amounts: Amounts) -> Iterator[tuple[str, str]]:
    at = _milliseconds(amounts.at)
    yield f"{of}_{CPU}", f"{labels} {amounts.cpu_nanoseconds / NANO!r} {at}"
    yield f"{of}_{MEMORY}", f"{labels} {amounts.memory_bytes} {at}"


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
