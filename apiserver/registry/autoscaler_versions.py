"""Core: an autoscaler in version 1, which knows cpu alone, and back; the rest travels in annotations.

    v2 spec.metrics of cpu in percent       <-> v1 spec.targetCPUUtilizationPercentage
    v2 other metrics, behavior, conditions  <-> v1 annotations autoscaling.alpha.kubernetes.io/*

Whoever reads version 1 and writes it back loses nothing.

After: k8s pkg/apis/autoscaling/v1/conversion.go
"""

from __future__ import annotations

import json
from typing import Any

from kube.api.meta import Object, deep_copy

PREFIX = "autoscaling.alpha.kubernetes.io/"
# A metric in version 1: the words for its parts, by the type's field. Of version 2 they are paths.
PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "resource": {
        "name": ("name",),
        "targetAverageUtilization": ("target", "averageUtilization"),
        "targetAverageValue": ("target", "averageValue"),
    },
    "containerResource": {
        "name": ("name",),
        "container": ("container",),
        "targetAverageUtilization": ("target", "averageUtilization"),
        "targetAverageValue": ("target", "averageValue"),
    },
    "pods": {
        "metricName": ("metric", "name"),
        "selector": ("metric", "selector"),
        "targetAverageValue": ("target", "averageValue"),
    },
    "object": {
        "target": ("describedObject",),
        "metricName": ("metric", "name"),
        "selector": ("metric", "selector"),
        "targetValue": ("target", "value"),
        "averageValue": ("target", "averageValue"),
    },
    "external": {
        "metricName": ("metric", "name"),
        "metricSelector": ("metric", "selector"),
        "targetValue": ("target", "value"),
        "targetAverageValue": ("target", "averageValue"),
    },
}
# What a target is called by the part of it that is set.
TARGETS = (("averageUtilization", "Utilization"), ("averageValue", "AverageValue"), ("value", "Value"))


def to_v1(o: Object) -> Object:
    """The autoscaler as version 1 shows it."""
    new: Object = deep_copy(o)
    spec, status = new.get("spec") or {}, new.get("status") or {}
    metrics, current = spec.pop("metrics", None) or [], status.pop("currentMetrics", None) or []
    _drop_annotations(new)
    for metric in filter(_is_cpu_share, metrics):
        spec["targetCPUUtilizationPercentage"] = metric["resource"]["target"]["averageUtilization"]
    for metric in current:
        share = (metric.get("resource") or {}).get("current", {}).get("averageUtilization")
        if (metric.get("resource") or {}).get("name") == "cpu" and share is not None:
            status["currentCPUUtilizationPercentage"] = share
    others = [_metric_v1(each) for each in metrics if not _is_cpu_share(each)]
    kept = {
        "metrics": others,
        "current-metrics": [_metric_v1(each, "current") for each in current],
        "behavior": spec.pop("behavior", None),
        "conditions": status.pop("conditions", None),
    }
    texts = {PREFIX + key: json.dumps(value, separators=(",", ":")) for key, value in kept.items() if value}
    if texts:
        new["metadata"]["annotations"] = {**(new["metadata"].get("annotations") or {}), **texts}
    return new


def to_v2(o: Object) -> Object:
    """The autoscaler of version 1 as it is stored."""
    new: Object = deep_copy(o)
    spec, status = new.get("spec") or {}, new.get("status") or {}
    kept = {key: _read(new, key) for key in ("metrics", "current-metrics", "behavior", "conditions")}
    _drop_annotations(new)
    metrics: list[Any] = []
    if isinstance(kept["metrics"], list):
        metrics += [_metric_v2(each) for each in kept["metrics"] if isinstance(each, dict)]
    percentage = spec.pop("targetCPUUtilizationPercentage", None)
    if percentage is not None:  # Last, wherever it was; as in Kubernetes.
        target = {"type": "Utilization", "averageUtilization": percentage}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        spec["metrics"] = metrics
    current = status.pop("currentCPUUtilizationPercentage", None)
    if isinstance(kept["current-metrics"], list):
        readings = [each for each in kept["current-metrics"] if isinstance(each, dict)]
        status["currentMetrics"] = [_metric_v2(each, "current") for each in readings]
    elif current is not None:
        value = {"averageUtilization": current, "averageValue": "0"}
        status["currentMetrics"] = [{"type": "Resource", "resource": {"name": "cpu", "current": value}}]
    for holder, key, kind in ((spec, "behavior", dict), (status, "conditions", list)):
        if isinstance(kept[key], kind):
            holder[key] = kept[key]
    return new


def _is_cpu_share(metric: Any) -> bool:
    resource = metric.get("resource") or {}
    return resource.get("name") == "cpu" and "averageUtilization" in (resource.get("target") or {})


def _drop_annotations(o: Object) -> None:
    metadata = o.get("metadata") or {}
    kept = {key: value for key, value in (metadata.get("annotations") or {}).items() if not _is_ours(key)}
    if "annotations" in metadata:
        metadata["annotations"] = kept
        if not kept:
            del metadata["annotations"]


def _is_ours(key: str) -> bool:
    return key.startswith(PREFIX)


def _read(o: Object, key: str) -> Any:
    """What an annotation holds; an ill-formed one holds nothing."""
    text = ((o.get("metadata") or {}).get("annotations") or {}).get(PREFIX + key)
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _parts(field: str, what: str) -> dict[str, tuple[str, ...]]:
    """The words for the parts of a metric's `target`, or of its `current` value."""
    return {
        f"{what}{word[6:]}" if word.startswith("target") and path[0] == "target" else word: (
            (what, *path[1:]) if path[0] == "target" else path
        )
        for word, path in PARTS.get(field, {}).items()
    }


def _metric_v1(metric: Any, what: str = "target") -> Any:
    field = next((each for each in PARTS if each in metric), "")
    found = {word: _at(metric.get(field), path) for word, path in _parts(field, what).items()}
    source = {word: each for word, each in found.items() if each is not None}
    return {"type": metric.get("type"), field: source}


def _metric_v2(metric: Any, what: str = "target") -> Any:
    field = next((each for each in PARTS if each in metric), "")
    source: dict[str, Any] = {}
    for word, path in _parts(field, what).items():
        if (value := _at(metric, (field, word))) is not None:
            _put(source, path, value)
    if what == "target":
        target = source.setdefault("target", {})
        target["type"] = next((word for part, word in TARGETS if part in target), "")
    return {"type": metric.get("type"), field: source}


def _at(source: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        source = source.get(step) if isinstance(source, dict) else None
    return source


def _put(source: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for step in path[:-1]:
        source = source.setdefault(step, {})
    source[path[-1]] = value
