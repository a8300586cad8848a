"""Core: the quality-of-service class of a pod, from its requests and limits.

    Guaranteed  every container has cpu and memory limits, and requests equal to them
    BestEffort  no container has any;   Burstable  all others

After: k8s pkg/apis/core/v1/helper/qos/qos.go.
"""

from __future__ import annotations

from kube.api import quantity
from kube.api.meta import Object

_COUNTED = ("cpu", "memory")


def qos_class(pod: Object) -> str:
    """One of the three words."""
    containers = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]
    resources = [container.get("resources") or {} for container in containers]
    if not any(_amounts(each, kind) for each in resources for kind in ("requests", "limits")):
        return "BestEffort"
    return "Guaranteed" if all(_is_guaranteed(each) for each in resources) else "Burstable"


def _amounts(resources: Object, kind: str) -> dict[str, quantity.Quantity]:
    found = {name: quantity.parse(text) for name, text in (resources.get(kind) or {}).items()}
    return {name: amount for name, amount in found.items() if name in _COUNTED and amount}


def _is_guaranteed(resources: Object) -> bool:
    limits = _amounts(resources, "limits")
    return set(limits) == set(_COUNTED) and _amounts(resources, "requests") in ({}, limits)
