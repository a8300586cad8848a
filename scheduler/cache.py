"""Core: what the scheduler believes of the cluster: nodes with their pods, told by the API or assumed by
itself.

A pod is *assumed* on its node the moment it is chosen, so that the next pod sees the room taken; the API
confirms it later (add), or the binding fails and it is forgotten.

Invariants: a pod is counted on one node at most; an assumed pod stays until it is confirmed, removed or
forgotten.
After: k8s pkg/scheduler/backend/cache/cache.go.
"""

from __future__ import annotations

from kube.api import meta
from kube.api.meta import Object
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo


class Cache:
    """Nodes by name, and for each pod the node that holds it."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeInfo] = {}
        self._node_of: dict[str, str] = {}
        self._assumed: dict[str, PodInfo] = {}
        self._snapshot: tuple[NodeInfo, ...] | None = None

    def cluster_snapshot(self) -> tuple[NodeInfo, ...]:
        """All known nodes. The NodeInfos are live: a scheduling cycle runs to its end without awaiting."""
        if self._snapshot is None:
            self._snapshot = tuple(info for info in self._nodes.values() if info.node is not None)
        return self._snapshot

    def node(self, name: str) -> NodeInfo | None:
        info = self._nodes.get(name)
        return info if info and info.node is not None else None

    def set_node(self, node: Object) -> None:
        info = self._nodes.setdefault(meta.name(node), NodeInfo())
        if info.node is None:
            self._snapshot = None
        info.set_node(node)

    def remove_node(self, name: str) -> None:
        """Forget the node; its pods stay counted until the API says they are gone."""
        info = self._nodes[name]
        info.node = None
        self._snapshot = None
        self._drop_if_empty(name)

    def assume(self, pod: PodInfo) -> None:
        assert pod.uid not in self._node_of, f"pod {pod.key} is assumed, but counted already"
        self._assumed[pod.uid] = pod
        self._place(pod)

    def forget(self, uid: str) -> None:
        """The binding failed: the room is free again, unless the API has said meanwhile that the pod is
        there.
        """
        if self._assumed.pop(uid, None) is not None:
            self._displace(uid)

    def set_pod(self, pod: PodInfo) -> None:
        """The API says that the pod is on its node: confirms an assumed pod, updates a known one."""
        self._assumed.pop(pod.uid, None)
        if pod.uid in self._node_of:
            self._displace(pod.uid)
        self._place(pod)

    def remove_pod(self, uid: str) -> bool:
        """The pod is gone or finished; says whether it had taken room."""
        self._assumed.pop(uid, None)
        if uid not in self._node_of:
            return False
        self._displace(uid)
        return True

    def is_known(self, uid: str) -> bool:
        return uid in self._node_of

    def _place(self, pod: PodInfo) -> None:
        self._nodes.setdefault(pod.node_name, NodeInfo()).add(pod)
        self._node_of[pod.uid] = pod.node_name

    def _displace(self, uid: str) -> None:
        name = self._node_of.pop(uid)
        self._nodes[name].remove(uid)
        self._drop_if_empty(name)

    def _drop_if_empty(self, name: str) -> None:
        info = self._nodes[name]
        if info.node is None and not info.pods:
            del self._nodes[name]
