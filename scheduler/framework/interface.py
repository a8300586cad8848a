"""Core: the extension points. A plug-in has a name, and the methods of the points it takes part in.

    pre_enqueue -> queue -> pre_filter -> filter (each node) -> score (the nodes left) -> reserve, bind
                                             '-> preemption (no node left)

A plug-in sees the pod, nodes as NodeInfo, and a CycleState to remember things in from pre_filter to filter;
it answers with a Verdict. A score is 0 to 100 a node, best first; one call scores all nodes, so that
normalising needs no second. `events` says what happening in the cluster may make a pod schedulable that
this plug-in refused.

Absent: PreScore, NormalizeScore (inside score), Permit, PreBind, PostBind, extenders.
After: k8s staging/src/k8s.io/kube-scheduler/framework/interface.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol, runtime_checkable

from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo

MAX_SCORE = 100

CycleState = dict[str, Any]


class Code(Enum):
    """SKIP: the plug-in's filter need not run. UNRESOLVABLE: preemption cannot help either."""

    SUCCESS = auto()
    SKIP = auto()
    UNSCHEDULABLE = auto()
    UNRESOLVABLE = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A plug-in's answer; `reasons` are what a user reads, `plugin` is filled in by the framework."""

    code: Code
    reasons: tuple[str, ...] = ()
    plugin: str = ""

    @property
    def is_refusal(self) -> bool:
        return self.code in (Code.UNSCHEDULABLE, Code.UNRESOLVABLE)


SUCCESS = Verdict(Code.SUCCESS)
SKIP = Verdict(Code.SKIP)


def unschedulable(*reasons: str) -> Verdict:
    """Not here as things are; other pods going away might help."""
    return Verdict(Code.UNSCHEDULABLE, reasons)


def unresolvable(*reasons: str) -> Verdict:
    """Not here, whatever pods go away."""
    return Verdict(Code.UNRESOLVABLE, reasons)


class ClusterEvent(Enum):
    """What may wake waiting pods."""

    NODE_ADDED = auto()
    NODE_ALLOCATABLE_CHANGED = auto()
    NODE_LABELS_CHANGED = auto()
    NODE_TAINTS_CHANGED = auto()
    ASSIGNED_POD_ADDED = auto()
    ASSIGNED_POD_LABELS_CHANGED = auto()
    ASSIGNED_POD_REMOVED = auto()
    VOLUME_CHANGED = auto()


class Plugin(Protocol):
    """What every plug-in has."""

    name: str
    events: frozenset[ClusterEvent]


@runtime_checkable
class PreEnqueue(Protocol):
    """May keep a pod out of the queue."""

    def pre_enqueue(self, pod: PodInfo) -> Verdict: ...


@runtime_checkable
class PreFilter(Protocol):
    """Looks at the pod and all nodes once, before any filter runs."""

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Verdict: ...


@runtime_checkable
class Filter(Protocol):
    """Says whether the pod may run on a node."""

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Verdict: ...


@runtime_checkable
class Score(Protocol):
    """Ranks the nodes the pod may run on: 0 to MAX_SCORE each; an empty answer means no opinion."""

    def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Sequence[float]: ...


def normalize(values: Sequence[float], reverse: bool = False) -> list[float]:
    """Values of any size scaled so that the largest is MAX_SCORE; with `reverse` the largest becomes 0."""
    largest = max(values, default=0)
    if largest == 0:
        return [MAX_SCORE if reverse else 0] * len(values)
    scaled = [value * MAX_SCORE / largest for value in values]
    return [MAX_SCORE - value for value in scaled] if reverse else scaled
