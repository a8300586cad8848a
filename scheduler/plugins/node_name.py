"""Core: a pod that names its node fits that node alone.

After: k8s pkg/scheduler/framework/plugins/nodename/node_name.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.framework.interface import SKIP, SUCCESS, ClusterEvent, CycleState, Verdict, unresolvable
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo

_REFUSAL = unresolvable("node(s) didn't match the requested node name")


class NodeName:
    """See the module."""

    name = "NodeName"
    events = frozenset({ClusterEvent.NODE_ADDED})

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Verdict:
        return SUCCESS if pod.node_name else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Verdict:
        return SUCCESS if node.name == pod.node_name else _REFUSAL
