"""Core: keeps pods near to, or away from, other pods, by the topology domain both are in.

Required terms filter, in both directions: the pod's own, and the anti-affinity of pods already placed.
Preferred terms score, in both directions too. The first pod of a group that wants to be near itself may go
anywhere.

Absent: namespaceSelector other than {} (the scheduler does not watch namespaces).
After: k8s pkg/scheduler/framework/plugins/interpodaffinity (filtering.go, scoring.go).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from kube.api import meta
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
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo

_AFFINITY = unresolvable("node(s) didn't match pod affinity rules")
_ANTI_AFFINITY = unschedulable("node(s) didn't match pod anti-affinity rules")
_EXISTING = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_STATE = "InterPodAffinity"
# What the required affinity of a placed pod counts for when a pod it likes is scored.
HARD_AFFINITY_WEIGHT = 1

Domain = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Term:
    """One term: which pods it speaks of, the topology key that says what "near" means, what it counts for."""

    key: str
    weight: int
    matches: Callable[[PodInfo], bool]


@dataclass(slots=True)
class State:
    """How many matching pods each domain holds."""

    nodes: Sequence[NodeInfo]
    affinity: list[Term] = field(default_factory=list)
    anti_affinity: list[Term] = field(default_factory=list)
    near: Counter[Domain] = field(default_factory=Counter)
    away: Counter[Domain] = field(default_factory=Counter)
    forbidden: Counter[Domain] = field(default_factory=Counter)
    is_first_of_its_kind: bool = False


class InterPodAffinity:
    """See the module."""

    name = "InterPodAffinity"
    events = frozenset(
        {
            ClusterEvent.NODE_ADDED,
            ClusterEvent.NODE_LABELS_CHANGED,
            ClusterEvent.ASSIGNED_POD_ADDED,
            ClusterEvent.ASSIGNED_POD_LABELS_CHANGED,
            ClusterEvent.ASSIGNED_POD_REMOVED,
        }
    )

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Verdict:
        found = State(nodes, _terms(pod, "podAffinity"), _terms(pod, "podAntiAffinity"))
        state[_STATE] = found
        for node in nodes:
            if node.pods_with_affinity:
                _count_existing(found, pod, node)
        if not found.affinity and not found.anti_affinity:
            return SUCCESS if found.forbidden else SKIP
        for node in nodes:
            _count_wanted(found, node)
        found.is_first_of_its_kind = not found.near and all(term.matches(pod) for term in found.affinity)
        return SUCCESS

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Verdict:
        found: State = state[_STATE]
        if any(not _is_near(found, term, node) for term in found.affinity):
            return _AFFINITY
        if any(found.away[domain] for domain in _domains(found.anti_affinity, node)):
            return _ANTI_AFFINITY
        if found.forbidden and any(found.forbidden[domain] for domain in node.labels.items()):
            return _EXISTING
        return SUCCESS

    def score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Sequence[float]:
        found: State = state[_STATE]
        liking: Counter[Domain] = Counter()
        own = _preferred(pod)
        for node in found.nodes:
            # A pod without preferences of its own is scored by those of pods that have some.
            others = node.pods.values() if own else node.pods_with_affinity.values()
            for other in others:
                for term in own:
                    if term.matches(other):
                        _like(liking, term, node)
                for term in _liking_of(other):
                    if term.matches(pod):
                        _like(liking, term, node)
        if not liking:
            return ()
        totals = [sum(liking[domain] for domain in node.labels.items()) for node in nodes]
        low, high = min(totals, default=0), max(totals, default=0)
        return [MAX_SCORE * (total - low) / (high - low) for total in totals] if high > low else ()


def _count_existing(found: State, pod: PodInfo, node: NodeInfo) -> None:
    """Note the domains that pods already placed want to have for themselves."""
    for other in node.pods_with_affinity.values():
        for term in _terms(other, "podAntiAffinity"):
            if term.key in node.labels and term.matches(pod):
                found.forbidden[(term.key, node.labels[term.key])] += 1


def _count_wanted(found: State, node: NodeInfo) -> None:
    """Note the domains of pods the terms speak of; a pod must fit all affinity terms to count for any."""
    for other in node.pods.values():
        if found.affinity and all(term.matches(other) for term in found.affinity):
            found.near.update(_domains(found.affinity, node))
        matching = [term for term in found.anti_affinity if term.matches(other)]
        found.away.update(_domains(matching, node))


def _is_near(found: State, term: Term, node: NodeInfo) -> bool:
    value = node.labels.get(term.key)
    return value is not None and (found.is_first_of_its_kind or found.near[(term.key, value)] > 0)


def _domains(terms: Iterable[Term], node: NodeInfo) -> list[Domain]:
    return [(term.key, node.labels[term.key]) for term in terms if term.key in node.labels]


def _like(liking: Counter[Domain], term: Term, node: NodeInfo) -> None:
    if term.key in node.labels:
        liking[(term.key, node.labels[term.key])] += term.weight


def _terms(pod: PodInfo, kind: str) -> list[Term]:
    specs = meta.get(pod.spec, "affinity", kind, _REQUIRED, default=())
    return [_term(pod, spec, HARD_AFFINITY_WEIGHT) for spec in specs]


def _preferred(pod: PodInfo) -> list[Term]:
    """The preferred terms, anti-affinity with negative weights."""
    return [
        _term(pod, spec["podAffinityTerm"], sign * spec["weight"])
        for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1))
        for spec in meta.get(pod.spec, "affinity", kind, _PREFERRED, default=())
    ]


def _liking_of(other: PodInfo) -> list[Term]:
    """What a placed pod makes of a new neighbour."""
    return [*_preferred(other), *_terms(other, "podAffinity")] if other.has_affinity else []


def _term(pod: PodInfo, spec: Object, weight: int) -> Term:
    selector = Selector.from_label_selector(spec.get("labelSelector"))
    everywhere = spec.get("namespaceSelector") == {}
    namespaces = frozenset(spec.get("namespaces") or [pod.namespace])

    def matches(other: PodInfo) -> bool:
        is_there = everywhere or other.namespace in namespaces
        return is_there and not other.is_terminating and selector.matches(other.labels)

    return Term(spec["topologyKey"], weight, matches)
