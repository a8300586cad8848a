"""Core: what is special about HorizontalPodAutoscalers: bounds in the right order, and a target.

After: k8s pkg/apis/autoscaling/validation/validation.go
"""

from __future__ import annotations

from apiserver.registry.strategy import Errors, Strategy, within
from kube.api.errors import FieldError
from kube.api.meta import Object


def validate(o: Object) -> Errors:
    """Bounds in the right order, and a target."""
    spec = o.get("spec") or {}
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    errors = within(low, "spec.minReplicas", 1)
    if high < 1:
        errors.append(FieldError.invalid("spec.maxReplicas", high, "must be greater than 0"))
    if isinstance(low, int) and high < low:
        text = "must be greater than or equal to `minReplicas`"
        errors.append(FieldError.invalid("spec.maxReplicas", high, text))
    return errors


STRATEGY = Strategy(validate=validate)
