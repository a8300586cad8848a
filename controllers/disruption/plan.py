"""Core: decides how many pods of a PodDisruptionBudget may be evicted now.

A percentage, and any maxUnavailable, is of the pods that should be: the sum of the scales of the pods'
controllers. A minAvailable in pods needs no controllers. An eviction notes the pod in `disruptedPods`; it
counts as lost until it is seen to go, or for two minutes at most.

Sees: the budget, its pods, the scale of each pod's controller. Says: an UpdateStatus when the status changes,
Events, a RequeueAfter for the first pod that should have gone by then.
Invariants: what cannot be computed allows nothing. A budget that matches no pods allows nothing.
Absent: the scale of custom kinds.
After: k8s pkg/controller/disruption/disruption.go; pkg/apis/policy helpers of the condition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controllers.pods import is_ready
from kube.api import conditions, meta
from kube.api.actions import Action, EmitEvent, RequeueAfter, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import POD_DISRUPTION_BUDGETS

DELETION_TIMEOUT = timedelta(minutes=2)
CONDITION = "DisruptionAllowed"


@dataclass(frozen=True, slots=True)
class Scale:
    """How many pods a controller wants; a failure says why nobody knows."""

    uid: str
    replicas: int = 0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A budget, the pods that it selects, and by pod uid the scale of the pod's controller, if it has one."""

    budget: Object
    pods: Sequence[Object]
    scales: Mapping[str, Scale]


@dataclass(frozen=True, slots=True)
class Need:
    """How many pods should be, and how many of them healthy."""

    expected: int
    desired: int


def plan(seen: Seen, now: datetime) -> list[Action]:
    """Recount, and say so if something changed."""
    budget = seen.budget
    events: list[Action] = []
    if not seen.pods:
        events.append(EmitEvent(budget, "Normal", "NoPods", "No matching pods found"))
    failure = _failure(seen) if _needs_scale(budget) else ""
    if failure:
        text = f"Failed to calculate the number of expected pods: {failure}"
        events.append(EmitEvent(budget, "Warning", "CalculateExpectedPodCountFailed", text))
        return events + _written(budget, _failed(budget, failure, now))
    if _needs_scale(budget) and any(meta.uid(each) not in seen.scales for each in seen.pods):
        events.append(EmitEvent(budget, "Warning", "UnmanagedPods", _unmanaged(budget)))
    disrupted, overdue = _disrupted(seen, now)
    events += [_not_deleted(each, budget) for each in overdue]
    healthy = sum(
        is_ready(each) and not meta.is_terminating(each) and meta.name(each) not in disrupted
        for each in seen.pods
    )
    written = _written(budget, _counted(budget, _need(seen), healthy, disrupted, now))
    return events + written + _again(disrupted, now)


def _needs_scale(budget: Object) -> bool:
    """True unless the bound is a number of pods that must be there."""
    spec = budget.get("spec") or {}
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def _failure(seen: Seen) -> str:
    for pod in seen.pods:
        scale = seen.scales.get(meta.uid(pod))
        if scale is not None and scale.failure:
            return scale.failure
    return ""


def _need(seen: Seen) -> Need:
    spec = seen.budget.get("spec") or {}
    scales = {scale.uid: scale.replicas for scale in seen.scales.values()}
    expected = sum(scales.values())
    if (maximum := spec.get("maxUnavailable")) is not None:
        return Need(expected, max(expected - _of(maximum, expected), 0))
    minimum = spec.get("minAvailable")
    if isinstance(minimum, str):
        return Need(expected, _of(minimum, expected))
    return Need(0, 0) if minimum is None else Need(len(seen.pods), int(minimum))


def _of(bound: int | str, total: int) -> int:
    """An int-or-percent, rounded up."""
    return math.ceil(int(bound.removesuffix("%")) * total / 100) if isinstance(bound, str) else bound


def _disrupted(seen: Seen, now: datetime) -> tuple[dict[str, str], list[Object]]:
    """Pods that were evicted and are still to go, with the time; and those that did not go in time."""
    noted: dict[str, str] = meta.get(seen.budget, "status", "disruptedPods", default={})
    waiting: dict[str, str] = {}
    overdue: list[Object] = []
    for pod in seen.pods:
        at = noted.get(meta.name(pod))
        if at is None or meta.is_terminating(pod):
            continue
        if meta.parse_time(at) + DELETION_TIMEOUT < now:
            overdue.append(pod)
        else:
            waiting[meta.name(pod)] = at
    return waiting, overdue


def _counted(
    budget: Object, need: Need, healthy: int, disrupted: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """The status with these counts."""
    allowed = max(healthy - need.desired, 0) if need.expected > 0 else 0
    condition = {
        "type": CONDITION,
        "status": "True" if allowed else "False",
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
        "observedGeneration": meta.generation(budget),
    }
    return {
        **({"disruptedPods": dict(disrupted)} if disrupted else {}),
        "currentHealthy": healthy,
        "desiredHealthy": need.desired,
        "expectedPods": need.expected,
        "disruptionsAllowed": allowed,
        "observedGeneration": meta.generation(budget),
        "conditions": _with(budget, condition, now),
    }


def _failed(budget: Object, failure: str, now: datetime) -> dict[str, Any]:
    """The old status, allowing nothing."""
    status = budget.get("status") or {}
    condition = {
        "type": CONDITION,
        "status": "False",
        "reason": "SyncFailed",
        "message": failure,
        "observedGeneration": status.get("observedGeneration") or 0,
    }
    counts = {"currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    return {**counts, **status, "disruptionsAllowed": 0, "conditions": _with(budget, condition, now)}


def _with(budget: Object, condition: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
    return conditions.set_condition(meta.get(budget, "status", "conditions", default=[]), condition, now)


def _written(budget: Object, status: Mapping[str, Any]) -> list[Action]:
    if status == (budget.get("status") or {}):
        return []
    return [UpdateStatus(POD_DISRUPTION_BUDGETS, {**budget, "status": dict(status)})]


def _again(disrupted: Mapping[str, str], now: datetime) -> list[Action]:
    if not disrupted:
        return []
    first = min(meta.parse_time(at) for at in disrupted.values()) + DELETION_TIMEOUT
    return [RequeueAfter((first - now).total_seconds() + 1)]


def _not_deleted(pod: Object, budget: Object) -> Action:
    # Kubernetes names the namespace twice here, and not the budget.
    space = meta.namespace(budget)
    text = f"Pod was expected by PDB {space}/{space} to be deleted but it wasn't"
    return EmitEvent(pod, "Warning", "NotDeleted", text)


def _unmanaged(budget: Object) -> str:
    selector = _in_go(meta.get(budget, "spec", "selector"))
    return (
        f"Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. "
        "As a result, the status of the PDB cannot be calculated correctly, which may result in undefined "
        'behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer '
        "value."
    )


def _in_go(selector: Mapping[str, Any] | None) -> str:
    """The selector as Go prints it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{each['key']},Operator:{each['operator']},"
        f"Values:[{' '.join(each.get('values') or [])}],}},"
        for each in selector.get("matchExpressions") or []
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
