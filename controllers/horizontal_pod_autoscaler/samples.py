"""Core: what pods use, as the metrics API tells it, and which of them may be counted on.

    going or failed -> ignored;  waiting, or young and not yet ready -> unready;  without a sample -> missing

After: k8s pkg/controller/podautoscaler/metrics/client.go, pkg/controller/podautoscaler/replica_calculator.go
(groupPods, calculateRequests).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controllers import pods
from kube.api import conditions, meta, quantity
from kube.api.meta import Object

GO_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "ns": 1e-9}
GO_DURATION = re.compile(r"(\d+\.?\d*)(ms|us|ns|h|m|s)")


class CannotTell(ValueError):
    """There is no number of replicas to be had; the message is Kubernetes'."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the processor use of a new pod, and its first unreadiness, say nothing yet."""

    cpu_initialization: timedelta = timedelta(minutes=5)
    initial_readiness: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Sample:
    """A pod's use of one resource, in thousandths, over the window that ended then."""

    value: int
    at: datetime
    window: timedelta


@dataclass(frozen=True, slots=True)
class Groups:
    """Pods by what can be said of them; `ready` is only counted."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


def samples(items: Iterable[Object], resource: str, container: str | None) -> dict[str, Sample]:
    """Pod -> its sample, of one container or of all together; CannotTell when nothing was told at all."""
    found: dict[str, Sample] = {}
    told = list(items)
    for item in told:
        value = _value(item, resource, container)
        if value is not None:
            at = meta.parse_time(item["timestamp"])
            found[meta.name(item)] = Sample(value, at, _duration(item["window"]))
    if not told:
        raise CannotTell("no metrics returned from resource metrics API")
    return found


def _value(item: Object, resource: str, container: str | None) -> int | None:
    parts = [each for each in item["containers"] if container in (None, each["name"])]
    if not parts and container is not None:
        where = f"{meta.namespace(item)}/{meta.name(item)}"
        raise CannotTell(f"container {container} not present in metrics for pod {where}")
    if any(resource not in each["usage"] for each in parts):
        return None
    return sum(quantity.parse(each["usage"][resource]).milli_value() for each in parts)


def _duration(text: str) -> timedelta:
    return timedelta(seconds=sum(float(n) * GO_UNITS[unit] for n, unit in GO_DURATION.findall(text)))


def groups(
    of: Iterable[Object], told: Mapping[str, Sample], resource: str, patience: Patience, now: datetime
) -> Groups:
    """Sort the pods; only the processor use of a pod says less while it starts."""
    ready = 0
    unready, missing, ignored = set[str](), set[str](), set[str]()
    for pod in of:
        name = meta.name(pod)
        if meta.is_terminating(pod) or pods.phase(pod) == "Failed":
            ignored.add(name)
        elif pods.phase(pod) == "Pending":
            unready.add(name)
        elif name not in told:
            missing.add(name)
        elif resource == "cpu" and _is_starting(pod, told[name], patience, now):
            unready.add(name)
        else:
            ready += 1
    return Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _is_starting(pod: Object, sample: Sample, patience: Patience, now: datetime) -> bool:
    ready, started = conditions.find(pod, "Ready"), meta.get(pod, "status", "startTime")
    if ready is None or not started:
        return True
    start = meta.parse_time(started)
    changed = meta.parse_time(ready["lastTransitionTime"])
    is_unready = ready["status"] == "False"
    if start + patience.cpu_initialization > now:
        return is_unready or sample.at < changed + sample.window
    # It has never been ready.
    return is_unready and start + patience.initial_readiness > changed


def requests(of: Iterable[Object], resource: str, container: str | None) -> dict[str, int]:
    """Pod -> what it asked for, in thousandths; CannotTell when one asked for nothing."""
    return {meta.name(pod): _request(pod, resource, container) for pod in of}


def _request(pod: Object, resource: str, container: str | None) -> int:
    total = 0
    for each in _running_containers(pod["spec"]):
        if container in (None, each["name"]):
            asked = meta.get(each, "resources", "requests", resource)
            if asked is None:
                name, where = each["name"], meta.name(pod)
                raise CannotTell(f"missing request for {resource} in container {name} of Pod {where}")
            total += quantity.parse(asked).milli_value()
    return total


def _running_containers(spec: Any) -> list[Any]:
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    return [*spec["containers"], *sidecars]
