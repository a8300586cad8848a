"""Core: what an autoscaler's size follows: resources of pods, of one container, or numbers from elsewhere.

After: k8s pkg/apis/autoscaling/validation/validation.go, validateMetrics
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, names, resource_amounts
from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError

# The field of each type, in the order in which Kubernetes looks at them.
FIELDS = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
TYPES = sorted(FIELDS)
TARGETS = ("Utilization", "Value", "AverageValue")


def check(metrics: list[Any], path: str, low: int | None) -> Errors:
    """What is wrong with `metrics`."""
    errors: Errors = []
    for index, metric in enumerate(metrics):
        errors += _metric(metric, f"{path}[{index}]")
    if low == 0 and not any(each.get("type") in ("Object", "External") for each in metrics):
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        errors.append(FieldError.forbidden(path, text))
    return errors


def reference(target: Any, path: str) -> Errors:
    """What is wrong with a reference to an object of any kind."""
    errors: Errors = []
    for field in ("kind", "name"):
        value, at = target.get(field) or "", f"{path}.{field}"
        errors += formats.named(names.path_segment, value, at) if value else [FieldError.required(at)]
    return errors


def _metric(metric: Any, path: str) -> Errors:
    kind = metric.get("type") or ""
    errors: Errors = []
    if not kind:
        errors.append(FieldError.required(f"{path}.type", "must specify a metric source type"))
    if kind not in FIELDS:
        errors.append(FieldError.not_supported(f"{path}.type", kind, TYPES))
    present = [field for field in FIELDS.values() if field in metric]
    if present:
        errors += _source(present[0], metric[present[0]], f"{path}.{present[0]}")
    expected = FIELDS.get(kind)
    if expected and expected not in present:
        text = "must populate information for the given metric source"
        errors.append(FieldError.required(f"{path}.{expected}", text))
    if len(present) != 1:
        text = "must populate the given metric source only"
        others = [field for field in present if field != expected]
        errors += [FieldError.forbidden(f"{path}.{field}", text) for field in others]
    return errors


def _source(field: str, source: Any, path: str) -> Errors:
    target, at = source.get("target") or {}, f"{path}.target"
    errors: Errors = []
    if field == "object":
        errors += reference(source.get("describedObject") or {}, f"{path}.describedObject")
    if field in ("resource", "containerResource"):
        return errors + _resource(field, source, path) + _target(target, at) + _utilization(target, at)
    errors += _metric_name((source.get("metric") or {}).get("name") or "", f"{path}.metric.name")
    errors += _target(target, at)
    has_value, has_average = "value" in target, "averageValue" in target
    if field == "pods":
        text = "must specify a positive target averageValue"
        return errors + ([] if has_average else [FieldError.required(f"{at}.averageValue", text)])
    if not has_value and not has_average:
        text = "must set either a target value or averageValue"
        if field == "external":
            text = "must set either a target value for metric or a per-pod target"
        errors.append(FieldError.required(f"{at}.averageValue", text))
    if field == "external" and has_value and has_average:
        text = "may not set both a target value for metric and a per-pod target"
        errors.append(FieldError.forbidden(f"{at}.value", text))
    return errors


def _metric_name(name: str, path: str) -> Errors:
    if not name:
        return [FieldError.required(path, "must specify a metric name")]
    return formats.named(names.path_segment, name, path)


def _resource(field: str, source: Any, path: str) -> Errors:
    name, container = source.get("name") or "", source.get("container") or ""
    errors = [] if name else [FieldError.required(f"{path}.name", "must specify a resource name")]
    if field == "resource":
        return errors
    if name:
        errors += resource_amounts.container_resource(name, f"{path}.name")
    if not container:
        return [*errors, FieldError.required(f"{path}.container", "must specify a container")]
    return errors + formats.dns_label(container, f"{path}.container")


def _utilization(target: Any, path: str) -> Errors:
    """One of a share and an amount."""
    share, amount = "averageUtilization" in target, "averageValue" in target
    if share and amount:
        text = "may not set both a target raw value and a target utilization"
        return [FieldError.forbidden(f"{path}.averageValue", text)]
    text = "must set either a target raw value or a target utilization"
    return [] if share or amount else [FieldError.required(f"{path}.averageUtilization", text)]


def _target(target: Any, path: str) -> Errors:
    kind, share = target.get("type") or "", target.get("averageUtilization")
    errors: Errors = []
    if not kind:
        errors.append(FieldError.required(f"{path}.type", "must specify a metric target type"))
    if kind not in TARGETS:
        text = "must be either Utilization, Value, or AverageValue"
        errors.append(FieldError.invalid(f"{path}.type", kind, text))
    for field in ("value", "averageValue"):
        errors += formats.positive_quantity(target.get(field), f"{path}.{field}")
    if share is not None and share < 1:
        errors.append(FieldError.invalid(f"{path}.averageUtilization", share, "must be greater than 0"))
    return errors
