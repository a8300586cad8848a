"""Core: what is special about Deployments: a rollout that could not move is refused.

After: k8s pkg/apis/apps/validation/validation.go, ValidateDeploymentSpec;
pkg/registry/apps/deployment/strategy.go
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, selectors
from apiserver.registry.pods import pod_template
from apiserver.registry.strategy import Errors, Strategy, immutable
from apiserver.registry.workloads import workload_status
from kube.api.errors import FieldError
from kube.api.meta import Object

TYPES = ("Recreate", "RollingUpdate")


def validate(o: Object) -> Errors:
    """What is wrong with a Deployment."""
    spec = o.get("spec") or {}
    errors = formats.non_negative(spec.get("replicas"), "spec.replicas")
    errors += selectors.own_selector(spec, "deployment")
    errors += pod_template.of_controller(spec.get("template") or {}, "spec.template", "ReplicaSet")
    errors += _strategy(spec.get("strategy") or {}, "spec.strategy")
    ready = spec.get("minReadySeconds") or 0
    errors += formats.non_negative(ready, "spec.minReadySeconds")
    errors += formats.non_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")
    deadline, path = spec.get("progressDeadlineSeconds"), "spec.progressDeadlineSeconds"
    errors += formats.non_negative(deadline, path)
    if deadline is not None and deadline <= ready:
        errors.append(FieldError.invalid(path, deadline, "must be greater than minReadySeconds"))
    return errors


def _strategy(strategy: Any, path: str) -> Errors:
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if kind not in TYPES:
        shown = {"Type": kind, "RollingUpdate": rolling}
        return [FieldError.not_supported(path, shown, TYPES)]
    at = f"{path}.rollingUpdate"
    if kind == "Recreate":
        text = "may not be specified when strategy `type` is 'Recreate'"
        return [] if rolling is None else [FieldError.forbidden(at, text)]
    away, more = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    errors = formats.number_or_percent(away, f"{at}.maxUnavailable")
    errors += formats.number_or_percent(more, f"{at}.maxSurge")
    if not formats.amount_of(away) and not formats.amount_of(more):
        text = "may not be 0 when `maxSurge` is 0"
        errors.append(FieldError.invalid(f"{at}.maxUnavailable", away, text))
    return errors + formats.at_most_all(away, f"{at}.maxUnavailable")


def same_selector(new: Object, old: Object) -> Errors:
    """The selector never changes: the pods it selects could be lost."""
    return immutable(new, old, "spec.selector")


STRATEGY = Strategy(
    counts_generation=True,
    is_complete=True,
    validate=validate,
    validate_update=same_selector,
    subresources={
        "status": workload_status.rule(
            "updatedReplicas", "readyReplicas", "availableReplicas", of_all="unavailableReplicas"
        )
    },
)
