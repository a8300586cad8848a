"""Core: the description of a Node.

After: k8s staging/src/k8s.io/kubectl/pkg/describe/describe.go, describeNode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from cli.describers.text import NONE, Writer, timestamp
from cli.describers.view import View
from kube.api import meta, quantity
from kube.api.meta import Object

ROLE_LABEL = "node-role.kubernetes.io/"
FINISHED = ("Succeeded", "Failed")
STANDARD = ("cpu", "memory", "ephemeral-storage")
INFO = {
    "machineID": "Machine ID",
    "systemUUID": "System UUID",
    "bootID": "Boot ID",
    "kernelVersion": "Kernel Version",
    "osImage": "OS Image",
    "operatingSystem": "Operating System",
    "architecture": "Architecture",
    "containerRuntimeVersion": "Container Runtime Version",
    "kubeletVersion": "Kubelet Version",
    "kubeProxyVersion": "Kube-Proxy Version",
}


def write(out: Writer, view: View) -> None:
    """A node, its capacity and the pods on it."""
    node = view.object
    spec, status = node.get("spec") or {}, node.get("status") or {}
    labels = meta.labels(node)
    roles = sorted(label.removeprefix(ROLE_LABEL) for label in labels if label.startswith(ROLE_LABEL))
    out.field("Name", meta.name(node))
    out.field("Roles", ",".join(roles) or NONE)
    out.mapping("Labels", labels, "=")
    out.annotations(node)
    out.field("CreationTimestamp", timestamp(meta.get(node, "metadata", "creationTimestamp")))
    _write_taints(out, spec.get("taints") or [])
    out.field("Unschedulable", str(bool(spec.get("unschedulable"))).lower())
    _write_lease(out, view.related.get("leases", ()))
    _write_conditions(out, status.get("conditions") or [])
    out.line("Addresses:")
    for address in status.get("addresses") or []:
        out.field(address["type"], address["address"], 1)
    for title in ("Capacity", "Allocatable"):
        out.line(f"{title}:")
        for name, amount in sorted((status.get(title.lower()) or {}).items()):
            out.field(name, amount, 1)
    out.line("System Info:")
    for key, title in INFO.items():
        out.field(title, meta.get(status, "nodeInfo", key, default=""), 1)
    if spec.get("podCIDR"):
        out.field("PodCIDR", spec["podCIDR"])
        out.field("PodCIDRs", ",".join(spec.get("podCIDRs") or [spec["podCIDR"]]))
    running = [
        pod for pod in view.related.get("pods", ()) if meta.get(pod, "status", "phase") not in FINISHED
    ]
    allocatable = status.get("allocatable") or {}
    _write_pods(out, running, allocatable, view)
    _write_allocated(out, running, allocatable)


def _write_taints(out: Writer, taints: Sequence[Object]) -> None:
    texts = []
    for taint in taints:
        value = f"={taint['value']}" if taint.get("value") else ""
        texts.append(f"{taint['key']}{value}:{taint['effect']}")
    out.field("Taints", texts[0] if texts else NONE)
    for text in texts[1:]:
        out.line(f"\t{text}")


def _write_lease(out: Writer, leases: Sequence[Object]) -> None:
    """The heartbeat by which the cluster knows that the node lives."""
    out.line("Lease:")
    lease: Object = leases[0] if leases else {}
    out.field("HolderIdentity", meta.get(lease, "spec", "holderIdentity", default="<unset>"), 1)
    out.field("AcquireTime", timestamp(meta.get(lease, "spec", "acquireTime")), 1)
    out.field("RenewTime", timestamp(meta.get(lease, "spec", "renewTime")), 1)


def _write_conditions(out: Writer, conditions: Sequence[Object]) -> None:
    if not conditions:
        return
    out.line("Conditions:")
    out.line("Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage", 1)
    out.line("----\t------\t-----------------\t------------------\t------\t-------", 1)
    for each in conditions:
        times = (timestamp(each.get("lastHeartbeatTime")), timestamp(each.get("lastTransitionTime")))
        cells = (each["type"], each["status"], *times, each.get("reason", ""), each.get("message", ""))
        out.line(" \t".join(cells), 1)


def _write_pods(out: Writer, pods: Sequence[Object], allocatable: Mapping[str, str], view: View) -> None:
    out.line(f"Non-terminated Pods:\t({len(pods)} in total)")
    out.line("Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge", 1)
    out.line("---------\t----\t\t------------\t----------\t---------------\t-------------\t---", 1)
    for pod in sorted(pods, key=meta.key):
        shares = [
            _share(name, total([pod], kind, name), allocatable)
            for name in ("cpu", "memory")
            for kind in ("requests", "limits")
        ]
        age = view.age(pod["metadata"]["creationTimestamp"])
        out.line("\t".join((meta.namespace(pod), meta.name(pod), "", *shares, age)), 1)


def _write_allocated(out: Writer, pods: Sequence[Object], allocatable: Mapping[str, str]) -> None:
    out.line("Allocated resources:")
    out.line("(Total limits may be over 100 percent, i.e., overcommitted.)", 1)
    out.line("Resource\tRequests\tLimits", 1)
    out.line("--------\t--------\t------", 1)
    for name in STANDARD:
        cells = [_share(name, total(pods, kind, name), allocatable) for kind in ("requests", "limits")]
        out.line("\t".join((name, *cells)), 1)


def _share(name: str, amount: Fraction, allocatable: Mapping[str, str]) -> str:
    """`100m (5%)` of what the node has."""
    whole = _amount(allocatable.get(name, "0"))
    return f"{quantity_text(name, amount)} ({int(amount * 100 / whole) if whole else 0}%)"


def total(pods: Sequence[Object], kind: str, name: str) -> Fraction:
    """What the containers of the pods ask for, or may use, of one resource."""
    return sum(
        (
            _amount(meta.get(container, "resources", kind, name, default="0"))
            for pod in pods
            for container in meta.get(pod, "spec", "containers", default=[])
        ),
        Fraction(0),
    )


def quantity_text(name: str, amount: Fraction) -> str:
    """Processors in thousandths, memory in the largest whole unit of two's powers."""
    if name == "cpu":
        milli = int(amount * 1000)
        return f"{milli // 1000}" if milli % 1000 == 0 else f"{milli}m"
    size = int(amount)
    for unit, suffix in ((1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")):
        if size and size % unit == 0:
            return f"{size // unit}{suffix}"
    return str(size)


def _amount(text: str) -> Fraction:
    return Fraction(quantity.parse(text).milli_value(), 1000)
