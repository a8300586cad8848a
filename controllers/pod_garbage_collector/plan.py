"""Core: decides when a pod that no kubelet will end is deleted by force.

* Its node does not exist. A node may be missing for a moment, while it registers again; it is believed gone
  after a quarantine and a look at the server. Only this is called a disruption.
* It is to go, and its node is out of service: not ready, and somebody says by a taint that it stays so.
* It is to go, and never had a node.

Such a pod is marked Failed and deleted with grace 0.

Sees: the pod, since when its node is missing, whether that is certain. Says: its UpdateStatus and Delete.
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
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
CONDITION = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByPodGC",
    "message": "PodGC: node no longer exists",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod that may have nobody to end it.

    missing_since: when its node was first missing; None for a pod that is to go, and cannot.
    is_gone: the server was asked for the node after the quarantine, and it is so.
    """

    pod: Object
    missing_since: datetime | None
    is_gone: bool


def plan(seen: Seen, now: datetime) -> list[Action]:
    """Wait, or delete."""
    if seen.missing_since is None:
        return _end(seen.pod, None, now)
    if not seen.is_gone:
        left = seen.missing_since + QUARANTINE - now
        return [RequeueAfter(max(left, timedelta(seconds=1)).total_seconds())]
    return _end(seen.pod, CONDITION, now)


def is_stuck(pod: Object, node: Object | None) -> bool:
    """True for a pod that is to go, while its node is out of service or it has none."""
    if not meta.is_terminating(pod):
        return False
    if node is None:
        return not meta.get(pod, "spec", "nodeName")
    return is_out_of_service(node)


def is_out_of_service(node: Object) -> bool:
    """True for a node that is not ready, and is said to stay so."""
    taints = meta.get(node, "spec", "taints", default=[])
    is_tainted = any(each.get("key") == OUT_OF_SERVICE for each in taints)
    return is_tainted and not conditions.is_true(node, "Ready")


def _end(pod: Object, condition: dict[str, str] | None, now: datetime) -> list[Action]:
    if meta.get(pod, "metadata", "deletionGracePeriodSeconds") == 0:
        return []
    delete = Delete(PODS, meta.namespace(pod), meta.name(pod), meta.uid(pod), grace_period_seconds=0)
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return [delete]
    failed = {**status, "phase": "Failed"}
    if condition is not None:
        failed["conditions"] = conditions.set_condition(status.get("conditions") or [], condition, now)
    return [UpdateStatus(PODS, {**pod, "status": failed}), delete]
