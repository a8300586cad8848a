"""Core: what is special about PodDisruptionBudgets: one of two bounds, and a selector.

After: k8s pkg/apis/policy/validation/validation.go; pkg/registry/policy/poddisruptionbudget/strategy.go
"""

from __future__ import annotations

from apiserver.registry.selectors import label_selector
from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object


def validate(o: Object) -> Errors:
    """One of the two bounds."""
    spec = o.get("spec") or {}
    errors = label_selector(spec.get("selector") or {}, "spec.selector")
    if "minAvailable" in spec and "maxUnavailable" in spec:
        text = "minAvailable and maxUnavailable cannot be both set"
        errors.append(FieldError.invalid("spec", meta.deep_copy(spec), text))
    return errors


STRATEGY = Strategy(counts_generation=True, needs_version=True, validate=validate)
