"""Core: usage as the API tells it: NodeMetrics and PodMetrics.

After: metrics-server pkg/api/{node,pod}.go; k8s staging/src/k8s.io/metrics/pkg/apis/metrics/v1beta1/types.go
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from math import floor
from typing import Any

from kube.api import meta
from kube.api.meta import Object
from kube.api.quantity import Quantity
from kube.api.resources import Resource
from metrics_server.kinds import NODE_METRICS, POD_METRICS
from metrics_server.usage import Usage

NANO = 1_000_000_000


def node_metrics(name: str, labels: Mapping[str, str], usage: Usage, now: datetime) -> Object:
    """A node's object."""
    return _object(NODE_METRICS, {"name": name}, labels, usage, now) | {"usage": _amounts(usage)}


def pod_metrics(
    namespace: str, name: str, labels: Mapping[str, str], containers: Mapping[str, Usage], now: datetime
) -> Object:
    """A pod's object; its window is the longest of its containers'."""
    first, *others = containers.values()
    usage = sum(others, first)
    shown = [{"name": each, "usage": _amounts(containers[each])} for each in containers]
    metadata = {"name": name, "namespace": namespace}
    return _object(POD_METRICS, metadata, labels, usage, now) | {"containers": shown}


def _object(
    kind: Resource, metadata: dict[str, Any], labels: Mapping[str, str], usage: Usage, now: datetime
) -> Object:
    metadata |= {"creationTimestamp": meta.format_time(now)} | ({"labels": {**labels}} if labels else {})
    return {
        "kind": kind.kind,
        "apiVersion": kind.api_version,
        "metadata": metadata,
        "timestamp": meta.format_time(usage.at),
        "window": duration(usage.window_seconds),
    }


def _amounts(usage: Usage) -> dict[str, str]:
    cores = Fraction(floor(usage.cores * NANO), NANO)
    memory = Quantity(Fraction(usage.memory_bytes), "binary")
    return {"cpu": _nano(cores), "memory": str(memory)}


def _nano(cores: Fraction) -> str:
    return str(Quantity(cores)) if cores else "0"


def duration(seconds: Fraction) -> str:
    """`15.012s`, `1m0.5s`: as Go writes a duration of a second and more, to the millisecond."""
    milliseconds = floor(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    whole, part = divmod(rest, 1000)
    shown = f"{whole}.{part:03}".rstrip("0").rstrip(".")
    return f"{minutes}m{shown}s" if minutes else f"{shown}s"
