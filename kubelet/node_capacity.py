"""Core: how much a node has, how much of it is for pods, and when too little is left.

    allocatable = capacity - system reserved - kube reserved - what eviction keeps free

After: k8s pkg/kubelet/cm/node_container_manager_linux.go; pkg/kubelet/nodestatus/setters.go, MachineInfo;
pkg/kubelet/eviction/helpers.go
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from kube.api import quantity
from kube.api.quantity import ZERO, Quantity
from kubelet.stats.usage import NodeUsage

Amounts = Mapping[str, str]

# What a simulated node offers, whatever the machine.
CAPACITY: Amounts = {"cpu": "8", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "110"}
EVICTION_HARD = (
    "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,"
    "imagefs.inodesFree<5%"
)
# Which condition says that too little of something is left.
PRESSURES = {
    "memory.available": "MemoryPressure",
    "nodefs.available": "DiskPressure",
    "nodefs.inodesFree": "DiskPressure",
    "imagefs.available": "DiskPressure",
    "imagefs.inodesFree": "DiskPressure",
    "pid.available": "PIDPressure",
}
# What is kept free of these is no pod's.
KEPT_FREE = {"memory.available": "memory", "nodefs.available": "ephemeral-storage"}
THRESHOLD = re.compile(r"([\w.]+)<(?:(\d+(?:\.\d+)?)%|(\w+))")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A share of what there is, or an amount."""

    share: Fraction | None = None
    amount: Fraction = Fraction(0)

    def of(self, capacity: Fraction) -> Fraction:
        return self.amount if self.share is None else capacity * self.share


def parse_amounts(text: str) -> dict[str, str]:
    """`cpu=500m,memory=1Gi`; ValueError for anything else."""
    found = {}
    for part in filter(None, text.split(",")):
        name, equals, amount = part.partition("=")
        if not name or not equals:
            raise ValueError(f"{part!r} is not of the form cpu=500m")
        quantity.parse(amount)
        found[name.strip()] = amount
    return found


def parse_thresholds(text: str) -> dict[str, Threshold]:
    """`memory.available<100Mi,nodefs.available<10%`; ValueError for anything else."""
    found = {}
    for part in filter(None, text.split(",")):
        match = THRESHOLD.fullmatch(part)
        if match is None or match[1] not in PRESSURES:
            raise ValueError(f"{part!r} is not of the form memory.available<100Mi")
        name, share, amount = match.groups()
        found[name] = (
            Threshold(Fraction(share) / 100) if share else Threshold(amount=quantity.parse(amount).amount)
        )
    return found


def of_machine(cpu_count: int, memory_bytes: int, disk_bytes: int, pods_max: int) -> dict[str, str]:
    """The capacity of a machine."""
    return {
        "cpu": str(cpu_count),
        "ephemeral-storage": f"{disk_bytes // 1024}Ki",
        "memory": f"{memory_bytes // 1024}Ki",
        "pods": str(pods_max),
    }


def allocatable(
    capacity: Amounts, reserved: Iterable[Amounts], kept_free: Mapping[str, Threshold]
) -> dict[str, str]:
    """What of the capacity is for pods; never less than nothing."""
    left: dict[str, Quantity] = {name: quantity.parse(amount) for name, amount in capacity.items()}
    for amounts in reserved:
        for name in amounts.keys() & left.keys():
            left[name] = left[name] - quantity.parse(amounts[name])
    for signal, name in KEPT_FREE.items():
        if name in left and signal in kept_free:
            kept = kept_free[signal].of(quantity.parse(capacity[name]).amount)
            left[name] = left[name] - Quantity(Fraction(int(kept)))
    return {name: str(amount if amount > ZERO else ZERO) for name, amount in left.items()}


def pressures(usage: NodeUsage, thresholds: Mapping[str, Threshold]) -> Collection[str]:
    """The conditions that hold: of something less is left than the threshold says."""
    left = {
        "memory.available": (
            usage.memory_capacity_bytes - usage.amounts.memory_bytes,
            usage.memory_capacity_bytes,
        ),
        "pid.available": (usage.pids_max - usage.pids, usage.pids_max),
    }
    if usage.disk is not None:
        space = usage.disk.available_bytes, usage.disk.capacity_bytes
        inodes = usage.disk.inodes_free, usage.disk.inodes
        left |= {"nodefs.available": space, "imagefs.available": space}
        left |= {"nodefs.inodesFree": inodes, "imagefs.inodesFree": inodes}
    return {
        PRESSURES[signal]
        for signal, threshold in thresholds.items()
        if signal in left and left[signal][1] and left[signal][0] < threshold.of(Fraction(left[signal][1]))
    }
