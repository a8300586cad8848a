"""Core: what is special about PodDisruptionBudgets: one of two bounds, and a selector.

After: k8s pkg/apis/policy/validation/validation.go; pkg/registry/policy/poddisruptionbudget/strategy.go
"""

from __future__ import annotations

from apiserver.registry import formats
from apiserver.registry.selectors import label_selector
from apiserver.registry.strategy import Errors, Strategy
from kube.api.errors import FieldError
from kube.api.meta import Object

BOUNDS = ("minAvailable", "maxUnavailable")
UNHEALTHY = ("AlwaysAllow", "IfHealthyBudget")
COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def validate(o: Object) -> Errors:
    """What is wrong with a budget."""
    spec = o.get("spec") or {}
    errors: Errors = []
    if all(field in spec for field in BOUNDS):
        text = "minAvailable and maxUnavailable cannot be both set"
        errors.append(FieldError.invalid("spec", spec, text))
    for field in BOUNDS:
        if field in spec:
            errors += formats.number_or_percent(spec[field], f"spec.{field}")
            errors += formats.at_most_all(spec[field], f"spec.{field}")
    policy = spec.get("unhealthyPodEvictionPolicy")
    errors += formats.optional_choice(policy, "spec.unhealthyPodEvictionPolicy", UNHEALTHY)
    return errors + label_selector(spec.get("selector"), "spec.selector")


def status_changes(new: Object, _old: Object) -> Errors:
    """Counts are not below zero."""
    status = new.get("status") or {}
    return [each for field in COUNTS for each in formats.non_negative(status.get(field), f"status.{field}")]


STRATEGY = Strategy(
    counts_generation=True,
    needs_version=True,
    is_complete=True,
    validate=validate,
    subresources={"status": status_changes},
)
