"""Core: what is special about Services: what was given to one stays, until its type has no use for it.

    keep      before anything is allocated: what was and is not said again; clusterIP and clusterIPs are one
    _drop     what the new type has no use for, unless the client changed it on purpose

The addresses themselves are given out by apiserver/allocation/, in the admission chain. What is wrong with a
Service is in `service_rules.py` and `service_ips.py`.

After: k8s pkg/registry/core/service/strategy.go; pkg/registry/core/service/storage/storage.go,
patchAllocatedValues, normalizeClusterIPs
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import names, service_ips, service_rules
from apiserver.registry.strategy import Strategy
from kube.api import meta
from kube.api.meta import Object

ADDRESS_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
BALANCER_FIELDS = ("allocateLoadBalancerNodePorts", "loadBalancerClass")


def prepare_create(o: Object) -> None:
    """No load balancer has answered yet."""
    o["status"] = {"loadBalancer": {}}
    keep(o.setdefault("spec", {}), {})


def prepare_update(new: Object, old: Object) -> None:
    """What is not said again stays; what no longer applies goes."""
    spec, before = new.setdefault("spec", {}), old.get("spec") or {}
    keep(spec, before)
    _drop(spec, before)


def has_cluster_ip(spec: Any) -> bool:
    """True for types that have an address in the cluster, or may be headless."""
    return bool(spec.get("type") != "ExternalName")


def has_node_ports(spec: Any) -> bool:
    """True for types that have a port on each node."""
    kind = spec.get("type")
    if kind == "LoadBalancer":
        return spec.get("allocateLoadBalancerNodePorts") is not False
    return bool(kind == "NodePort")


def keep(spec: Any, before: Any) -> None:
    """Fill in what was allocated; `before` is empty for a new Service. Twice changes nothing more."""
    if not before:
        if spec.get("clusterIP") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]]
        return
    if has_cluster_ip(before) and has_cluster_ip(spec):
        for field in ("clusterIP", "ipFamilies", "ipFamilyPolicy"):
            if not spec.get(field) and before.get(field):
                spec[field] = meta.deep_copy(before[field])
        if not spec.get("clusterIPs") and spec.get("clusterIP") == before.get("clusterIP"):
            spec["clusterIPs"] = meta.deep_copy(before.get("clusterIPs") or [])
    _agree(spec, before)
    if has_node_ports(before) and has_node_ports(spec):
        _keep_node_ports(spec.get("ports") or [], before.get("ports") or [])
    if service_rules.needs_health_check(before) and service_rules.needs_health_check(spec):
        known = before.get("healthCheckNodePort") or 0
        spec["healthCheckNodePort"] = spec.get("healthCheckNodePort") or known


def _agree(spec: Any, before: Any) -> None:
    """Who changes `clusterIP` alone means the first of `clusterIPs`."""
    was, now = before.get("clusterIP") or "", spec.get("clusterIP") or ""
    if was != now and spec.get("clusterIPs") and spec.get("clusterIPs") == before.get("clusterIPs"):
        if now:
            spec["clusterIPs"] = [now, *spec["clusterIPs"][1:]]
        else:
            del spec["clusterIPs"]


def _keep_node_ports(ports: list[Any], before: list[Any]) -> None:
    """A port keeps its node port by its name."""
    old = {each.get("nodePort") for each in before}
    used = {each["nodePort"] for each in ports if each.get("nodePort")} & old
    by_name = {each.get("name") or "": each.get("nodePort") for each in before}
    for port in ports:
        known = by_name.get(port.get("name") or "")
        if not port.get("nodePort") and known and known not in used:
            port["nodePort"] = known
            used.add(known)


def _drop(spec: Any, before: Any) -> None:
    if has_cluster_ip(before) and not has_cluster_ip(spec):
        for field in ADDRESS_FIELDS:
            _drop_if_same(spec, before, field)
    if has_node_ports(before) and not has_node_ports(spec):
        known = [each.get("nodePort") for each in before.get("ports") or ()]
        if [each.get("nodePort") for each in spec.get("ports") or ()] == known:
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
    if service_rules.needs_health_check(before) and not service_rules.needs_health_check(spec):
        _drop_if_same(spec, before, "healthCheckNodePort")
    if before.get("type") == "LoadBalancer" and spec.get("type") != "LoadBalancer":
        for field in BALANCER_FIELDS:
            _drop_if_same(spec, before, field)
    if service_rules.is_reachable(before) and not service_rules.is_reachable(spec):
        _drop_if_same(spec, before, "externalTrafficPolicy")


def _drop_if_same(spec: Any, before: Any, field: str) -> None:
    if spec.get(field) == before.get(field):
        spec.pop(field, None)


STRATEGY = Strategy(
    name_errors=names.dns_1035_label,
    creates_on_update=True,
    returns_deleted=True,
    is_complete=True,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=service_rules.validate,
    validate_update=service_ips.changes,
    subresources={"status": service_rules.status_changes},
)
