"""Core: spreads pods that belong together over nodes, zones and other domains (a domain: the nodes with one
value of a topology key).

topologySpreadConstraints with DoNotSchedule filter: the domain may hold at most maxSkew pods more than the
emptiest one. With ScheduleAnyway they score. A pod without constraints, but with a controller, scores by
the system's defaults: hostname (maxSkew 3) and zone (maxSkew 5).

Absent: Services as a source of the default constraints (the controller is the only one).
After: k8s pkg/scheduler/framework/plugins/podtopologyspread (filtering.go, scoring.go, common.go).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kube.api.labels import Selector
from kube.api.meta import Object
from scheduler.framework.interface import (
    MAX_SCORE,
    SKIP,
    SUCCESS,
    ClusterEvent,
    CycleState,
    Verdict,
    unresolvable,
    unschedulable,
)
from scheduler.framework.matching import allows_node, tolerates_hard_taints
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo

_HOSTNAME = "kubernetes.io/hostname"
_ZONE = "topology.kubernetes.io/zone"
_REFUSAL = unschedulable("node(s) didn't match pod topology spread constraints")
_NO_LABEL = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)")
_STATE = "PodTopologySpread"


@dataclass(slots=True)
class Constraint:
    """One constraint of one pod; `count` says how many pods of the group a node holds."""

    key: str
    max_skew: int
    count: Callable[[NodeInfo], int]
    is_self_counted: bool = True
    min_domains: int = 1
    honors_affinity: bool = True
    honors_taints: bool = False


@dataclass(slots=True)
class State:
    """What pre_filter leaves for filter and score: all nodes, and for each hard constraint its domains'
    counts.
    """

    nodes: Sequence[NodeInfo]
    hard: list[tuple[Constraint, dict[str, int], int]]


class PodTopologySpread:
    """See the module."""

    name = "PodTopologySpread"
    events = frozenset(
        {
            ClusterEvent.NODE_ADDED,
            ClusterEvent.NODE_LABELS_CHANGED,
            ClusterEvent.NODE_TAINTS_CHANGED,
            ClusterEvent.ASSIGNED_POD_ADDED,
            ClusterEvent.ASSIGNED_POD_LABELS_CHANGED,
            ClusterEvent.ASSIGNED_POD_REMOVED,
        }
    )

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Verdict:
        constraints = _explicit(pod, "DoNotSchedule")
        keys = [constraint.key for constraint in constraints]
        hard = []
        for constraint in constraints:
            counts = _domain_counts(constraint, pod, nodes, keys)
            emptiest = 0 if len(counts) < constraint.min_domains else min(counts.values(), default=0)
            hard.append((constraint, counts, emptiest))
        state[_STATE] = State(nodes, hard)
        return SUCCESS if hard else SKIP

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Verdict:
        spread: State = state[_STATE]
        for constraint, counts, emptiest in spread.hard:
            domain = node.labels.get(constraint.key)
            if domain is None:
                return _NO_LABEL
            skew = counts.get(domain, 0) + constraint.is_self_counted - emptiest
            if skew > constraint.max_skew:
                return _REFUSAL
        return SUCCESS

    def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Sequence[float]:
        constraints = _explicit(pod, "ScheduleAnyway") or _defaults(pod)
        spread: State = state[_STATE]
        totals = [0.0] * len(nodes)
        for constraint in constraints:
            crowding = _crowding(constraint, pod, nodes, spread.nodes)
            totals = [total + value for total, value in zip(totals, crowding)]
        worst, best = max(totals, default=0), min(totals, default=0)
        return [MAX_SCORE * (worst + best - total) / worst for total in totals] if worst else ()


def _crowding(
    constraint: Constraint, pod: PodInfo, nodes: Sequence[NodeInfo], all_nodes: Sequence[NodeInfo]
) -> list[float]:
    """How full each node's domain is, weighed by the number of domains."""
    domains = {node.labels[constraint.key] for node in nodes if constraint.key in node.labels}
    if not domains:
        return [0.0] * len(nodes)
    weight = math.log(len(domains) + 2)
    if constraint.key == _HOSTNAME:
        counts = [constraint.count(node) for node in nodes]
    else:
        by_domain = _domain_counts(constraint, pod, all_nodes, [constraint.key])
        counts = [by_domain.get(node.labels.get(constraint.key, ""), 0) for node in nodes]
    return [count * weight + (constraint.max_skew - 1) for count in counts]


def _domain_counts(
    constraint: Constraint, pod: PodInfo, nodes: Sequence[NodeInfo], keys: Iterable[str]
) -> dict[str, int]:
    """How many pods of the group each domain holds, over the nodes that count for this pod."""
    counts: dict[str, int] = {}
    for node in nodes:
        if all(key in node.labels for key in keys) and _is_eligible(constraint, pod, node):
            domain = node.labels[constraint.key]
            counts[domain] = counts.get(domain, 0) + constraint.count(node)
    return counts


def _is_eligible(constraint: Constraint, pod: PodInfo, node: NodeInfo) -> bool:
    if constraint.honors_affinity and not allows_node(pod, node):
        return False
    return not constraint.honors_taints or tolerates_hard_taints(pod, node)


def _explicit(pod: PodInfo, when_unsatisfiable: str) -> list[Constraint]:
    return [
        _constraint(pod, spec)
        for spec in pod.spec.get("topologySpreadConstraints") or ()
        if spec["whenUnsatisfiable"] == when_unsatisfiable
    ]


def _constraint(pod: PodInfo, spec: Object) -> Constraint:
    selector = Selector.from_label_selector(spec.get("labelSelector"))
    same = {key: pod.labels[key] for key in spec.get("matchLabelKeys") or () if key in pod.labels}

    def belongs(other: PodInfo) -> bool:
        if any(other.labels.get(key) != value for key, value in same.items()):
            return False
        return selector.matches(other.labels)

    def count(node: NodeInfo) -> int:
        return sum(
            other.namespace == pod.namespace and not other.is_terminating and belongs(other)
            for other in node.pods.values()
        )

    return Constraint(
        key=spec["topologyKey"],
        max_skew=spec["maxSkew"],
        count=count,
        is_self_counted=belongs(pod),
        min_domains=spec.get("minDomains") or 1,
        honors_affinity=spec.get("nodeAffinityPolicy", "Honor") == "Honor",
        honors_taints=spec.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )


def _defaults(pod: PodInfo) -> list[Constraint]:
    """The system's constraints, for pods of one controller."""
    if not pod.owner_uid or pod.spec.get("topologySpreadConstraints"):
        return []

    def count(node: NodeInfo) -> int:
        return node.owner_counts[pod.owner_uid]

    return [
        Constraint(_HOSTNAME, max_skew=3, count=count, honors_affinity=False),
        Constraint(_ZONE, max_skew=5, count=count, honors_affinity=False),
    ]
