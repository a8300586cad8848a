"""Core: pods for whom others were preempted, and the node each was promised.

Until such a pod is placed, pods of no higher priority see its node as if it were there already; else they
would take the room that was made for it.

After: k8s pkg/scheduler/backend/queue/nominator.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo


class Nominator:
    """Promised nodes, by pod uid and by node name."""

    def __init__(self) -> None:
        self._node_of: dict[str, str] = {}
        self._on: dict[str, dict[str, PodInfo]] = {}

    def nominate(self, pod: PodInfo, node_name: str) -> None:
        self.forget(pod.uid)
        self._node_of[pod.uid] = node_name
        self._on.setdefault(node_name, {})[pod.uid] = pod

    def forget(self, uid: str) -> None:
        node_name = self._node_of.pop(uid, None)
        if node_name is not None:
            del self._on[node_name][uid]

    def promised(self, pod: PodInfo, node_name: str) -> Sequence[PodInfo]:
        """The pods whose claim to the node `pod` must respect."""
        nominated = self._on.get(node_name)
        if not nominated:
            return ()
        return [each for each in nominated.values() if each.priority >= pod.priority and each.uid != pod.uid]

    def with_promised(self, pod: PodInfo, node: NodeInfo) -> NodeInfo:
        """The node as `pod` should see it."""
        promised = self.promised(pod, node.name)
        if not promised:
            return node
        crowded = node.copy()
        for each in promised:
            if each.uid not in crowded.pods:
                crowded.add(each)
        return crowded
