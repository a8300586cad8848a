"""Core: finds pods of lower priority that could make room for a pod that fits nowhere.

    for each node that others leaving it may make fit: take all lower pods off it; does the pod fit then?
      put back as many as possible, the highest first; who cannot stay is a victim
    take the node whose victims matter least

Absent: pod disruption budgets.
After: k8s pkg/scheduler/framework/preemption/preemption.go, plugins/defaultpreemption/default_preemption.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kube.api import meta
from scheduler.framework.diagnosis import Diagnosis, count_reasons, nodes_available
from scheduler.framework.framework import Framework
from scheduler.framework.interface import Code, CycleState, Verdict, unresolvable, unschedulable
from scheduler.framework.node_info import NodeInfo
from scheduler.framework.pod_info import PodInfo

_NOT_HELPFUL = unresolvable("Preemption is not helpful for scheduling")
_NO_VICTIMS = unschedulable("No preemption victims found for incoming pod")
# The plug-in that frees devices for a pod speaks first in Kubernetes; it has nothing to free here.
_NO_CLAIMS = "no new claims to deallocate"
# So many nodes with victims are enough to choose from.
CANDIDATES_MAX = 100


@dataclass(frozen=True, slots=True)
class Preemption:
    """Take `victims` off a node: the pod then fits there."""

    node_name: str
    victims: tuple[PodInfo, ...]


def preempt(
    framework: Framework, pod: PodInfo, nodes: Sequence[NodeInfo], diagnosis: Diagnosis
) -> Preemption | str:
    """The preemption that costs least; or the sentence that says why there is none."""
    ineligible = _why_ineligible(pod, nodes)
    if ineligible:
        return f"{_NO_CLAIMS}, preemption: {ineligible}"
    verdicts: dict[str, Verdict] = {}
    candidates: list[Preemption] = []
    for i, node in enumerate(nodes):
        verdict = diagnosis.refusal or diagnosis.verdicts.get(node.name, _NOT_HELPFUL)
        if verdict.code is not Code.UNSCHEDULABLE:
            verdicts[node.name] = _NOT_HELPFUL
            continue
        found = _victims(framework, pod, nodes, i)
        if isinstance(found, Verdict):
            verdicts[node.name] = found
        else:
            candidates.append(Preemption(node.name, found))
            if len(candidates) == CANDIDATES_MAX:
                break
    if candidates:
        return min(candidates, key=_cost)
    sentence = nodes_available(len(nodes), count_reasons(verdicts.values()))
    return f"{_NO_CLAIMS}, preemption: {sentence}"


def _why_ineligible(pod: PodInfo, nodes: Sequence[NodeInfo]) -> str:
    if pod.spec.get("preemptionPolicy") == "Never":
        return "not eligible due to preemptionPolicy=Never."
    nominated = meta.get(pod.pod, "status", "nominatedNodeName")
    node = next((each for each in nodes if nominated and each.name == nominated), None)
    if node and any(each.is_terminating and each.priority < pod.priority for each in node.pods.values()):
        return "not eligible due to a terminating pod on the nominated node."
    return ""


def _victims(
    framework: Framework, pod: PodInfo, nodes: Sequence[NodeInfo], index: int
) -> tuple[PodInfo, ...] | Verdict:
    """Who must leave the node, highest priority first; or why their leaving would not do."""
    node = nodes[index].copy()
    others = [*nodes[:index], node, *nodes[index + 1 :]]
    lower = [each for each in node.pods.values() if each.priority < pod.priority]
    if not lower:
        return _NO_VICTIMS
    for each in lower:
        node.remove(each.uid)
    verdict = _check(framework, pod, others, node)
    if verdict.is_refusal:
        return verdict
    victims = []
    for each in sorted(lower, key=_importance):
        node.add(each)
        if _check(framework, pod, others, node).is_refusal:
            node.remove(each.uid)
            victims.append(each)
    return tuple(victims)


def _check(framework: Framework, pod: PodInfo, nodes: Sequence[NodeInfo], node: NodeInfo) -> Verdict:
    state: CycleState = {}
    run = framework.pre_filter(state, pod, nodes)
    return run if isinstance(run, Verdict) else run.check(node)


def _importance(pod: PodInfo) -> tuple[int, str]:
    """Higher priority first, then who has been there longer."""
    return -pod.priority, str(meta.get(pod.pod, "status", "startTime", default="~"))


def _cost(candidate: Preemption) -> tuple[int, int, int]:
    """What losing the victims costs: the highest priority among them, then the sum, then their number."""
    priorities = [each.priority for each in candidate.victims]
    return max(priorities, default=0), sum(priorities), len(priorities)
