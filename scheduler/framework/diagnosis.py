"""Core: why a pod fits no node, as data and in Kubernetes' words.

    0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu.

After: k8s pkg/scheduler/framework/types.go, FitError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from scheduler.framework.interface import Verdict

NO_NODES = "no nodes available to schedule pods"


@dataclass(slots=True)
class Diagnosis:
    """What stood in the way.

    node_count: all nodes looked at. verdicts: the refusal of each node. refusal: set instead when a plug-in
    refused the pod before any node was asked. post_filter: what preemption said.
    """

    node_count: int
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    refusal: Verdict | None = None
    post_filter: str = ""

    @property
    def plugins(self) -> frozenset[str]:
        """The plug-ins that refused: their events may wake the pod."""
        refusals = [self.refusal] if self.refusal else self.verdicts.values()
        return frozenset(verdict.plugin for verdict in refusals)

    def message(self) -> str:
        if self.node_count == 0:
            return NO_NODES
        if self.refusal:
            sentence = nodes_available(self.node_count, self.refusal.reasons)
        else:
            sentence = nodes_available(self.node_count, count_reasons(self.verdicts.values()))
        return f"{sentence} {self.post_filter}".rstrip()


def nodes_available(node_count: int, reasons: Iterable[str]) -> str:
    """The sentence both filtering and preemption speak."""
    text = ", ".join(reasons)
    return f"0/{node_count} nodes are available:" + (f" {text}." if text else "")


def count_reasons(verdicts: Iterable[Verdict]) -> list[str]:
    """`2 Insufficient cpu`: each reason with how many nodes gave it, sorted as text."""
    counts = Counter(reason for verdict in verdicts for reason in verdict.reasons)
    return sorted(f"{count} {reason}" for reason, count in counts.items())
