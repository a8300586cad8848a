"""Core: what was used at one moment by the node, its pods and their containers.

After: k8s staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Amounts:
    """Processor time since the start, and memory now; nano_cores: lately, where two readings tell."""

    at: datetime
    cpu_nanoseconds: int
    memory_bytes: int
    nano_cores: int | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system: of its size, what anybody may still write, and its inodes."""

    capacity_bytes: int
    available_bytes: int
    inodes: int
    inodes_free: int

    @property
    def used_bytes(self) -> int:
        return self.capacity_bytes - self.available_bytes


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """A running container; files_bytes: what it wrote beside its volumes."""

    name: str
    started_at: datetime | None
    amounts: Amounts
    files_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PodUsage:
    """A pod with running containers."""

    namespace: str
    name: str
    uid: str
    started_at: datetime
    containers: Sequence[ContainerUsage]

    @property
    def amounts(self) -> Amounts:
        """Of all its containers together."""
        return total([each.amounts for each in self.containers], self.started_at)


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """The node: of a machine that is real also what it has of memory, disk and process ids."""

    amounts: Amounts
    started_at: datetime | None = None
    memory_capacity_bytes: int = 0
    disk: Disk | None = None
    pids: int = 0
    pids_max: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it."""

    node: NodeUsage
    pods: Sequence[PodUsage]
    has_errors: bool = False


def total(parts: Sequence[Amounts], at: datetime) -> Amounts:
    """The sum; `at` where there is nothing to add."""
    rates = [each.nano_cores for each in parts if each.nano_cores is not None]
    return Amounts(
        max((each.at for each in parts), default=at),
        sum(each.cpu_nanoseconds for each in parts),
        sum(each.memory_bytes for each in parts),
        sum(rates) if rates else None,
    )
