"""Core: what a pod may know of itself: its fields, and the resources of its containers.

    metadata.labels['app'] -> web        limits.cpu, divisor 1m -> 500

A limit that is not set is what the node has for pods. Values are text, as variables and files have them.
After: k8s pkg/fieldpath/fieldpath.go; pkg/api/v1/resource/helpers.go; pkg/kubelet/kubelet_resources.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from kube.api import meta, quantity
from kube.api.meta import Object

QUOTED_KEY = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a pod may know of its node. pod_ip: empty until it has one."""

    host_ip: str = ""
    pod_ip: str = ""
    allocatable: Mapping[str, str] = field(default_factory=dict)


def field_value(pod: Object, path: str, around: Surroundings) -> str:
    """A field as the downward API names it."""
    addresses = {"status.hostIP": around.host_ip, "status.podIP": around.pod_ip}
    if path.removesuffix("s") in addresses:
        return addresses[path.removesuffix("s")]
    if path in ("metadata.labels", "metadata.annotations"):
        return _lines(meta.get(pod, *path.split("."), default={}))
    quoted = QUOTED_KEY.fullmatch(path)
    keys = ("metadata", quoted[1], quoted[2]) if quoted else tuple(path.split("."))
    return str(meta.get(pod, *keys, default=""))


def _lines(values: Mapping[str, str]) -> str:
    """`key="value"`, a line each, in order."""
    return "\n".join(f"{key}={json.dumps(values[key], ensure_ascii=False)}" for key in sorted(values))


def resource_value(pod: Object, container: Object, reference: Object, around: Surroundings) -> str:
    """A request or limit in units of the divisor, rounded up; LookupError where no such container is."""
    if name := reference.get("containerName"):
        specs = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]
        found = next((each for each in specs if each["name"] == name), None)
        if found is None:
            raise LookupError(f"container {name} not found")
        container = found
    kind, _, resource = reference["resource"].partition(".")
    amount = quantity.parse(_amount(container, kind, resource, around))
    divisor = quantity.parse(reference.get("divisor") or "1")
    return str(ceil(amount.amount / (divisor.amount or 1)))


def _amount(container: Object, kind: str, resource: str, around: Surroundings) -> str:
    said = meta.get(container, "resources", kind, resource)
    if said is not None and quantity.parse(said):
        return str(said)
    return around.allocatable.get(resource, "0") if kind == "limits" else "0"
