"""Core: how a running pod's cpu and memory may change: more or less, not to none, nor to another class.

Quality of service stays: BestEffort, Burstable or Guaranteed.

After: k8s pkg/apis/core/validation/validation.go, ValidatePodResize
"""

from __future__ import annotations

from typing import Any

from apiserver.registry.pods.pod_annotations import MIRROR
from apiserver.registry.strategy import Errors
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object
from kube.api.pod_defaults import qos_class

RESIZABLE = ("cpu", "memory")


def changes(new: Object, old: Object) -> Errors:
    """What may not change through /resize, where only containers' resources and resize policies differ."""
    before, after = old["spec"], new["spec"]
    if MIRROR in meta.annotations(old):
        return [FieldError.forbidden("", "static pods cannot be resized")]
    if meta.get(before, "os", "name") == "windows":
        return [FieldError.forbidden("", "windows pods cannot be resized")]
    errors: Errors = []
    if meta.get(old, "status", "qosClass", default=qos_class(before)) != qos_class(after):
        text = "Pod QOS Class may not change as a result of resizing"
        errors.append(FieldError.invalid("spec", meta.get(new, "status", "qosClass", default=""), text))
    for field in ("initContainers", "containers"):
        for index, (was, now) in enumerate(_pairs(before, after, field)):
            if field == "containers" or was.get("restartPolicy") == "Always":
                errors += _removed(was, now, f"spec.{field}[{index}].resources")
    for was, now in _pairs(before, after, "containers"):
        if _without_resizable(was) != _without_resizable(now):
            errors.append(FieldError.forbidden("spec", "only cpu and memory resources are mutable"))
    return errors + _init_containers(before, after)


def _pairs(before: Object, after: Object, field: str) -> list[tuple[Any, Any]]:
    return list(zip(before.get(field) or (), after.get(field) or (), strict=True))


def _removed(was: Any, now: Any, path: str) -> Errors:
    return [
        FieldError.forbidden(f"{path}.{part}", f"resource {part} cannot be removed")
        for part in ("requests", "limits")
        if {*meta.get(was, "resources", part, default={})} - {*meta.get(now, "resources", part, default={})}
    ]


def _without_resizable(container: Any) -> Any:
    """The container with the amounts left out that may change."""
    resources = container.get("resources") or {}
    parts = {
        part: {name: value for name, value in (resources.get(part) or {}).items() if name not in RESIZABLE}
        for part in ("requests", "limits")
    }
    return {**container, "resources": {**resources, **parts}}


def _init_containers(before: Object, after: Object) -> Errors:
    errors: Errors = []
    for was, now in _pairs(before, after, "initContainers"):
        if was.get("restartPolicy") == "Always":
            if _without_resizable(was) != _without_resizable(now):
                text = "only cpu and memory resources for sidecar containers are mutable"
                errors.append(FieldError.forbidden("spec", text))
        elif was != now:
            text = "resources for non-sidecar init containers are immutable"
            errors.append(FieldError.forbidden("spec", text))
    return errors
