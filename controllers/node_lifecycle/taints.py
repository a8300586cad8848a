"""Core: the taints that say in scheduling's words what a node's conditions and `unschedulable` say.

    Ready False     not-ready        NoSchedule, and NoExecute: pods that do not tolerate it must go
    Ready Unknown   unreachable      the same
    pressure True   memory-pressure, disk-pressure, pid-pressure, network-unavailable: NoSchedule
    unschedulable   unschedulable    NoSchedule (`kubectl cordon`)

A node that has never reported keeps the not-ready taint it was born with. When no node at all is ready, the
cause is more likely here than there, and nobody is evicted: moving pods would help nobody. A node that is not
being emptied begins to be only when its zone lets it (zones.py).

Invariants: taints of others, and with other effects, stay as they are.
After: k8s pkg/controller/nodelifecycle/node_lifecycle_controller.go, doNoScheduleTaintingPass and
handleDisruption.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from kube.api import conditions, meta
from kube.api.meta import Object

PREFIX = "node.kubernetes.io/"
NOT_READY, UNREACHABLE = f"{PREFIX}not-ready", f"{PREFIX}unreachable"
UNSCHEDULABLE = f"{PREFIX}unschedulable"
NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"

# condition type -> the taint it asks for when it is True
PRESSURES = {
    "MemoryPressure": f"{PREFIX}memory-pressure",
    "DiskPressure": f"{PREFIX}disk-pressure",
    "NetworkUnavailable": f"{PREFIX}network-unavailable",
    "PIDPressure": f"{PREFIX}pid-pressure",
}
MANAGED = {
    *((key, NO_SCHEDULE) for key in (NOT_READY, UNREACHABLE, UNSCHEDULABLE, *PRESSURES.values())),
    *((key, NO_EXECUTE) for key in (NOT_READY, UNREACHABLE)),
}


def is_emptied(node: Object) -> bool:
    """True when the node's pods are being evicted already."""
    keys = ((NOT_READY, NO_EXECUTE), (UNREACHABLE, NO_EXECUTE))
    return any(_identity(each) in keys for each in meta.get(node, "spec", "taints", default=[]))


def with_taints(node: Object, now: datetime, *, is_anyone_ready: bool, may_be_emptied: bool = True) -> Object:
    """The node with the taints it should have; equal to `node` if it has them."""
    evicts = is_anyone_ready and (may_be_emptied or is_emptied(node))
    wanted = [*_wanted(node, evicts=evicts)]
    had: list[Object] = meta.get(node, "spec", "taints", default=[])
    kept = [each for each in had if _identity(each) not in MANAGED or _identity(each) in wanted]
    present = {_identity(each) for each in kept}
    added = [
        {"key": key, "effect": effect, "timeAdded": meta.format_time(now)}
        for key, effect in wanted
        if (key, effect) not in present
    ]
    spec = {part: value for part, value in (node.get("spec") or {}).items() if part != "taints"}
    taints = [*kept, *added]
    return {**node, "spec": {**spec, "taints": taints} if taints else spec}


def _wanted(node: Object, *, evicts: bool) -> Iterator[tuple[str, str]]:
    ready = conditions.find(node, "Ready")
    if not conditions.is_true(node, "Ready"):
        key = UNREACHABLE if ready is not None and ready["status"] == "Unknown" else NOT_READY
        yield key, NO_SCHEDULE
        if ready is not None and evicts:
            yield key, NO_EXECUTE
    for condition_type, key in PRESSURES.items():
        if conditions.is_true(node, condition_type):
            yield key, NO_SCHEDULE
    if meta.get(node, "spec", "unschedulable", default=False):
        yield UNSCHEDULABLE, NO_SCHEDULE


def _identity(taint: Object) -> tuple[str, str]:
    return taint["key"], taint.get("effect", "")
