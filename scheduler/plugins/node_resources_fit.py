"""Core: what the pod asks for must be free on the node; prefers the node with the most left (least
allocated).

After: k8s pkg/scheduler/framework/plugins/noderesources (fit.go, least_allocated.go).
"""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.framework.interface import (
    MAX_SCORE,
    SUCCESS,
    ClusterEvent,
    Code,
    CycleState,
    Verdict,
)
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo

_SCORED = ("cpu", "memory")


class NodeResourcesFit:
    """See the module."""

    name = "NodeResourcesFit"
    events = frozenset(
        {ClusterEvent.NODE_ADDED, ClusterEvent.NODE_ALLOCATABLE_CHANGED, ClusterEvent.ASSIGNED_POD_REMOVED}
    )

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Verdict:
        allocatable, requested = node.allocatable, node.requested
        reasons: list[str] = []
        code = Code.UNSCHEDULABLE
        if len(node.pods) + 1 > allocatable.get("pods", 0):
            reasons.append("Too many pods")
        for name, amount in pod.requests.items():
            room = allocatable.get(name, 0)
            if amount > 0 and amount > room - requested.get(name, 0):
                reasons.append(f"Insufficient {name}")
                if amount > room:
                    code = Code.UNRESOLVABLE
        return Verdict(code, tuple(reasons)) if reasons else SUCCESS

    def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Sequence[float]:
        return [_least_allocated(pod, node) for node in nodes]


def _least_allocated(pod: PodInfo, node: NodeInfo) -> float:
    total, count = 0.0, 0
    for name in _SCORED:
        room = node.allocatable.get(name, 0)
        if room > 0:
            used = node.weight.get(name, 0) + pod.weight[name]
            total += max(room - used, 0) * MAX_SCORE / room
            count += 1
    return total / count if count else 0.0
