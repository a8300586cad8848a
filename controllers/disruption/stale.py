"""Core: takes back what a pod says of its disruption when it was not disrupted after all.

A pod is marked DisruptionTarget just before it is deleted; if the deletion does not come within two minutes
the mark is reset. The kubelet's own mark, and that of a pod that ended, stay.

Sees: a pod and the budgets that select it. Says: its UpdateStatus, a RequeueAfter, an
Event for too many budgets.
After: k8s pkg/controller/disruption/disruption.go, syncStalePodDisruption, getPdbForPod.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controllers.pods import is_active
from kube.api import conditions, meta
from kube.api.actions import Action, EmitEvent, RequeueAfter, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import PODS

TIMEOUT = timedelta(minutes=2)
CONDITION = "DisruptionTarget"


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod and the names of the budgets that select it."""

    pod: Object
    budgets: Sequence[str]


def may_be_stale(pod: Object) -> bool:
    """True for a live pod that is marked, and not by its kubelet."""
    condition = conditions.find(pod, CONDITION)
    if condition is None or condition.get("status") != "True" or not is_active(pod):
        return False
    return condition.get("reason") != "TerminationByKubelet"


def plan(seen: Seen, now: datetime) -> list[Action]:
    """Tell of a pod with too many budgets; wait for the deletion, or reset the mark."""
    pod = seen.pod
    actions: list[Action] = []
    if len(seen.budgets) > 1:
        text = (
            f'Pod "{meta.namespace(pod)}"/"{meta.name(pod)}" matches multiple PodDisruptionBudgets.  '
            f'Chose "{seen.budgets[0]}" arbitrarily.'
        )
        actions.append(EmitEvent(pod, "Warning", "MultiplePodDisruptionBudgets", text))
    if not may_be_stale(pod):
        return actions
    condition = conditions.find(pod, CONDITION) or {}
    since = condition.get("lastTransitionTime")
    left = meta.parse_time(since) + TIMEOUT - now if since else timedelta(0)
    if left > timedelta(0):
        return [*actions, RequeueAfter(left.total_seconds())]
    reset = {"type": CONDITION, "status": "False"}
    status = pod["status"]
    marked = conditions.set_condition(status["conditions"], reset, now)
    return [*actions, UpdateStatus(PODS, {**pod, "status": {**status, "conditions": marked}})]
