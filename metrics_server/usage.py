"""Core: what was used between two readings of a kubelet.

A container that the first reading did not have is counted from its start, if it has run for long enough to
say anything; otherwise nothing is said of it yet. Where many nodes have one kubelet its own sample is of no
single one, and a node uses what its pods do.

After: metrics-server pkg/storage/{node,pod,types}.go
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction

from metrics_server.samples import Reading, Sample

# A container that has run for less says nothing.
FRESH_SECONDS_MIN = 1
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Usage:
    """Cores used over a window that ended at a time, and memory then."""

    at: datetime
    window_seconds: Fraction
    cores: Fraction
    memory_bytes: int

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            max(self.at, other.at),
            max(self.window_seconds, other.window_seconds),
            self.cores + other.cores,
            self.memory_bytes + other.memory_bytes,
        )


@dataclass(slots=True)
class Measured:
    """Usage by the name of a node, and by namespace/name and container of a pod."""

    nodes: dict[str, Usage] = field(default_factory=dict)
    pods: dict[str, dict[str, Usage]] = field(default_factory=dict)


def between(first: Sample | None, second: Sample) -> Usage | None:
    """What was used; None where that cannot be told."""
    if second.cpu is None or second.at is None or second.memory is None:
        return None
    before, since = _beginning(first, second)
    if before is None or since is None or second.at <= since or second.cpu < before:
        return None
    window = second.at - since
    at = datetime.fromtimestamp(float(second.at), UTC)
    return Usage(at, window, (second.cpu - before) / window, second.memory)


def _beginning(first: Sample | None, second: Sample) -> tuple[Fraction | None, Fraction | None]:
    """The counter and the time to count from: the first reading, or the start of what is newer than that."""
    assert second.at is not None, "it was looked at"
    is_known = first is not None and first.at is not None and first.at < second.at
    if first is not None and is_known and not (second.started and second.started > (first.at or ZERO)):
        return first.cpu, first.at
    if second.started is None or second.at - second.started < FRESH_SECONDS_MIN:
        return None, None
    return ZERO, second.started


def measure(
    into: Measured, nodes: Iterable[str], first: Reading | None, second: Reading, places: Mapping[str, str]
) -> None:
    """Note what a kubelet's nodes and pods used; places: the node of each pod."""
    before = first or Reading()
    names = list(nodes)
    pods: dict[str, dict[str, Usage]] = {}
    for key, sample in second.containers.items():
        namespace, pod, container = key
        if (usage := between(before.containers.get(key), sample)) is not None:
            pods.setdefault(f"{namespace}/{pod}", {})[container] = usage
    # A pod of which one container cannot be told about yet is not told about at all.
    for namespace, pod, container in second.containers:
        if container not in pods.get(f"{namespace}/{pod}", {}):
            pods.pop(f"{namespace}/{pod}", None)
    into.pods |= pods
    whole = between(before.node, second.node)
    if whole is None:
        return
    if len(names) == 1:
        into.nodes[names[0]] = whole
        return
    idle = Usage(whole.at, whole.window_seconds, ZERO, 0)
    into.nodes |= dict.fromkeys(names, idle)
    for who, containers in pods.items():
        if (name := places.get(who, "")) in names:
            into.nodes[name] = sum(containers.values(), into.nodes[name])
