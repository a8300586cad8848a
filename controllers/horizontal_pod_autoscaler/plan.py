"""Core: decides how many replicas an autoscaler's target should have, and says why in its status.

    scale of the target -> proposals of the metrics, the largest counts -> limits -> the target's new scale

Sees: the autoscaler, its target's scale and pods, PodMetrics, what was recommended and done before, now.
Says: Patch (scale), Update (status), Events, RequeueAfter. Gives a new memory.
Invariants: nothing is scaled while any metric that might ask for more is silent; a target of no replicas is
left alone; the status is written only when it changes.
Absent: Pods, Object and External metrics, which need an API of their own; a condition for a scale that could
not be written: that is an event, and tried again.
After: k8s pkg/controller/podautoscaler/horizontal.go, reconcileAutoscaler.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from controllers.horizontal_pod_autoscaler.limits import Bounds, Memory, limit
from controllers.horizontal_pod_autoscaler.proposals import Failure, Proposal, Use, propose
from controllers.horizontal_pod_autoscaler.replicas import Tolerance
from controllers.horizontal_pod_autoscaler.samples import Patience
from kube.api import conditions, meta, quantity
from kube.api.actions import Action, Announcement, EmitEvent, Patch, RequeueAfter, Update
from kube.api.meta import Object
from kube.api.resources import HORIZONTAL_POD_AUTOSCALERS, Resource

Metrics = list[Object] | str


@dataclass(frozen=True, slots=True)
class Options:
    """What the flags say."""

    period: timedelta = timedelta(seconds=15)
    window: timedelta = timedelta(minutes=5)
    tolerance: float = 0.1
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class Target:
    """Its resource, its scale, its pods, and their PodMetrics or why there are none."""

    resource: Resource
    scale: Object
    pods: list[Object]
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Seen:
    """An autoscaler, and its target or why there is none."""

    autoscaler: Object
    target: Target | str
    memory: Memory | None
    options: Options


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and what to remember."""

    actions: list[Action]
    memory: Memory


class _Report:
    """Gathers the new status and the events."""

    def __init__(self, autoscaler: Object, now: datetime) -> None:
        self._now, self.autoscaler = now, autoscaler
        self.status: Object = {"desiredReplicas": 0, **(autoscaler.get("status") or {})}
        self.events: list[Action] = []

    def condition(self, kind: str, status: bool, reason: str, message: str) -> None:
        new = {"type": kind, "status": str(status), "reason": reason, "message": message}
        before = self.status.get("conditions") or []
        self.status["conditions"] = conditions.set_condition(before, new, self._now)

    def warn(self, reason: str, message: str) -> None:
        self.events.append(EmitEvent(self.autoscaler, "Warning", reason, message))

    def written(self) -> list[Action]:
        if self.status == (self.autoscaler.get("status") or {}):
            return []
        return [Update(HORIZONTAL_POD_AUTOSCALERS, {**self.autoscaler, "status": self.status}, "status")]


def decide(seen: Seen, now: datetime) -> Decision:
    """One look at an autoscaler."""
    report = _Report(seen.autoscaler, now)
    again = RequeueAfter(seen.options.period.total_seconds())
    if isinstance(seen.target, str):
        report.warn("FailedGetScale", seen.target)
        message = f"the HPA controller was unable to get the target's current scale: {seen.target}"
        report.condition("AbleToScale", False, "FailedGetScale", message)
        return Decision([*report.events, *report.written(), again], seen.memory or Memory())
    current = int(seen.target.scale["spec"].get("replicas", 0))
    memory = seen.memory.seen(current) if seen.memory is not None else Memory(((current, now),))
    message = "the HPA controller was able to get the target's current scale"
    report.condition("AbleToScale", True, "SucceededGetScale", message)
    actions, memory = _scale(seen, seen.target, current, report, memory, now)
    return Decision([*report.events, *actions, *report.written(), again], memory)


