"""Core: how many replicas a use asks for.

    wanted = ceil(ready pods * use / target), and as many as there are when that is within the tolerance

Pods that nothing is known of are guessed at so that they never turn the direction and only ever damp it: when
more seem needed they use nothing, when fewer they use all that they may.

After: k8s pkg/controller/podautoscaler/replica_calculator.go, metrics/utilization.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from controllers.horizontal_pod_autoscaler.samples import CannotTell, Groups, Sample

Ratio = Callable[[Mapping[str, int]], float]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far use may be from its target, as a share of it, before anything happens."""

    up: float = 0.1
    down: float = 0.1

    def holds(self, ratio: float) -> bool:
        return 1 - self.down <= ratio <= 1 + self.up


@dataclass(frozen=True, slots=True)
class Wanted:
    """average: the use of a pod, in thousandths; percent: of what it asked for, where that is the target."""

    replicas: int
    average: int
    percent: int | None = None


def by_utilization(
    current: int,
    groups: Groups,
    told: Mapping[str, Sample],
    requests: Mapping[str, int],
    target_percent: int,
    tolerance: Tolerance,
) -> Wanted:
    """Of what the pods asked for, they are to use so much."""
    known = _known(groups, told)
    percent, average = _utilization(known, requests)
    guess = max(100, target_percent)
    most = {name: requests[name] * guess // 100 for name in groups.missing}

    def ratio(use: Mapping[str, int]) -> float:
        return _utilization(use, requests)[0] / target_percent

    return Wanted(_replicas(current, groups, known, most, ratio, tolerance), average, percent)


def by_value(
    current: int, groups: Groups, told: Mapping[str, Sample], target: int, tolerance: Tolerance
) -> Wanted:
    """A pod is to use so much, in thousandths."""
    known = _known(groups, told)
    most = dict.fromkeys(groups.missing, target)

    def average(use: Mapping[str, int]) -> int:
        return sum(use.values()) // len(use)

    wanted = _replicas(current, groups, known, most, lambda use: average(use) / target, tolerance)
    return Wanted(wanted, average(known))


def _known(groups: Groups, told: Mapping[str, Sample]) -> dict[str, int]:
    silent = groups.ignored | groups.unready
    known = {name: sample.value for name, sample in told.items() if name not in silent}
    if not known:
        raise CannotTell("did not receive metrics for any ready pods")
    return known


def _utilization(use: Mapping[str, int], requests: Mapping[str, int]) -> tuple[int, int]:
    """In percent of the requests, and the average."""
    counted = [name for name in use if name in requests]
    asked = sum(requests[name] for name in counted)
    if not asked:
        raise CannotTell("no metrics returned matched known pods")
    total = sum(use[name] for name in counted)
    return total * 100 // asked, total // len(counted)


def _replicas(
    current: int,
    groups: Groups,
    known: Mapping[str, int],
    most: Mapping[str, int],
    ratio: Ratio,
    tolerance: Tolerance,
) -> int:
    first = ratio(known)
    if not groups.missing and not (groups.unready and first > 1):
        return current if tolerance.holds(first) else ceil(first * groups.ready)
    use = dict(known)
    if first < 1:
        use |= most
    elif first > 1:
        use |= dict.fromkeys((*groups.missing, *groups.unready), 0)
    again = ratio(use)
    if tolerance.holds(again) or (first < 1 < again) or (first > 1 > again):
        return current
    wanted = ceil(again * len(use))
    turns = (again < 1 and wanted > current) or (again > 1 and wanted < current)
    return current if turns else wanted
