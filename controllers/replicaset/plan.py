"""Core: decides how a ReplicaSet reaches its number of pods.

Too few active pods: create the rest, at most 500 at a time. Too many: delete those that are missed least.
Then write down what there is. While creations and deletions of an earlier plan have not all been seen
(`expectations_met`), the number of pods is not known, and only the status is brought up to date.

Sees: the ReplicaSet, the pods it may own, the pods of its sibling ReplicaSets, now.
Says: Patch (adopt, release), Create, Delete, UpdateStatus, RequeueAfter.
Invariants: never deletes a pod it does not own; the same input gives the same list, in the same order.
Absent: no client, no clock, no expectations (the loop keeps those).
After: k8s pkg/controller/replicaset/replica_set.go, manageReplicas; replica_set_utils.go, calculateStatus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from controllers import pods
from controllers.claim import claim
from controllers.replicaset.kinds import Kind
from kube.api import conditions, meta
from kube.api.actions import Action, Announcement, Create, Delete, RequeueAfter, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import PODS

BURST = 500


@dataclass(slots=True)
class Seen:
    """What there is.

    `pods` are those under the ReplicaSet's uid and the orphans of its namespace; `siblings` are the pods of
    all ReplicaSets of the same Deployment; `failure` is why the last creation or deletion failed, if it did.
    """

    kind: Kind
    replica_set: Object
    pods: list[Object]
    siblings: list[Object] = field(default_factory=list)
    may_adopt: bool = True
    expectations_met: bool = True
    failure: str | None = None


def plan(seen: Seen, now: datetime) -> list[Action]:
    """What to do for one ReplicaSet."""
    replica_set, selector = seen.replica_set, seen.kind.selector(seen.replica_set)
    if selector.is_empty:
        return []
    active = [each for each in seen.pods if pods.is_active(each)]
    claimed = claim(replica_set, seen.kind.resource, selector, active, PODS, may_adopt=seen.may_adopt)
    actions: list[Action] = [*claimed.actions]
    surplus = len(claimed.owned) - replicas(replica_set)
    if seen.expectations_met and not meta.is_terminating(replica_set):
        if surplus < 0:
            actions += [_create_pod(seen)] * min(-surplus, BURST)
        elif surplus > 0:
            actions += _delete_pods(seen, claimed.owned, min(surplus, BURST), now)
    terminating = [
        each for each in seen.pods if meta.is_terminating(each) and meta.is_controlled_by(each, replica_set)
    ]
    status = calculate_status(seen, claimed.owned, len(terminating), surplus, now)
    if status != (replica_set.get("status") or {}):
        actions.append(UpdateStatus(seen.kind.resource, {**replica_set, "status": status}))
    return actions + _look_again(replica_set, claimed.owned, now)


def replicas(replica_set: Object) -> int:
    """How many pods are wanted."""
    return int(meta.get(replica_set, "spec", "replicas", default=1))


def min_ready_seconds(replica_set: Object) -> int:
    """How long a pod must have been ready to count as available."""
    return int(meta.get(replica_set, "spec", "minReadySeconds", default=0))


def _create_pod(seen: Seen) -> Create:
    replica_set = seen.replica_set
    template: dict[str, Any] = meta.get(replica_set, "spec", "template", default={})
    given = template.get("metadata") or {}
    metadata = {part: given[part] for part in ("labels", "annotations", "finalizers") if given.get(part)}
    metadata |= {
        "generateName": f"{meta.name(replica_set)}-",
        "namespace": meta.namespace(replica_set),
        "ownerReferences": [meta.owner_reference(replica_set, seen.kind.resource)],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec") or {}}
    announcement = Announcement(
        replica_set, "SuccessfulCreate", "Created pod: {name}", "FailedCreate", "Error creating: {error}"
    )
    return Create(PODS, pod, announcement)


def _delete_pods(seen: Seen, owned: Sequence[Object], count: int, now: datetime) -> list[Delete]:
    siblings = seen.siblings or owned
    on_node = Counter(meta.get(each, "spec", "nodeName") for each in siblings if pods.is_active(each))
    ranks = {meta.uid(each): on_node[meta.get(each, "spec", "nodeName")] for each in owned}
    announcement = Announcement(
        seen.replica_set,
        "SuccessfulDelete",
        "Deleted pod: {name}",
        "FailedDelete",
        'Error deleting pod "{name}": {error}',
    )
    return [
        Delete(PODS, meta.namespace(each), meta.name(each), meta.uid(each), announcement=announcement)
        for each in pods.deletion_order(owned, ranks, now)[:count]
    ]


def calculate_status(
    seen: Seen, owned: Sequence[Object], terminating: int, surplus: int, now: datetime
) -> dict[str, Any]:
    """The status that says what there is; numbers that are zero are left out, but for `replicas`."""
    replica_set = seen.replica_set
    wanted = meta.get(replica_set, "spec", "template", "metadata", "labels", default={}).items()
    seconds = min_ready_seconds(replica_set)
    counts = {
        "fullyLabeledReplicas": sum(wanted <= meta.labels(each).items() for each in owned),
        "readyReplicas": sum(pods.is_ready(each) for each in owned),
        "availableReplicas": sum(pods.is_available(each, seconds, now) for each in owned),
        "observedGeneration": meta.generation(replica_set),
    }
    status: dict[str, Any] = {"replicas": len(owned)}
    status |= {name: count for name, count in counts.items() if count}
    if seen.kind.resource.group:
        status["terminatingReplicas"] = terminating
    kept = _conditions(seen, surplus, now)
    return status | ({"conditions": kept} if kept else {})


def _conditions(seen: Seen, surplus: int, now: datetime) -> list[dict[str, Any]]:
    """The old conditions, with ReplicaFailure as long as pods cannot be created or deleted."""
    old = meta.get(seen.replica_set, "status", "conditions", default=[])
    if seen.failure is None:
        return conditions.remove(old, "ReplicaFailure")
    if conditions.find(seen.replica_set, "ReplicaFailure") is not None:
        return [*old]
    reason = "FailedCreate" if surplus < 0 else "FailedDelete"
    failure = {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": seen.failure}
    return conditions.set_condition(old, failure, now)


def _look_again(replica_set: Object, owned: Sequence[Object], now: datetime) -> list[Action]:
    """Look again when the next pod that is ready has been so for long enough."""
    waits = [pods.available_in(each, min_ready_seconds(replica_set), now) for each in owned]
    soonest = min((each for each in waits if each), default=timedelta(0))
    return [RequeueAfter(soonest.total_seconds())] if soonest else []