def _scale(
    seen: Seen, target: Target, current: int, report: _Report, memory: Memory, now: datetime
) -> tuple[list[Action], Memory]:
    """Decide on a number, and ask for it."""
    spec = seen.autoscaler["spec"]
    least, most = int(spec.get("minReplicas", 1)), int(spec["maxReplicas"])
    statuses: list[Object] = []
    report.status["currentReplicas"] = current
    if current == 0 and least != 0:
        message = "scaling is disabled since the replica count of the target is zero"
        report.condition("ScalingActive", False, "ScalingDisabled", message)
        wanted, why = current, ""
    elif current > most:
        wanted, why = most, "Current number of replicas above Spec.MaxReplicas"
    elif current < least:
        wanted, why = least, "Current number of replicas below Spec.MinReplicas"
    else:
        best = _by_metrics(seen, target, current, report, statuses, now)
        if best is None:
            return [], memory
        why = f"{best.because} above target" if best.replicas > current else "All metrics below target"
        bounds = Bounds(least, most, seen.options.window, spec.get("behavior"))
        limited = limit(current, best.replicas, bounds, memory, now)
        memory = memory.recommending(best.replicas, now)
        report.condition("AbleToScale", True, *limited.able)
        report.condition("ScalingLimited", limited.is_limited, *limited.limit)
        wanted = limited.replicas
    report.status |= {"desiredReplicas": wanted, "currentMetrics": statuses}
    if not statuses:
        report.status.pop("currentMetrics")
    if wanted == current:
        return [], memory
    message = f"the HPA controller was able to update the target scale to {wanted}"
    report.condition("AbleToScale", True, "SucceededRescale", message)
    report.status["lastScaleTime"] = meta.format_time(now)
    return [_rescale(seen.autoscaler, target, wanted, why)], replace(memory, asked=(current, wanted, now))


def _rescale(autoscaler: Object, target: Target, wanted: int, why: str) -> Patch:
    scale = target.scale
    patch = {"metadata": {"resourceVersion": meta.resource_version(scale)}, "spec": {"replicas": wanted}}
    told = f"New size: {wanted}; reason: {why}"
    announcement = Announcement(
        autoscaler, "SuccessfulRescale", told, "FailedRescale", f"{told}; error: {{error}}"
    )
    return Patch(
        target.resource,
        meta.namespace(scale),
        meta.name(scale),
        patch,
        subresource="scale",
        announcement=announcement,
    )


def _by_metrics(
    seen: Seen, target: Target, current: int, report: _Report, statuses: list[Object], now: datetime
) -> Proposal | None:
    """The largest proposal; None when there is none, or a silent metric might have asked for more."""
    if not meta.get(target.scale, "status", "selector"):
        report.warn("SelectorRequired", "selector is required")
        message = "the HPA target's scale is missing a selector"
        report.condition("ScalingActive", False, "InvalidSelector", message)
        report.warn("FailedComputeMetricsReplicas", "selector is required")
        return None
    spec = seen.autoscaler["spec"]
    use = Use(target.pods, target.metrics, seen.options.patience, _tolerance(spec, seen.options.tolerance))
    metrics = spec.get("metrics") or []
    found = [propose(metric, current, use, now) for metric in metrics]
    failures = [each for each in found if isinstance(each, Failure)]
    proposals = [each for each in found if isinstance(each, Proposal)]
    for failure in failures:
        report.warn(failure.reason, failure.message)
    best = max(proposals, key=lambda each: each.replicas, default=None)
    if best is None or (failures and best.replicas < current):
        first = failures[0]
        message = f"the HPA was unable to compute the replica count: {first.message}"
        report.condition("ScalingActive", False, first.reason, message)
        told = (
            f"invalid metrics ({len(failures)} invalid out of {len(metrics)}), first error is: {first.whole}"
        )
        report.warn("FailedComputeMetricsReplicas", told)
        return None
    message = f"the HPA was able to successfully calculate a replica count from {best.because}"
    report.condition("ScalingActive", True, "ValidMetricFound", message)
    statuses += [each.status for each in proposals]
    return best


def _tolerance(spec: Any, default: float) -> Tolerance:
    def of(direction: str) -> float:
        text = meta.get(spec, "behavior", direction, "tolerance")
        return default if text is None else float(quantity.parse(text).amount)

    return Tolerance(of("scaleUp"), of("scaleDown"))
