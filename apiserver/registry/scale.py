"""Core: the Scale of an object: how many replicas it has and is to have, whatever its kind.

After: k8s pkg/registry/apps/deployment/storage/storage.go, scaleFromDeployment
"""

from __future__ import annotations

from kube.api import errors, meta
from kube.api.errors import FieldError
from kube.api.gvk import GroupVersionKind
from kube.api.labels import format_label_selector
from kube.api.meta import Object

SCALE = GroupVersionKind("autoscaling", "v1", "Scale")


def scale_of(o: Object) -> Object:
    """How many replicas an object has and is to have."""
    metadata = o["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = meta.get(o, "spec", "selector")
    if selector and "matchLabels" not in selector and "matchExpressions" not in selector:
        selector = {"matchLabels": selector}
    return {
        "kind": SCALE.kind,
        "apiVersion": SCALE.api_version,
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": meta.get(o, "spec", "replicas", default=0)},
        "status": {
            "replicas": meta.get(o, "status", "replicas", default=0),
            "selector": format_label_selector(selector),
        },
    }


def scaled(old: Object, scale: Object) -> Object:
    """The object with the replicas (and the precondition) of a Scale."""
    replicas = meta.get(scale, "spec", "replicas", default=0)
    if replicas < 0:
        found = FieldError.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise errors.invalid(SCALE, meta.name(old), [found])
    new: Object = meta.deep_copy(old)
    new.setdefault("spec", {})["replicas"] = replicas
    new["metadata"]["resourceVersion"] = meta.resource_version(scale)
    return new
