"""Core: decides when a pod on a node that does not exist is deleted by force.

No kubelet will ever say that such a pod ended, so it is marked Failed and deleted with grace 0. A node may
be missing for a moment, while it registers again; it is believed gone after a quarantine and a look at the
server.

Sees: the pod, since when its node is missing, whether that is certain. Says: its UpdateStatus and Delete.
Absent: the limit of terminated pods, out-of-service nodes.
After: k8s pkg/controller/podgc/gc_controller.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import conditions, meta
from kube.api.actions import Action, Delete, RequeueAfter, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import PODS

QUARANTINE = timedelta(seconds=40)
CONDITION = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByPodGC",
    "message": "PodGC: node no longer exists",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod whose node is missing; is_gone: the server was asked after the quarantine, and it is so."""

    pod: Object
    missing_since: datetime
    is_gone: bool


def plan(seen: Seen, now: datetime) -> list[Action]:
    """Wait, or delete."""
    if not seen.is_gone:
        left = seen.missing_since + QUARANTINE - now
        return [RequeueAfter(max(left, timedelta(seconds=1)).total_seconds())]
    pod = seen.pod
    if meta.get(pod, "metadata", "deletionGracePeriodSeconds") == 0:
        return []
    delete = Delete(PODS, meta.namespace(pod), meta.name(pod), meta.uid(pod), grace_period_seconds=0)
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return [delete]
    marked = conditions.set_condition(status.get("conditions") or [], CONDITION, now)
    failed = {**pod, "status": {**status, "phase": "Failed", "conditions": marked}}
    return [UpdateStatus(PODS, failed), delete]
