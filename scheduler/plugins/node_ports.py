"""Core: two pods on a node cannot share a hostPort; the address 0.0.0.0 clashes with every other.

After: k8s pkg/scheduler/framework/plugins/nodeports/node_ports.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube.api.pod_resources import ports_clash
from scheduler.framework.interface import SKIP, SUCCESS, ClusterEvent, CycleState, Verdict, unschedulable
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo

_REFUSAL = unschedulable("node(s) didn't have free ports for the requested pod ports")


class NodePorts:
    """See the module."""

    name = "NodePorts"
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.ASSIGNED_POD_REMOVED})

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Verdict:
        return SUCCESS if pod.host_ports else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Verdict:
        taken = [port for other in node.pods.values() for port in other.host_ports]
        clash = any(ports_clash(wanted, port) for wanted in pod.host_ports for port in taken)
        return _REFUSAL if clash else SUCCESS
