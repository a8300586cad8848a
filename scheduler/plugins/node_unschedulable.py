"""Core: keeps pods off cordoned nodes (`kubectl cordon`), unless they tolerate the taint of that name.

After: k8s pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go.
"""

from __future__ import annotations

from kube.api.tolerations import tolerates
from scheduler.framework.interface import SUCCESS, ClusterEvent, CycleState, Verdict, unresolvable
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo

_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_REFUSAL = unresolvable("node(s) were unschedulable")


class NodeUnschedulable:
    """See the module."""

    name = "NodeUnschedulable"
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_TAINTS_CHANGED})

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Verdict:
        assert node.node is not None
        if not node.node.get("spec", {}).get("unschedulable"):
            return SUCCESS
        return SUCCESS if tolerates(pod.spec.get("tolerations") or (), _TAINT) else _REFUSAL
