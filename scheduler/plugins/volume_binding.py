"""Core: a pod waits for its claims to be bound, and runs where their volumes are.

Claims of classes that wait for their first consumer are bound after the node is chosen: the scheduler names
the node in the claim, and binds the pod when the claim is bound. They go to any node, unless one was named.

Absent: choosing among volumes that nobody provisions (local ones that wait for a consumer), storage
capacity, allowed topologies, scores.
After: k8s pkg/scheduler/framework/plugins/volumebinding/{volume_binding,binder}.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube.api import meta
from kube.api.meta import Object
from kube.api.node_selection import matches_node
from kube.api.volumes import NO_PROVISIONER, SELECTED_NODE
from scheduler.framework.interface import (
    SKIP,
    SUCCESS,
    ClusterEvent,
    CycleState,
    Verdict,
    unresolvable,
)
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo
from scheduler.framework.volumes import Volumes, is_bound, is_delayed

_UNBOUND = unresolvable("pod has unbound immediate PersistentVolumeClaims")
_ELSEWHERE = unresolvable("node(s) didn't match PersistentVolume's node affinity")
_NONE_FREE = unresolvable("node(s) didn't find available persistent volumes to bind")
_GONE = unresolvable("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)")


class VolumeBinding:
    """See the module."""

    name = "VolumeBinding"
    events = frozenset(
        {ClusterEvent.VOLUME_CHANGED, ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS_CHANGED}
    )

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Verdict:
        found = self._volumes.claims_of(pod)
        if not found:
            return SKIP
        for name, claim, is_ephemeral in found:
            if (why := _unusable(pod, name, claim, is_ephemeral)) is not None:
                return unresolvable(why)
        if any(not is_delayed(each, self._volumes.class_of(each)) for each in self._volumes.unbound(pod)):
            return _UNBOUND
        state[self.name] = [claim for _, claim, _ in found]
        return SUCCESS

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Verdict:
        for claim in state[self.name]:
            verdict = self._bound(claim, node) if is_bound(claim) else self._unbound(claim, node)
            if verdict is not SUCCESS:
                return verdict
        return SUCCESS

    def _bound(self, claim: Object, node: NodeInfo) -> Verdict:
        volume = self._volumes.volumes.get(claim["spec"]["volumeName"])
        if volume is None:
            return _GONE
        required = meta.get(volume, "spec", "nodeAffinity", "required")
        if required is None or any(matches_node(term, node.node or {}) for term in _terms(required)):
            return SUCCESS
        return _ELSEWHERE

    def _unbound(self, claim: Object, node: NodeInfo) -> Verdict:
        storage_class = self._volumes.class_of(claim) or {}
        if storage_class.get("provisioner") == NO_PROVISIONER:
            return _NONE_FREE
        named = meta.annotations(claim).get(SELECTED_NODE)
        return SUCCESS if named in (None, node.name) else _NONE_FREE


def _terms(selector: Object) -> list[Object]:
    terms: list[Object] = selector.get("nodeSelectorTerms") or []
    return terms


def _unusable(pod: PodInfo, name: str, claim: Object | None, is_ephemeral: bool) -> str | None:
    """Why no node will do as long as the claim is like this."""
    if claim is None and is_ephemeral:
        return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
    if claim is None:
        return f'persistentvolumeclaim "{name}" not found'
    if meta.get(claim, "status", "phase") == "Lost":
        volume = claim["spec"].get("volumeName", "")
        return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume}"'
    if meta.is_terminating(claim):
        return f'persistentvolumeclaim "{name}" is being deleted'
    if is_ephemeral and not meta.is_controlled_by(claim, pod.pod):
        return f"PVC {pod.namespace}/{name} was not created for pod {pod.key} (pod is not owner)"
    return None
