"""Core: nodeSelector and node affinity: required terms filter (one of them must fit), preferred terms score.

After: k8s pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube.api import meta
from kube.api.meta import Object
from scheduler.framework.interface import (
    SKIP,
    SUCCESS,
    ClusterEvent,
    CycleState,
    Verdict,
    normalize,
    unresolvable,
)
from scheduler.framework.matching import matches_node
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo

_REFUSAL = unresolvable("node(s) didn't match Pod's node affinity/selector")


class NodeAffinity:
    """See the module."""

    name = "NodeAffinity"
    events = frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS_CHANGED})

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Verdict:
        return SUCCESS if pod.spec.get("nodeSelector") or _required(pod) is not None else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Verdict:
        return SUCCESS if is_wanted(pod, node) else _REFUSAL

    def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Sequence[float]:
        preferred = _affinity(pod).get("preferredDuringSchedulingIgnoredDuringExecution")
        return normalize([_preference(preferred, node) for node in nodes]) if preferred else ()


def is_wanted(pod: PodInfo, node: NodeInfo) -> bool:
    """True when the pod's nodeSelector and required node affinity allow the node."""
    selector = pod.spec.get("nodeSelector") or {}
    if any(node.labels.get(key) != value for key, value in selector.items()):
        return False
    terms = _required(pod)
    return terms is None or any(matches_node(term, node.node or {}) for term in terms)


def _affinity(pod: PodInfo) -> Object:
    return meta.get(pod.spec, "affinity", "nodeAffinity", default=None) or {}


def _required(pod: PodInfo) -> list[Object] | None:
    required = _affinity(pod).get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else required.get("nodeSelectorTerms") or []


def _preference(preferred: list[Object], node: NodeInfo) -> int:
    return sum(term["weight"] for term in preferred if matches_node(term["preference"], node.node or {}))
