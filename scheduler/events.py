"""Core: what a change of a node may mean to waiting pods.

After: k8s pkg/scheduler/framework/events.go, NodeSchedulingPropertiesChange.
"""

from __future__ import annotations

from kube.api import meta
from kube.api.meta import Object
from scheduler.framework.interface import ClusterEvent


def node_changes(old: Object, new: Object) -> list[ClusterEvent]:
    """The events in an update of a node; a heartbeat is none."""
    events = []
    if meta.get(old, "status", "allocatable") != meta.get(new, "status", "allocatable"):
        events.append(ClusterEvent.NODE_ALLOCATABLE_CHANGED)
    if meta.labels(old) != meta.labels(new):
        events.append(ClusterEvent.NODE_LABELS_CHANGED)
    if _taints(old) != _taints(new):
        events.append(ClusterEvent.NODE_TAINTS_CHANGED)
    return events


def is_same_to_scheduling(old: Object, new: Object) -> bool:
    """True when an update of a waiting pod changes nothing that a plug-in looks at."""
    return (
        old.get("spec") == new.get("spec")
        and meta.labels(old) == meta.labels(new)
        and meta.is_terminating(old) == meta.is_terminating(new)
    )


def _taints(node: Object) -> tuple[object, bool]:
    spec = node.get("spec") or {}
    return spec.get("taints") or [], bool(spec.get("unschedulable"))
