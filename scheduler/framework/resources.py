"""Core: how much of what a pod asks for and a node offers, as plain integers.

`cpu` counts thousandths of a core, everything else counts units (bytes, pods, devices). A pod needs the
larger of what its containers need together and what any of its init containers needs alone; init containers
that stay (restartPolicy Always, "sidecars") count with everything started after them.

After: k8s staging/src/k8s.io/component-helpers/resource/helpers.go, PodRequests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kube.api import quantity
from kube.api.meta import Object

Resources = dict[str, int]

# A container that asks for nothing still weighs this much when nodes are scored, so that such pods spread.
DEFAULT_CPU_REQUEST_MILLI = 100
DEFAULT_MEMORY_REQUEST_BYTES = 200 * 1024 * 1024


def parse(quantities: Mapping[str, Any] | None) -> Resources:
    """A resource list as written in an object, in integers."""
    return {name: _amount(name, text) for name, text in (quantities or {}).items()}


def pod_requests(pod: Object) -> Resources:
    """What the pod needs on its node."""
    return _requests(pod, {})


def pod_weight(pod: Object) -> Resources:
    """What the pod counts for in scores: as its requests, with a minimum for containers that ask for
    nothing.
    """
    return _requests(pod, {"cpu": DEFAULT_CPU_REQUEST_MILLI, "memory": DEFAULT_MEMORY_REQUEST_BYTES})


def _amount(name: str, text: Any) -> int:
    amount = quantity.parse(text)
    return amount.milli_value() if name == "cpu" else amount.value()


def _requests(pod: Object, minimum: Resources) -> Resources:
    spec = pod["spec"]
    needed = _sum(_container(container, minimum) for container in spec.get("containers", ()))
    sidecars: Resources = {}
    peak: Resources = {}
    for container in spec.get("initContainers", ()):
        own = _container(container, minimum)
        if container.get("restartPolicy") == "Always":
            sidecars = _sum((sidecars, own))
            peak = _max(peak, sidecars)
        else:
            peak = _max(peak, _sum((sidecars, own)))
    needed = _max(_sum((needed, sidecars)), peak)
    needed.update(parse(spec.get("resources", {}).get("requests")))
    return _sum((needed, parse(spec.get("overhead"))))


def _container(container: Object, minimum: Resources) -> Resources:
    return {**minimum, **parse(container.get("resources", {}).get("requests"))}


def _sum(lists: Iterable[Resources]) -> Resources:
    total: Resources = {}
    for resources in lists:
        for name, amount in resources.items():
            total[name] = total.get(name, 0) + amount
    return total


def _max(one: Resources, other: Resources) -> Resources:
    result = dict(one)
    for name, amount in other.items():
        result[name] = max(amount, result.get(name, 0))
    return result
