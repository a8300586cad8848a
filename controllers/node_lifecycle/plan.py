"""Core: decides what becomes of a node that says nothing any more, and of one that is heard again.

    silent for the grace period -> conditions Unknown, its pods not ready -> taints -> taint_eviction
    heard again, says it is Ready -> taints off

Conditions first; the taints follow from the conditions once they are seen, so that each write stands on what
was written before. Only the kubelet makes a node Ready.

Sees: the node, its heartbeat, its pods, whether any node is ready. Says: UpdateStatus and Update of the node,
UpdateStatus of pods, Events, when to look again.
After: k8s pkg/controller/nodelifecycle/node_lifecycle_controller.go, monitorNodeHealth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controllers.node_lifecycle.heartbeat import Heartbeat
from controllers.node_lifecycle.taints import with_taints
from controllers.node_lifecycle.zones import Rates
from kube.api import conditions, meta
from kube.api.actions import Action, EmitEvent, RequeueAfter, Update, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import NODES, PODS

# What a kubelet says of its node; NetworkUnavailable is said by others.
KUBELET_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a node may be silent, once it has reported and before; how often to look; the rates."""

    grace: timedelta = timedelta(seconds=50)
    startup_grace: timedelta = timedelta(seconds=60)
    period: timedelta = timedelta(seconds=5)
    rates: Rates = field(default_factory=Rates)


@dataclass(frozen=True, slots=True)
class Seen:
    """A node and what was heard of it; is_new: this process sees it for the first time; may_be_emptied: its
    zone lets it.
    """

    node: Object
    heartbeat: Heartbeat
    pods: Sequence[Object] = ()
    is_new: bool = False
    is_anyone_ready: bool = True
    may_be_emptied: bool = True
    patience: Patience = Patience()


def plan(seen: Seen, now: datetime) -> list[Action]:
    """The next step."""
    actions: list[Action] = []
    if seen.is_new:
        name = meta.name(seen.node)
        message = f"Node {name} event: Registered Node {name} in Controller"
        actions.append(EmitEvent(seen.node, "Normal", "RegisteredNode", message))
    left = seen.heartbeat.heard_at + _grace(seen) - now
    if left > timedelta(0):
        actions += _taint(seen, now)
        return [*actions, RequeueAfter(min(left, seen.patience.period).total_seconds())]
    unknown = _unknown_conditions(seen.node, now)
    if unknown != meta.get(seen.node, "status", "conditions", default=[]):
        actions += _give_up(seen.node, unknown)
    else:
        actions += _taint(seen, now)
    actions += [action for pod in seen.pods for action in _not_ready(pod, now)]
    return [*actions, RequeueAfter(seen.patience.period.total_seconds())]


def _grace(seen: Seen) -> timedelta:
    has_reported = conditions.find(seen.node, "Ready") is not None
    return seen.patience.grace if has_reported else seen.patience.startup_grace


def _give_up(node: Object, unknown: list[Object]) -> list[Action]:
    """Say that nothing is known; people hear of it when the node was ready until now."""
    status = {**(node.get("status") or {}), "conditions": unknown}
    actions: list[Action] = [UpdateStatus(NODES, {**node, "status": status})]
    if conditions.is_true(node, "Ready"):
        message = f"Node {meta.name(node)} status is now: NodeNotReady"
        actions.append(EmitEvent(node, "Normal", "NodeNotReady", message))
    return actions


def _unknown_conditions(node: Object, now: datetime) -> list[Object]:
    """The conditions with all of the kubelet's Unknown; when each was last reported stays."""
    result: list[Object] = meta.get(node, "status", "conditions", default=[])
    for condition_type in KUBELET_CONDITIONS:
        old = conditions.find(node, condition_type)
        if old is None:
            new = {
                "type": condition_type,
                "reason": "NodeStatusNeverUpdated",
                "message": "Kubelet never posted node status.",
                "lastHeartbeatTime": meta.format_time(meta.creation_time(node)),
            }
        elif old.get("status") != "Unknown":
            gone = {"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
            new = {**old, **gone}
        else:
            continue
        result = conditions.set_condition(result, {**new, "status": "Unknown"}, now)
    return result


def _taint(seen: Seen, now: datetime) -> list[Action]:
    tainted = with_taints(
        seen.node, now, is_anyone_ready=seen.is_anyone_ready, may_be_emptied=seen.may_be_emptied
    )
    return [Update(NODES, tainted)] if tainted != seen.node else []


def _not_ready(pod: Object, now: datetime) -> list[Action]:
    """A pod on a silent node serves nobody, so far as anybody knows."""
    ready = conditions.find(pod, "Ready")
    if ready is None or ready.get("status") != "True":
        return []
    changed = conditions.set_condition(pod["status"]["conditions"], {**ready, "status": "False"}, now)
    return [
        UpdateStatus(PODS, {**pod, "status": {**pod["status"], "conditions": changed}}),
        EmitEvent(pod, "Warning", "NodeNotReady", "Node is not ready"),
    ]
