"""Core: one scheduling cycle: which node for this pod, or why none.

    pre_filter (once) -> filter (node by node, until enough fit) -> score (those) -> the best; among equals,
    chance

With many nodes not all are asked: half of them at 100 nodes, a twentieth at thousands, at least 100
(Kubernetes' percentageOfNodesToScore), starting where the last cycle stopped.

Invariants: runs to its end without awaiting, so the cluster it sees does not change under it.
After: k8s pkg/scheduler/schedule_one.go (schedulePod, findNodesThatFitPod, numFeasibleNodesToFind).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from scheduler.framework.diagnosis import Diagnosis
from scheduler.framework.framework import FilterRun, Framework
from scheduler.framework.interface import SUCCESS, CycleState, Verdict
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo
from scheduler.nominator import Nominator

NODES_TO_FIND_MIN = 100
PERCENTAGE_MIN = 5

T = TypeVar("T")


class Chooser(Protocol):
    """The one method of `random.Random` that a tie needs."""

    def choice(self, options: Sequence[T], /) -> T: ...


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The node, how many nodes were asked, and how many of them fit."""

    node_name: str
    asked: int
    feasible: int


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """No node fits."""

    diagnosis: Diagnosis


@dataclass(slots=True)
class Cycle:
    """Schedules pod after pod; remembers only where to start asking."""

    framework: Framework
    chooser: Chooser
    nominator: Nominator
    start: int = 0

    def schedule(self, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Scheduled | Unschedulable:
        diagnosis = Diagnosis(node_count=len(nodes))
        state: CycleState = {}
        run = self.framework.pre_filter(state, pod, nodes)
        if isinstance(run, Verdict):
            diagnosis.refusal = run
            return Unschedulable(diagnosis)
        feasible = self._filter(run, nodes, diagnosis)
        if not feasible:
            return Unschedulable(diagnosis)
        node = feasible[0] if len(feasible) == 1 else self._best(state, pod, feasible)
        return Scheduled(node.name, len(feasible) + len(diagnosis.verdicts), len(feasible))

    def _filter(self, run: FilterRun, nodes: Sequence[NodeInfo], diagnosis: Diagnosis) -> list[NodeInfo]:
        wanted = nodes_to_find(len(nodes))
        feasible: list[NodeInfo] = []
        asked = 0
        while asked < len(nodes) and len(feasible) < wanted:
            node = nodes[(self.start + asked) % len(nodes)]
            verdict = self._check(run, node)
            if verdict is SUCCESS:
                feasible.append(node)
            else:
                diagnosis.verdicts[node.name] = verdict
            asked += 1
        self.start = (self.start + asked) % len(nodes) if nodes else 0
        return feasible

    def _check(self, run: FilterRun, node: NodeInfo) -> Verdict:
        """The node must do both as it is and with the pods that were promised it."""
        verdict = run.check(node)
        if verdict is not SUCCESS:
            return verdict
        crowded = self.nominator.with_promised(run.pod, node)
        return SUCCESS if crowded is node else run.check(crowded)

    def _best(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> NodeInfo:
        scores = self.framework.score(state, pod, nodes)
        highest = max(scores)
        return self.chooser.choice([node for node, score in zip(nodes, scores) if score == highest])


def nodes_to_find(node_count: int) -> int:
    """After how many feasible nodes to stop asking."""
    percentage = max(50 - node_count // 125, PERCENTAGE_MIN)
    return min(node_count, max(NODES_TO_FIND_MIN, node_count * percentage // 100))
