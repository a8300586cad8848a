"""Core: keeps pods off nodes whose NoSchedule and NoExecute taints they do not tolerate; prefers nodes with
few untolerated PreferNoSchedule taints.

After: k8s pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube.api.tolerations import tolerates
from scheduler.framework.interface import (
    SUCCESS,
    ClusterEvent,
    CycleState,
    Verdict,
    normalize,
    unresolvable,
)
from scheduler.framework.matching import tolerates_hard_taints
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo

_REFUSAL = unresolvable("node(s) had untolerated taint(s)")


class TaintToleration:
    """See the module."""

    name = "TaintToleration"
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_TAINTS_CHANGED})

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Verdict:
        return SUCCESS if not node.taints or tolerates_hard_taints(pod, node) else _REFUSAL

    def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Sequence[float]:
        if not any(node.taints for node in nodes):
            return ()
        tolerations = [
            toleration
            for toleration in pod.spec.get("tolerations") or ()
            if toleration.get("effect") in (None, "", "PreferNoSchedule")
        ]
        return normalize([_untolerated(node, tolerations) for node in nodes], reverse=True)


def _untolerated(node: NodeInfo, tolerations: list[dict[str, object]]) -> int:
    return sum(
        taint.get("effect") == "PreferNoSchedule" and not tolerates(tolerations, taint)
        for taint in node.taints
    )
