"""Core: a node with the pods on it, and the sums that plug-ins ask for.

Invariants: `requested` and `weight` are always the sums over `pods`, `owner_counts` over those not
terminating; a NodeInfo whose `node` is None belongs to a node not seen yet (or gone) and is never offered
to plug-ins.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kube.api import meta
from kube.api.meta import Object
from kube.api.pod_resources import Resources, parse
from scheduler.framework.pod_info import PodInfo


@dataclass(slots=True)
class NodeInfo:
    """One node as the scheduler sees it. Pods are keyed by uid: names are used again, uids are not."""

    node: Object | None = None
    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    taints: list[Object] = field(default_factory=list)
    allocatable: Resources = field(default_factory=dict)
    requested: Resources = field(default_factory=dict)
    weight: Resources = field(default_factory=dict)
    owner_counts: Counter[str] = field(default_factory=Counter)
    pods: dict[str, PodInfo] = field(default_factory=dict)
    pods_with_affinity: dict[str, PodInfo] = field(default_factory=dict)

    def set_node(self, node: Object) -> None:
        self.node = node
        self.name = meta.name(node)
        self.labels = dict(meta.labels(node))
        self.taints = list(meta.get(node, "spec", "taints", default=None) or ())
        status = node.get("status") or {}
        self.allocatable = parse(status.get("allocatable") or status.get("capacity"))

    def add(self, pod: PodInfo) -> None:
        assert pod.uid not in self.pods, f"pod {pod.key} is counted twice on {self.name}"
        self.pods[pod.uid] = pod
        if pod.has_affinity:
            self.pods_with_affinity[pod.uid] = pod
        self._count(pod, 1)

    def remove(self, uid: str) -> None:
        self.pods_with_affinity.pop(uid, None)
        self._count(self.pods.pop(uid), -1)

    def copy(self) -> NodeInfo:
        """A NodeInfo to try things on; the node and the pods themselves are shared."""
        return NodeInfo(
            node=self.node,
            name=self.name,
            labels=self.labels,
            taints=self.taints,
            allocatable=self.allocatable,
            requested=dict(self.requested),
            weight=dict(self.weight),
            owner_counts=Counter(self.owner_counts),
            pods=dict(self.pods),
            pods_with_affinity=dict(self.pods_with_affinity),
        )

    def _count(self, pod: PodInfo, sign: int) -> None:
        for name, amount in pod.requests.items():
            self.requested[name] = self.requested.get(name, 0) + sign * amount
        for name in ("cpu", "memory"):
            self.weight[name] = self.weight.get(name, 0) + sign * pod.weight.get(name, 0)
        if pod.owner_uid and not pod.is_terminating:
            self.owner_counts[pod.owner_uid] += sign
