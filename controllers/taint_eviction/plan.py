"""Core: decides whether and when a pod must leave its node because of the node's NoExecute taints.

A taint that no toleration bears drives the pod away at once. A toleration may bear one for
`tolerationSeconds`, counted from when this controller first saw that the pod would have to go some day; the
shortest that is used counts. When the taints go in time, the pod stays.

Sees: the pod, the NoExecute taints of its node, since when it is to go. Says: UpdateStatus and Delete of the
pod, Events, when to look again.
After: k8s pkg/controller/tainteviction/taint_eviction.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import conditions, meta
from kube.api.actions import Action, Delete, EmitEvent, RequeueAfter, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import PODS
from kube.api.tolerations import bears

EVENT = "TaintManagerEviction"
CONDITION = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByTaintManager",
    "message": "Taint manager: deleting due to NoExecute taint",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod on a node; since: when its time began to run, or None if it did not run until now."""

    pod: Object
    taints: Sequence[Object]
    since: datetime | None


def no_execute(node: Object | None) -> list[Object]:
    """The taints of a node that drive pods away."""
    taints: list[Object] = meta.get(node, "spec", "taints", default=[]) if node is not None else []
    return [each for each in taints if each.get("effect") == "NoExecute"]


def bearable_for(pod: Object, taints: Sequence[Object]) -> timedelta | None:
    """How long the pod may stay on a node with these taints; None: for ever."""
    tolerations: list[Object] = meta.get(pod, "spec", "tolerations", default=[])
    used = [[each for each in tolerations if bears(each, taint)] for taint in taints]
    if not all(used):
        return timedelta(0)
    limits = [
        max(int(each["tolerationSeconds"]), 0)
        for bearing in used
        for each in bearing
        if each.get("tolerationSeconds") is not None
    ]
    return timedelta(seconds=min(limits)) if limits else None


def plan(seen: Seen, now: datetime) -> list[Action]:
    """Let the pod stay, wait, or delete it."""
    limit = bearable_for(seen.pod, seen.taints)
    if limit is None:
        return [_event(seen.pod, "Cancelling deletion of")] if seen.since is not None else []
    left = (seen.since or now) + limit - now
    return [RequeueAfter(left.total_seconds())] if left > timedelta(0) else _evict(seen.pod, now)


def _evict(pod: Object, now: datetime) -> list[Action]:
    actions: list[Action] = []
    if not conditions.is_true(pod, CONDITION["type"]):
        status = pod.get("status") or {}
        marked = conditions.set_condition(status.get("conditions") or [], CONDITION, now)
        actions.append(UpdateStatus(PODS, {**pod, "status": {**status, "conditions": marked}}))
    actions.append(_event(pod, "Marking for deletion"))
    return [*actions, Delete(PODS, meta.namespace(pod), meta.name(pod), meta.uid(pod))]


def _event(pod: Object, what: str) -> EmitEvent:
    return EmitEvent(pod, "Normal", EVENT, f"{what} Pod {meta.key(pod)}")
