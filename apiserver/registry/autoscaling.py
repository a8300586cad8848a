"""Core: what is special about HorizontalPodAutoscalers: bounds, what is scaled, and how fast.

What the size follows is in `metric_sources.py`. Objects are here as they are stored, in version 2.

After: k8s pkg/apis/autoscaling/validation/validation.go
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, metric_sources
from apiserver.registry.strategy import Errors, Strategy
from kube.api import quantity
from kube.api.errors import FieldError
from kube.api.meta import Object

PERIOD_SECONDS_MAX = 1800
WINDOW_SECONDS_MAX = 3600
SELECTIONS = ("Disabled", "Max", "Min")
POLICIES = ("Percent", "Pods")


def validate(o: Object) -> Errors:
    """What is wrong with an autoscaler, but for its lower bound."""
    spec = o.get("spec") or {}
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    errors: Errors = []
    if high < 1:
        errors.append(FieldError.invalid("spec.maxReplicas", high, "must be greater than 0"))
    if low is not None and high < low:
        text = "must be greater than or equal to `minReplicas`"
        errors.append(FieldError.invalid("spec.maxReplicas", high, text))
    errors += metric_sources.reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef")
    errors += metric_sources.check(spec.get("metrics") or [], "spec.metrics", low)
    for direction, rules in (spec.get("behavior") or {}).items():
        errors += _rules(rules, f"spec.behavior.{direction}")
    return errors


def validate_create(o: Object) -> Errors:
    """One replica is the least."""
    return _low(o, 1)


def changes(new: Object, old: Object) -> Errors:
    """Whoever could be scaled to nothing may go on."""
    return _low(new, 0 if (old.get("spec") or {}).get("minReplicas") == 0 else 1)


def _low(o: Object, least: int) -> Errors:
    low = (o.get("spec") or {}).get("minReplicas")
    if low is None or low >= least:
        return []
    return [FieldError.invalid("spec.minReplicas", low, f"must be greater than or equal to {least}")]


def _rules(rules: Any, path: str) -> Errors:
    errors: Errors = []
    window, at = rules.get("stabilizationWindowSeconds"), f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        errors.append(FieldError.invalid(at, window, "must be greater than or equal to zero"))
    if window is not None and window > WINDOW_SECONDS_MAX:
        text = f"must be less than or equal to {WINDOW_SECONDS_MAX}"
        errors.append(FieldError.invalid(at, window, text))
    errors += formats.optional_choice(rules.get("selectPolicy"), f"{path}.selectPolicy", SELECTIONS)
    if not rules.get("policies"):
        errors.append(FieldError.required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(rules.get("policies") or ()):
        errors += _policy(policy, f"{path}.policies[{index}]")
    tolerance = rules.get("tolerance")
    if tolerance is not None and quantity.parse(tolerance) < quantity.ZERO:
        text = "must be greater or equal to zero"
        errors.append(FieldError.invalid(f"{path}.tolerance", tolerance, text))
    return errors


def _policy(policy: Any, path: str) -> Errors:
    errors: Errors = []
    kind = policy.get("type") or ""
    if kind not in POLICIES:
        errors.append(FieldError.not_supported(f"{path}.type", kind, POLICIES))
    for field in ("value", "periodSeconds"):
        if (number := policy.get(field) or 0) <= 0:
            errors.append(FieldError.invalid(f"{path}.{field}", number, "must be greater than zero"))
    if (period := policy.get("periodSeconds") or 0) > PERIOD_SECONDS_MAX:
        text = f"must be less than or equal to {PERIOD_SECONDS_MAX}"
        errors.append(FieldError.invalid(f"{path}.periodSeconds", period, text))
    return errors


def status_changes(new: Object, _old: Object) -> Errors:
    """Counts are not below zero."""
    status = new.get("status") or {}
    fields = ("currentReplicas", "desiredReplicas")
    return [each for field in fields for each in formats.non_negative(status.get(field), f"status.{field}")]


STRATEGY = Strategy(
    is_complete=True,
    validate=validate,
    validate_create=validate_create,
    validate_update=changes,
    subresources={"status": status_changes},
)
