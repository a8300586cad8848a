"""Core: what is special about APIServices: those that are served here are available at once.

After: k8s staging/src/k8s.io/kube-aggregator/pkg/registry/apiservice/strategy.go
"""

from __future__ import annotations

from apiserver.registry import names
from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object


def prepare_create(o: Object) -> None:
    """What no Service stands for is served by whoever is asked."""
    if meta.get(o, "spec", "service", default=None):
        return
    available = {
        "type": "Available",
        "status": "True",
        "reason": "Local",
        "message": "Local APIServices are always available",
        "lastTransitionTime": o["metadata"]["creationTimestamp"],
    }
    o["status"] = {"conditions": [available]}


def validate(o: Object) -> Errors:
    """The name says what is served."""
    spec = o.get("spec") or {}
    wanted = f"{spec.get('version', '')}.{spec.get('group', '')}"
    if meta.name(o) == wanted:
        return []
    return [
        FieldError.invalid(
            "metadata.name", meta.name(o), f'must be `spec.version+"."+spec.group`: "{wanted}"'
        )
    ]


STRATEGY = Strategy(name_errors=names.path_segment, prepare_create=prepare_create, validate=validate)
