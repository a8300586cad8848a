"""Core: prefers the node whose processor and memory are used in equal parts once the pod is there.

After: k8s pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.framework.interface import MAX_SCORE, ClusterEvent, CycleState
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo


class BalancedAllocation:
    """See the module."""

    name = "NodeResourcesBalancedAllocation"
    events: frozenset[ClusterEvent] = frozenset()

    def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Sequence[float]:
        if not pod.requests.get("cpu") and not pod.requests.get("memory"):
            return ()
        return [_balance(pod, node) for node in nodes]


def _balance(pod: PodInfo, node: NodeInfo) -> float:
    cpu, memory = _fraction(pod, node, "cpu"), _fraction(pod, node, "memory")
    return (1 - abs(cpu - memory) / 2) * MAX_SCORE


def _fraction(pod: PodInfo, node: NodeInfo, name: str) -> float:
    room = node.allocatable.get(name, 0)
    used = node.requested.get(name, 0) + pod.requests.get(name, 0)
    return min(used / room, 1.0) if room else 1.0
