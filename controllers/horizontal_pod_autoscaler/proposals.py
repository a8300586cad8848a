"""Core: what each metric of an autoscaler proposes, in Kubernetes' words.

    Resource, ContainerResource -> from the metrics API;  Pods, Object, External -> nobody serves those yet

After: k8s pkg/controller/podautoscaler/horizontal.go, computeReplicasForMetric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from controllers.horizontal_pod_autoscaler import replicas
from controllers.horizontal_pod_autoscaler.replicas import Tolerance, Wanted
from controllers.horizontal_pod_autoscaler.samples import CannotTell, Patience, groups, requests, samples
from kube.api import quantity
from kube.api.meta import Object
from kube.api.quantity import Quantity

CUSTOM = (
    "unable to fetch metrics from custom metrics API:"
    " no custom metrics API (custom.metrics.k8s.io) registered"
)
EXTERNAL = (
    "unable to fetch metrics from external metrics API: the server could not find the requested resource"
    " (get {name}.external.metrics.k8s.io)"
)


@dataclass(frozen=True, slots=True)
class Use:
    """What is known of the target's pods.

    metrics: PodMetrics, or why there are none.
    """

    pods: Sequence[Object]
    metrics: Sequence[Object] | str
    patience: Patience
    tolerance: Tolerance


@dataclass(frozen=True, slots=True)
class Proposal:
    """So many replicas because of this metric, which stands so."""

    replicas: int
    because: str
    status: Object


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a metric proposes nothing: reason and message of the event, and how the whole is told."""

    reason: str
    message: str
    whole: str


def propose(metric: Object, current: int, use: Use, now: datetime) -> Proposal | Failure:
    """What one metric says, with so many replicas now."""
    kind = metric["type"]
    match kind:
        case "Resource":
            source, container, word = metric["resource"], None, "resource"
        case "ContainerResource":
            source = metric["containerResource"]
            container, word = source["container"], "container"
        case _:
            return _not_served(metric, kind)
    name = source["name"]
    try:
        wanted, because = _of_resource(name, container, source["target"], current, use, now)
    except CannotTell as why:
        reason = "FailedGetResourceMetric" if container is None else "FailedGetContainerResourceMetric"
        return Failure(reason, str(why), f"failed to get {name} {word} metric value: {why}")
    status = {"name": name, "current": _current(wanted)}
    field = kind[0].lower() + kind[1:]
    if container is not None:
        status["container"] = container
    return Proposal(wanted.replicas, because, {"type": kind, field: status})


def _of_resource(
    name: str, container: str | None, target: Any, current: int, use: Use, now: datetime
) -> tuple[Wanted, str]:
    value, percent = target.get("averageValue"), target.get("averageUtilization")
    try:
        told = _told(use, name, container)
        if not use.pods:
            raise CannotTell("no pods returned by selector while calculating replica count")
        sorted_pods = groups(use.pods, told, name, use.patience, now)
        if value is not None:
            goal = quantity.parse(value).milli_value()
            return replicas.by_value(current, sorted_pods, told, goal, use.tolerance), f"{name} resource"
        asked = requests(use.pods, name, container)
        wanted = replicas.by_utilization(current, sorted_pods, told, asked, percent, use.tolerance)
        return wanted, f"{name} resource utilization (percentage of request)"
    except CannotTell as why:
        word = "usage" if value is not None else "utilization"
        raise CannotTell(f"failed to get {name} {word}: {why}") from why


def _told(use: Use, name: str, container: str | None) -> Any:
    try:
        if isinstance(use.metrics, str):
            raise CannotTell(use.metrics)
        return samples(use.metrics, name, container)
    except CannotTell as why:
        raise CannotTell(f"unable to get metrics for resource {name}: {why}") from why


def _current(wanted: Wanted) -> Object:
    told: Object = {"averageValue": str(Quantity(Fraction(wanted.average, 1000)))}
    return told if wanted.percent is None else told | {"averageUtilization": wanted.percent}


def _not_served(metric: Object, kind: str) -> Failure:
    if kind == "External":
        name = metric["external"]["metric"]["name"]
        why = EXTERNAL.format(name=name)
        message = f"failed to get {name} external metric: unable to get external metric {name}: {why}"
        return Failure(
            "FailedGetExternalMetric", message, f"failed to get {name} external metric value: {message}"
        )
    source = metric[kind.lower()]
    name = source["metric"]["name"]
    message = f"unable to get metric {name}: {CUSTOM}"
    if kind == "Object":
        of = source["describedObject"]
        message = f"unable to get metric {name}: {of['kind']} on {of['name']}: {CUSTOM}"
    return Failure(f"FailedGet{kind}Metric", message, f"failed to get {kind.lower()} metric value: {message}")
