"""Core: how much of what a pod asks for and a node offers, as plain integers.

`cpu` counts thousandths of a core, everything else counts units (bytes, pods, devices). A pod needs the
larger of what its containers need together and what any of its init containers needs alone; init containers
that stay (restartPolicy Always, "sidecars") count with everything started after them.

After: k8s staging/src/k8s.io/component-helpers/resource/helpers.go, PodRequests and PodLimits;
pkg/scheduler/framework/plugins/nodeports/node_ports.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kube.api import quantity
from kube.api.meta import Object

Resources = dict[str, int]
# Address, protocol, port of the node.
HostPort = tuple[str, str, int]

ANY_ADDRESS = "0.0.0.0"
NO_MINIMUM: Resources = {}


def parse(quantities: Mapping[str, Any] | None) -> Resources:
    """A resource list as written in an object, in integers."""
    return {name: _amount(name, text) for name, text in (quantities or {}).items()}


def pod_requests(pod: Object, minimum: Resources = NO_MINIMUM) -> Resources:
    """What the pod needs on its node; minimum: of a container that asks for nothing."""
    needed = _together(pod["spec"], "requests", minimum)
    return _sum((needed, parse(pod["spec"].get("overhead"))))


def pod_limits(pod: Object) -> Resources:
    """What the pod may use at most; the overhead is on top of what is limited."""
    most = _together(pod["spec"], "limits", NO_MINIMUM)
    overhead = parse(pod["spec"].get("overhead"))
    return {name: amount + overhead.get(name, 0) if amount else amount for name, amount in most.items()}


def _together(spec: Object, part: str, minimum: Resources) -> Resources:
    """The requests or limits of all containers, at the time when they are most."""
    needed = _sum(_container(container, part, minimum) for container in spec.get("containers", ()))
    sidecars: Resources = {}
    peak: Resources = {}
    for container in spec.get("initContainers", ()):
        own = _container(container, part, minimum)
        if container.get("restartPolicy") == "Always":
            sidecars = _sum((sidecars, own))
            peak = _max(peak, sidecars)
        else:
            peak = _max(peak, _sum((sidecars, own)))
    needed = _max(_sum((needed, sidecars)), peak)
    needed.update(parse(spec.get("resources", {}).get(part)))
    return needed


def _amount(name: str, text: Any) -> int:
    amount = quantity.parse(text)
    return amount.milli_value() if name == "cpu" else amount.value()


def host_ports(pod: Object) -> tuple[HostPort, ...]:
    """The ports a pod takes on its node; init containers that stay count too."""
    spec = pod["spec"]
    staying = [c for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"]
    return tuple(
        (port.get("hostIP") or ANY_ADDRESS, port.get("protocol") or "TCP", port["hostPort"])
        for container in [*spec.get("containers", ()), *staying]
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def ports_clash(one: HostPort, other: HostPort) -> bool:
    """True when two pods cannot have these; the address 0.0.0.0 clashes with every other."""
    return one[1:] == other[1:] and (one[0] == other[0] or ANY_ADDRESS in (one[0], other[0]))


def _container(container: Object, part: str, minimum: Resources) -> Resources:
    return {**minimum, **parse(container.get("resources", {}).get(part))}


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
