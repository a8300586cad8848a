"""Core: may a pod run on this node? The scheduler has asked already, but others bind pods as well, and a node
changes.

    bound pod + node + what is admitted -> None, or a Refusal: reason and message in the kubelet's words

A pod that was admitted counts until it has finished or is gone. A static pod asks nobody about taints.

Absent: making room for critical pods by ending others.
After: k8s pkg/kubelet/lifecycle/predicate.go; pkg/scheduler/scheduler.go, AdmissionCheck;
pkg/scheduler/framework/plugins/noderesources/fit.go
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kube.api import meta
from kube.api.meta import Object
from kube.api.node_selection import allows_node
from kube.api.pod_resources import HostPort, Resources, host_ports, parse, pod_requests, ports_clash
from kube.api.tolerations import tolerates

OUT_OF = "OutOf"
PODS = "pods"
# Looked at for every pod, in this order; others after them.
FIRST = ("cpu", "memory", "ephemeral-storage")
NODE_AFFINITY = "NodeAffinity"
SOURCE = "kubernetes.io/config.source"
API = "api"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a pod may not run here."""

    reason: str
    message: str

    @property
    def status_message(self) -> str:
        """As the pod's status says it."""
        return f"Pod was rejected: {self.message}"


@dataclass(frozen=True, slots=True)
class Share:
    """What a pod takes of its node."""

    requests: Resources
    ports: tuple[HostPort, ...]

    @classmethod
    def of(cls, pod: Object) -> Share:
        return cls(pod_requests(pod), host_ports(pod))


@dataclass(slots=True)
class Admitted:
    """The pods that are admitted, by uid, and what they take together."""

    shares: dict[str, Share] = field(default_factory=dict)
    total: Resources = field(default_factory=dict)

    def add(self, pod: Object) -> None:
        """Count a pod; again, if it has changed."""
        self.remove(meta.uid(pod))
        share = self.shares[meta.uid(pod)] = Share.of(pod)
        self._count(share, 1)

    def remove(self, uid: str) -> None:
        """Count a pod no more."""
        if (share := self.shares.pop(uid, None)) is not None:
            self._count(share, -1)

    def _count(self, share: Share, sign: int) -> None:
        for name, amount in share.requests.items():
            self.total[name] = self.total.get(name, 0) + sign * amount

    def refusal(self, pod: Object, node: Object) -> Refusal | None:
        """Why the pod may not run on the node beside those that are admitted; the first reason."""
        return next(self._refusals(pod, node), None)

    def _refusals(self, pod: Object, node: Object) -> Iterator[Refusal]:
        system = meta.get(pod, "spec", "os", "name", default="linux")
        if meta.labels(pod).get("kubernetes.io/os", "linux") != "linux":
            label = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
            yield Refusal("PodOSSelectorNodeLabelDoesNotMatch", label)
        if system != "linux":
            yield Refusal("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
        share = Share.of(pod)
        yield from self._lacks(share.requests, node)
        if not allows_node(pod["spec"], node):
            yield _failed(NODE_AFFINITY, "node(s) didn't match Pod's node affinity/selector")
        if pod["spec"].get("nodeName") not in ("", None, meta.name(node)):
            yield _failed("NodeName", "node(s) didn't match the requested node name")
        taken = [port for each in self.shares.values() for port in each.ports] if share.ports else []
        if any(ports_clash(one, other) for one in share.ports for other in taken):
            yield _failed("NodePorts", "node(s) didn't have free ports for the requested pod ports")
        if meta.annotations(pod).get(SOURCE, API) == API and not _bears_eviction(pod, node):
            yield _failed("TaintToleration", "node(s) had taints that the pod didn't tolerate")

    def _lacks(self, requests: Resources, node: Object) -> Iterator[Refusal]:
        """Of which resources the node has too little left; one it never had is left to others."""
        status = node.get("status") or {}
        has = parse(status.get("allocatable") or status.get("capacity"))
        if PODS in has and len(self.shares) + 1 > has[PODS]:
            yield _insufficient(PODS, 1, len(self.shares), has[PODS])
        for name in (*FIRST, *(each for each in requests if each not in FIRST)):
            wanted, used = requests.get(name, 0), self.total.get(name, 0)
            if wanted and name in has and wanted > has[name] - used:
                yield _insufficient(name, wanted, used, has[name])


def _bears_eviction(pod: Object, node: Object) -> bool:
    taints = meta.get(node, "spec", "taints", default=None) or ()
    tolerations = pod["spec"].get("tolerations") or ()
    return all(each.get("effect") != "NoExecute" or tolerates(tolerations, each) for each in taints)


def _failed(predicate: str, why: str) -> Refusal:
    return Refusal(predicate, f"Predicate {predicate} failed: {why}")


def _insufficient(name: str, wanted: int, used: int, capacity: int) -> Refusal:
    message = (
        f"Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, capacity: {capacity}"
    )
    return Refusal(OUT_OF + name, message)
