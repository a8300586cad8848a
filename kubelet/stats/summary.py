"""Core: /stats/summary: the same in the kubelet's older shape, with disks.

Absent: networks, page faults; what each volume holds.
After: k8s staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go, Summary
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kube.api import meta
from kubelet.stats.usage import Amounts, ContainerUsage, Disk, NodeUsage, PodUsage, Snapshot

Json = dict[str, Any]


def document(node_name: str, snapshot: Snapshot) -> Json:
    """The whole document; `only_cpu_and_memory` leaves it to the caller to take the rest out."""
    return {"node": _node(node_name, snapshot.node), "pods": [_pod(each) for each in snapshot.pods]}


def only_cpu_and_memory(summary: Json) -> Json:
    """The part that `?only_cpu_and_memory=true` asks for."""
    kept = ("nodeName", "podRef", "name", "startTime", "cpu", "memory")

    def cut(part: Json) -> Json:
        return {key: value for key, value in part.items() if key in kept}

    pods = [cut(pod) | {"containers": [cut(each) for each in pod["containers"]]} for pod in summary["pods"]]
    return {"node": cut(summary["node"]), "pods": pods}


def _node(name: str, node: NodeUsage) -> Json:
    at = meta.format_time(node.amounts.at)
    memory = _memory(node.amounts)
    if node.memory_capacity_bytes:
        memory["availableBytes"] = node.memory_capacity_bytes - node.amounts.memory_bytes
    part: Json = {"nodeName": name, **_started(node.started_at), "cpu": _cpu(node.amounts), "memory": memory}
    if node.disk is not None:
        part |= {"fs": _disk(at, node.disk), "runtime": {"imageFs": _disk(at, node.disk)}}
    if node.pids_max:
        part["rlimit"] = {"time": at, "maxpid": node.pids_max, "curproc": node.pids}
    return part


def _pod(pod: PodUsage) -> Json:
    written = sum(each.files_bytes for each in pod.containers)
    return {
        "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        **_started(pod.started_at),
        "containers": [_container(each) for each in pod.containers],
        "cpu": _cpu(pod.amounts),
        "memory": _memory(pod.amounts),
        "ephemeral-storage": {"time": meta.format_time(pod.amounts.at), "usedBytes": written},
    }


def _container(container: ContainerUsage) -> Json:
    at = meta.format_time(container.amounts.at)
    return {
        "name": container.name,
        **_started(container.started_at),
        "cpu": _cpu(container.amounts),
        "memory": _memory(container.amounts),
        "rootfs": {"time": at, "usedBytes": container.files_bytes},
    }


def _started(at: datetime | None) -> Json:
    return {"startTime": meta.format_time(at)} if at is not None else {}


def _cpu(amounts: Amounts) -> Json:
    rate = {"usageNanoCores": amounts.nano_cores} if amounts.nano_cores is not None else {}
    return {
        "time": meta.format_time(amounts.at),
        **rate,
        "usageCoreNanoSeconds": amounts.cpu_nanoseconds,
    }


def _memory(amounts: Amounts) -> Json:
    return {
        "time": meta.format_time(amounts.at),
        "usageBytes": amounts.memory_bytes,
        "workingSetBytes": amounts.memory_bytes,
    }


def _disk(at: str, disk: Disk) -> Json:
    return {
        "time": at,
        "availableBytes": disk.available_bytes,
        "capacityBytes": disk.capacity_bytes,
        "usedBytes": disk.used_bytes,
        "inodesFree": disk.inodes_free,
        "inodes": disk.inodes,
        "inodesUsed": disk.inodes - disk.inodes_free,
    }
