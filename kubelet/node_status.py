"""Core: what a node says of itself: labels, addresses, capacity, conditions, and its Lease.

Sees: who the node is, the Node object as it is, now. Says: a new Node, a status patch and whether that is
news, a Lease.
Invariants: only the kubelet's own conditions and resources are in a patch: those of others stay.
After: k8s pkg/kubelet/kubelet_node_status.go, pkg/kubelet/nodestatus/setters.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kube.api import conditions, meta
from kube.api.meta import Object

KUBELET_VERSION = "v1.36.0"
LEASE_NAMESPACE = "kube-node-lease"

# What a simulated node offers, whatever the machine.
CAPACITY = {"cpu": "8", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "110"}

_PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Who the node is. machine: Go's name of the processor; runtime: `fake://1.0.0`."""

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


def new_node(facts: NodeFacts) -> Object:
    """The Node to create at the first start."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": facts.name, "labels": labels(facts)},
        "spec": {"podCIDR": facts.pod_cidr, "podCIDRs": [facts.pod_cidr]},
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


def status_patch(facts: NodeFacts, node: Object, now: datetime) -> Object:
    """The strategic merge patch for the node's status; who can send it is ready."""
    wanted = [_condition(kind, False, reason, message) for kind, reason, message in _PRESSURES]
    wanted.append(_condition("Ready", True, "KubeletReady", "kubelet is posting ready status"))
    known = meta.get(node, "status", "conditions", default=[])
    for condition in wanted:
        known = conditions.set_condition(known, condition, now)
    ours = {condition["type"] for condition in wanted}
    return {
        "status": {
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "addresses": [
                {"type": "InternalIP", "address": facts.ip},
                {"type": "Hostname", "address": facts.name},
            ],
            "conditions": [
                {**each, "lastHeartbeatTime": meta.format_time(now)} for each in known if each["type"] in ours
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": facts.port}},
            "nodeInfo": _node_info(facts),
        }
    }


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
