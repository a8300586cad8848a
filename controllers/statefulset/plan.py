"""Core: decides what a StatefulSet does next: its history, its pods in their order, its status.

First the history (which revision is the goal), then the next steps (steps.py), then the revisions beyond the
limit, then what there is gets written down. While creations and deletions of an earlier plan have not all
been seen (`expectations_met`), only history and status are brought up to date.

Sees: the StatefulSet, the pods and ControllerRevisions it may own, the claims of its pods, now.
Says: Patch (adopt, release, label), Create, Update, Delete, EmitEvent, UpdateStatus, RequeueAfter.
Invariants: names are given, so no pod can come twice; ordered, pods are created one at a time; an update
never makes more pods unavailable than it may; the same input gives the same list, in the same order.
Absent: no client, no clock, no expectations (the loop keeps those); volumes of running pods are not mended.
After: k8s pkg/controller/statefulset/stateful_set.go, syncStatefulSet; stateful_set_control.go,
performUpdate, updateStatefulSetStatus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controllers import revisions
from controllers.claim import claim
from controllers.statefulset.history import History, collision_count, surplus, trace
from controllers.statefulset.identity import ordinal, replicas, revision_of
from controllers.statefulset.members import Members, is_rolling_update, line_up
from controllers.statefulset.steps import next_steps
from kube.api import meta
from kube.api.actions import Action, Delete, RequeueAfter, UpdateStatus
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import PODS, STATEFUL_SETS


@dataclass(slots=True)
class Seen:
    """What there is.

    `pods` and `revisions` are those under the set's uid and the orphans of its namespace; `namesake` is the
    revision, whosever it is, under the name that the next one would get; `claims` are found by name.
    """

    stateful_set: Object
    pods: list[Object] = field(default_factory=list)
    revisions: list[Object] = field(default_factory=list)
    namesake: Object | None = None
    claims: dict[str, Object] = field(default_factory=dict)
    may_adopt: bool = True
    expectations_met: bool = True


def plan(seen: Seen, now: datetime) -> list[Action]:
    """What to do for one StatefulSet."""
    stateful_set = seen.stateful_set
    selector = selector_of(stateful_set)
    if selector.is_empty:
        return []
    owned = claim(
        stateful_set,
        STATEFUL_SETS,
        selector,
        candidates(stateful_set, seen.pods),
        PODS,
        may_adopt=seen.may_adopt,
    )
    members = line_up(stateful_set, owned.owned, now)
    if meta.is_terminating(stateful_set):
        # Its revisions may be gone before its pods: nothing is made any more, only counted.
        return _write_status(stateful_set, _counted(members, meta.get(stateful_set, "status", default={})))
    history_claim = revisions.claim_revisions(
        stateful_set, STATEFUL_SETS, selector, seen.revisions, may_adopt=seen.may_adopt
    )
    history = trace(stateful_set, history_claim.owned, seen.namesake)
    actions: list[Action] = [*history_claim.actions, *owned.actions, *history.actions]
    if history.update is None:
        status = meta.get(stateful_set, "status", default={}) | {"collisionCount": history.collisions}
        return actions + _write_status(stateful_set, status)
    steps = next_steps(members, history, seen.claims) if seen.expectations_met else []
    actions += steps
    if seen.expectations_met:
        actions += surplus(stateful_set, history_claim.owned, history, members.present)
    actions += _write_status(stateful_set, _status(members, history, steps))
    soonest = members.next_availability()
    return actions if soonest is None else [*actions, RequeueAfter(soonest)]


def selector_of(stateful_set: Object) -> Selector:
    """Which pods the set takes for its own."""
    return Selector.from_label_selector(meta.get(stateful_set, "spec", "selector"))


def candidates(stateful_set: Object, found: list[Object]) -> list[Object]:
    """The set's own pods, and those others whose name is one that it gives."""
    return [
        each
        for each in found
        if meta.is_controlled_by(each, stateful_set) or ordinal(stateful_set, each) is not None
    ]


def _status(members: Members, history: History, steps: list[Action]) -> dict[str, Any]:
    """What there is after the steps; the update revision becomes the current one when all pods are of it."""
    names = {
        "currentRevision": meta.name(history.current or {}),
        "updateRevision": meta.name(history.update or {}),
    }
    status = _counted(members, names)
    status["observedGeneration"] = meta.generation(members.stateful_set)
    status["collisionCount"] = collision_count(members.stateful_set)
    replaced = {each.uid for each in steps if isinstance(each, Delete)}
    leaving = sum(
        meta.uid(each) in replaced and revision_of(each) == names["currentRevision"]
        for each in members.present
    )
    if leaving:
        status["currentReplicas"] -= leaving
    wanted = replicas(members.stateful_set)
    counts = [status[each] for each in ("replicas", "readyReplicas", "updatedReplicas")]
    if is_rolling_update(members.stateful_set) and counts == [wanted, wanted, wanted]:
        status |= {"currentRevision": names["updateRevision"], "currentReplicas": status["updatedReplicas"]}
    old = meta.get(members.stateful_set, "status", "conditions", default=[])
    return status | ({"conditions": old} if old else {})


def _counted(members: Members, status: dict[str, Any]) -> dict[str, Any]:
    """The status with its numbers of pods as they are."""
    living = [revision_of(each) for each in members.present if not meta.is_terminating(each)]
    return status | {
        "replicas": len(members.present),
        "readyReplicas": sum(map(members.is_ready, members.present)),
        "availableReplicas": sum(map(members.is_available, members.present)),
        "currentReplicas": living.count(status.get("currentRevision", "")),
        "updatedReplicas": living.count(status.get("updateRevision", "")),
    }


def _write_status(stateful_set: Object, status: dict[str, Any]) -> list[Action]:
    """Write the status if it changed; numbers that may be left out when zero are."""
    optional = ("readyReplicas", "currentReplicas", "updatedReplicas")
    kept = {part: value for part, value in status.items() if value or part not in optional}
    if kept == (stateful_set.get("status") or {}):
        return []
    return [UpdateStatus(STATEFUL_SETS, {**stateful_set, "status": kept})]
