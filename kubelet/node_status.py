"""Core: what a node says of itself: labels, addresses, capacity, conditions, images, and its Lease.

Sees: who the node is, how it fares, the Node object as it is, now. Says: a new Node, a status
patch and whether that is news, a Lease.
Invariants: only the kubelet's own conditions and resources are in a patch: those of others stay.
After: k8s pkg/kubelet/kubelet_node_status.go, pkg/kubelet/nodestatus/setters.go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kube.api import conditions, meta
from kube.api.meta import Object
from kubelet.node_capacity import CAPACITY, Amounts
from kubelet.runtime.interface import Image

KUBELET_VERSION = "v1.36.0"
LEASE_NAMESPACE = "kube-node-lease"

IMAGES_MAX = 50
IMAGE_NAMES_MAX = 5

# Condition, then reason and message while all is well, and while it is not. An Event's reason is the same,
# with Node in place of Kubelet.
_PRESSURES = (
    (
        "MemoryPressure",
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    ),
    (
        "DiskPressure",
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    ),
    (
        "PIDPressure",
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
    ),
)
READY = "Ready"


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Who the node is. machine: Go's name of the processor; runtime: `fake://1.0.0`; own_labels,
    taints: those it registers with.
    """

    name: str
    ip: str
    port: int
    pod_cidr: str
    machine: str
    kernel: str
    os_image: str
    machine_id: str
    boot_id: str
    runtime: str
    capacity: Amounts = field(default_factory=lambda: CAPACITY)
    allocatable: Amounts = field(default_factory=lambda: CAPACITY)
    own_labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Object] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """How the node fares: why its runtime runs nothing, of what it has too little, which images it has."""

    problem: str | None = None
    pressures: Collection[str] = ()
    images: Sequence[Image] = ()


FINE = Condition()


def new_node(facts: NodeFacts) -> Object:
    """The Node to create at the first start."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": facts.name, "labels": labels(facts) | {**facts.own_labels}},
        "spec": {"podCIDR": facts.pod_cidr, "podCIDRs": [facts.pod_cidr]}
        | ({"taints": [*facts.taints]} if facts.taints else {}),
    }


def labels(facts: NodeFacts) -> dict[str, str]:
    """The labels a kubelet puts on its node."""
    return {
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.machine,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": facts.machine,
    }


def status_patch(facts: NodeFacts, node: Object, now: datetime, fares: Condition = FINE) -> Object:
    """The strategic merge patch for the node's status; who can send it is ready, if his runtime is."""
    wanted = [_pressure(kind, well, ill, fares) for kind, well, ill in _PRESSURES] + [_ready(fares)]
    known = meta.get(node, "status", "conditions", default=[])
    for condition in wanted:
        known = conditions.set_condition(known, condition, now)
    ours = {condition["type"] for condition in wanted}
    return {
        "status": {
            "capacity": {**facts.capacity},
            "allocatable": {**facts.allocatable},
            "addresses": [
                {"type": "InternalIP", "address": facts.ip},
                {"type": "Hostname", "address": facts.name},
            ],
            "conditions": [
                {**each, "lastHeartbeatTime": meta.format_time(now)} for each in known if each["type"] in ours
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": facts.port}},
            "nodeInfo": _node_info(facts),
            **_images(fares.images, node),
        }
    }


def _pressure(kind: str, well: tuple[str, str], ill: tuple[str, str], fares: Condition) -> Object:
    holds = kind in fares.pressures
    return _condition(kind, holds, *(ill if holds else well))


def _ready(fares: Condition) -> Object:
    if fares.problem is not None:
        return _condition(READY, False, "KubeletNotReady", fares.problem)
    return _condition(READY, True, "KubeletReady", "kubelet is posting ready status")


def _images(images: Sequence[Image], node: Object) -> Object:
    """The largest first, of each so many names; nothing where there are none and none were told."""
    largest = sorted(images, key=lambda each: (-each.size_bytes, each.id))[:IMAGES_MAX]
    shown = [
        {"names": [*each.names][:IMAGE_NAMES_MAX], "sizeBytes": each.size_bytes}
        for each in largest
        if each.names
    ]
    return {"images": shown} if shown or meta.get(node, "status", "images") else {}


def transitions(node: Object, patch: Object) -> list[str]:
    """The reasons of the Events that tell users which conditions the patch changes."""
    before = {each["type"]: each.get("status") for each in meta.get(node, "status", "conditions", default=[])}
    found = []
    for each in patch["status"]["conditions"]:
        if each["status"] == before.get(each["type"]):
            continue
        if each["type"] == READY:
            found.append("NodeReady" if each["status"] == "True" else "NodeNotReady")
        else:
            found.append(each["reason"].replace("Kubelet", "Node", 1))
    return found


def is_news(node: Object, patch: Object) -> bool:
    """True when the patch would change more than heartbeats."""
    known = node.get("status") or {}
    return any(_lasting(known.get(part)) != _lasting(said) for part, said in patch["status"].items())


def _lasting(part: Any) -> Any:
    """What remains of a part of the status without heartbeats, order and empty texts."""
    if isinstance(part, list):
        return sorted((_lasting(each) for each in part), key=repr)
    if isinstance(part, dict):
        return {key: value for key, value in part.items() if key != "lastHeartbeatTime" and value != ""}
    return part


def new_lease(facts: NodeFacts, node: Object, seconds: int, now: datetime) -> Object:
    """The node's Lease; it is owned by the Node and goes with it."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": facts.name, "uid": meta.uid(node)}
    metadata = {"name": facts.name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]}
    return {"metadata": metadata, "spec": lease_spec(facts, seconds, now)}


def lease_spec(facts: NodeFacts, seconds: int, now: datetime) -> Object:
    """The spec of the node's Lease, renewed now."""
    return {
        "holderIdentity": facts.name,
        "leaseDurationSeconds": seconds,
        "renewTime": meta.format_micro_time(now),
    }


def _condition(kind: str, is_true: bool, reason: str, message: str) -> Object:
    return {"type": kind, "status": "True" if is_true else "False", "reason": reason, "message": message}


def _node_info(facts: NodeFacts) -> Object:
    return {
        "machineID": facts.machine_id,
        "systemUUID": facts.machine_id,
        "bootID": facts.boot_id,
        "kernelVersion": facts.kernel,
        "osImage": facts.os_image,
        "containerRuntimeVersion": facts.runtime,
        "kubeletVersion": KUBELET_VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": facts.machine,
    }
