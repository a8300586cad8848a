"""Core: what an object uses of a ResourceQuota, for those who count and for those who let in.

    pods      pods, cpu, memory ... as requests and limits, while they are not done; by scopes
    services  services, services.nodeports, services.loadbalancers
    claims    persistentvolumeclaims, requests.storage, and both by storage class
    any kind  count/<resource>.<group>; some have an older name without `count/`

Invariants: what is not counted is not in a usage; events cost nothing.
Absent: devices of resource claims; custom kinds.
After: k8s pkg/quota/v1/evaluator/core/{services,persistent_volume_claims,registry}.go;
staging/src/k8s.io/apiserver/pkg/quota/v1/{resources.go,generic/evaluator.go}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction

from kube.api import meta, quantity, quota_pods
from kube.api.meta import Object
from kube.api.quantity import ZERO, Quantity
from kube.api.quota_pods import Scope
from kube.api.resources import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICATION_CONTROLLERS,
    RESOURCE_QUOTAS,
    SECRETS,
    SERVICES,
    Resource,
)

Usage = dict[str, Quantity]

ONE = Quantity(Fraction(1))
OLDER_NAMES = (CONFIG_MAPS, RESOURCE_QUOTAS, REPLICATION_CONTROLLERS, SECRETS)
SERVICE_NAMES = ("services", "services.nodeports", "services.loadbalancers")
CLAIM_NAMES = ("persistentvolumeclaims", "requests.storage")
OF_CLASS = ".storageclass.storage.k8s.io/"
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
# What changes may make them use more or less; all others only by being there.
CHANGING = (PODS, SERVICES, PERSISTENT_VOLUME_CLAIMS)


def is_counted(resource: Resource) -> bool:
    """True for kinds that a quota can count."""
    return resource.namespaced and resource.plural != "events"


def names(resource: Resource, hard: Iterable[str]) -> list[str]:
    """Which names of a quota objects of a kind may use."""
    return [name for name in hard if _is_name(resource, name)]


def _is_name(resource: Resource, name: str) -> bool:
    if name == _count(resource):
        return True
    if resource == PODS:
        return quota_pods.is_name(name)
    if resource == SERVICES:
        return name in SERVICE_NAMES
    if resource == PERSISTENT_VOLUME_CLAIMS:
        return name.rpartition(OF_CLASS)[2] in CLAIM_NAMES
    return resource in OLDER_NAMES and name == resource.plural


def _count(resource: Resource) -> str:
    return f"count/{resource.qualified}"


def usage(resource: Resource, o: Object, now: datetime) -> Usage:
    """What an object uses."""
    found = {_count(resource): ONE}
    if resource == PODS:
        return found | quota_pods.usage(o, now)
    if resource == SERVICES:
        return found | _service(o)
    if resource == PERSISTENT_VOLUME_CLAIMS:
        return found | _claim(o)
    return found | ({resource.plural: ONE} if resource in OLDER_NAMES else {})


def _service(o: Object) -> Usage:
    spec = o.get("spec") or {}
    kind, ports = spec.get("type"), spec.get("ports") or []
    node_ports = len(ports) if kind in ("NodePort", "LoadBalancer") else 0
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        node_ports = sum(bool(port.get("nodePort")) for port in ports)
    balancers = ONE if kind == "LoadBalancer" else ZERO
    node_port_usage = Quantity(Fraction(node_ports))
    return {"services": ONE, "services.nodeports": node_port_usage, "services.loadbalancers": balancers}


def _claim(o: Object) -> Usage:
    found = {"persistentvolumeclaims": ONE}
    asked = meta.get(o, "spec", "resources", "requests", "storage")
    given = meta.get(o, "status", "allocatedResources", "storage")
    if asked is not None:
        most = max(quantity.parse(asked), quantity.parse(given))
        found["requests.storage"] = Quantity(Fraction(most.value()), most.family)
    of_class = meta.annotations(o).get(CLASS_ANNOTATION) or meta.get(o, "spec", "storageClassName")
    if of_class:
        found |= {f"{of_class}{OF_CLASS}{name}": amount for name, amount in found.items()}
    return found


def scopes(quota: Object) -> list[Scope]:
    """To what a quota is limited, in both ways of saying so."""
    spec = quota.get("spec") or {}
    return [
        *(Scope(name, "Exists") for name in spec.get("scopes") or ()),
        *(
            Scope(each.get("scopeName", ""), each.get("operator", ""), tuple(each.get("values") or ()))
            for each in meta.get(spec, "scopeSelector", "matchExpressions", default=[])
        ),
    ]


def is_within(resource: Resource, o: Object, limits: Iterable[Scope]) -> bool:
    """True when an object is in all scopes; only pods and claims are in any."""
    if resource == PODS:
        return all(quota_pods.is_within(o, scope) for scope in limits)
    if resource == PERSISTENT_VOLUME_CLAIMS:
        return all(_has_attributes_class(o, scope) for scope in limits)
    return not [*limits]


def _has_attributes_class(o: Object, scope: Scope) -> bool:
    if scope.name != "VolumeAttributesClass":
        return False
    classes = {
        meta.get(o, "spec", "volumeAttributesClassName"),
        meta.get(o, "status", "currentVolumeAttributesClassName"),
        meta.get(o, "status", "modifyVolumeStatus", "targetVolumeAttributesClassName"),
    }
    known = sorted(each for each in classes if each)
    return any(scope.has(each) for each in known) if known else scope.has("")


def parsed(amounts: Mapping[str, str] | None) -> Usage:
    """Amounts as an object has them."""
    return {name: quantity.parse(text) for name, text in (amounts or {}).items()}


def written(amounts: Usage) -> dict[str, str]:
    """Amounts as an object has them."""
    return {name: str(amounts[name]) for name in sorted(amounts)}


def total(one: Usage, other: Usage) -> Usage:
    """Both together."""
    result = dict(one)
    for name, amount in other.items():
        result[name] = result[name] + amount if name in result else amount
    return result
