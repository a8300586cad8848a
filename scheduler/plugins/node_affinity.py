"""Core: nodeSelector and node affinity: required terms filter (one of them must fit), preferred terms score.

After: k8s pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube.api.meta import Object
from kube.api.node_selection import matches_node, node_affinity, required_terms
from scheduler.framework.interface import (
    SKIP,
    SUCCESS,
    ClusterEvent,
    CycleState,
    Verdict,
    normalize,
    unresolvable,
)
from scheduler.framework.matching import allows_node
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo

_REFUSAL = unresolvable("node(s) didn't match Pod's node affinity/selector")


class NodeAffinity:
    """See the module."""

    name = "NodeAffinity"
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS_CHANGED})

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Verdict:
        return SUCCESS if pod.spec.get("nodeSelector") or required_terms(pod.spec) is not None else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Verdict:
        return SUCCESS if allows_node(pod, node) else _REFUSAL

    def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Sequence[float]:
        preferred = node_affinity(pod.spec).get("preferredDuringSchedulingIgnoredDuringExecution")
        return normalize([_preference(preferred, node) for node in nodes]) if preferred else ()


def _preference(preferred: list[Object], node: NodeInfo) -> int:
    return sum(term["weight"] for term in preferred if matches_node(term["preference"], node.node or {}))
