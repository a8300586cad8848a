"""Core: decides what the Endpoints object of a Service says.

Addresses with the same ports stand together in a subset, ready ones apart from those that are not.

Sees: a Service (or None once it is gone), the pods it selects, its Endpoints.  Says: Create, Update, Delete.
Invariants: nothing for a Service that selects no pods, nothing when nothing changed; only Endpoints that this
controller made are deleted.
Absent: the cut at a thousand addresses.
After: k8s pkg/controller/endpoint/endpoints_controller.go, syncService; pkg/api/v1/endpoints/util.go
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controllers import pods, service_pods
from kube.api import meta
from kube.api.actions import Action, Create, Delete, Update
from kube.api.meta import Object
from kube.api.resources import ENDPOINTS

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
CONTROLLER = "endpoint-controller"

Port = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """The Service, the pods with its labels, and the Endpoints of its name."""

    service: Object | None
    pods: list[Object]
    endpoints: Object | None


def is_ours(endpoints: Object) -> bool:
    """True for Endpoints that this controller writes."""
    return meta.labels(endpoints).get(MANAGED_BY) == CONTROLLER


def plan(seen: Seen, _: datetime) -> list[Action]:
    """What to do for one Service."""
    service, endpoints = seen.service, seen.endpoints
    if service is None:
        return [_delete(endpoints)] if endpoints is not None and is_ours(endpoints) else []
    if not service_pods.has_pods(service) or meta.is_terminating(service):
        return []
    labels = {**meta.labels(service), MANAGED_BY: CONTROLLER}
    if service_pods.is_headless(service):
        labels[service_pods.HEADLESS] = ""
    subsets = _subsets(service, seen.pods)
    if endpoints is None:
        metadata = {"name": meta.name(service), "namespace": meta.namespace(service), "labels": labels}
        return [Create(ENDPOINTS, {"metadata": metadata, "subsets": subsets})]
    if (endpoints.get("subsets") or []) == subsets and meta.labels(endpoints) == labels:
        return []
    metadata = {**endpoints["metadata"], "labels": labels}
    return [Update(ENDPOINTS, {**endpoints, "metadata": metadata, "subsets": subsets})]


def _subsets(service: Object, candidates: list[Object]) -> list[Object]:
    """First the addresses of each port, then the ports that have the same addresses put together."""
    by_port: dict[Port, dict[str, bool]] = {}
    addresses: dict[str, Object] = {}
    publishes = service_pods.publishes_not_ready(service)
    for pod in sorted(candidates, key=meta.name):
        if not service_pods.has_address(pod) or (meta.is_terminating(pod) and not publishes):
            continue
        ip = pod["status"]["podIP"]
        addresses[ip] = _address(service, pod)
        for port in service_pods.target_ports(service, pod):
            shown = {key: value for key, value in port.items() if value != ""}
            by_port.setdefault(tuple(shown.items()), {})[ip] = publishes or pods.is_ready(pod)
    together: dict[tuple[tuple[str, bool], ...], list[Object]] = {}
    for port_items, found in by_port.items():
        together.setdefault(tuple(sorted(found.items())), []).append(dict(port_items))
    return [_subset(ports, dict(found), addresses) for found, ports in sorted(together.items())]


def _subset(ports: list[Object], found: dict[str, bool], addresses: dict[str, Object]) -> Object:
    subset: Object = {}
    for part, ready in (("addresses", True), ("notReadyAddresses", False)):
        chosen = [addresses[ip] for ip, is_ready in found.items() if is_ready == ready]
        if chosen:
            subset[part] = chosen
    return subset | {"ports": ports}


def _address(service: Object, pod: Object) -> Object:
    reference = {
        "kind": "Pod",
        "name": meta.name(pod),
        "namespace": meta.namespace(pod),
        "uid": meta.uid(pod),
    }
    address: Object = {"ip": pod["status"]["podIP"], "targetRef": reference}
    if meta.get(pod, "spec", "nodeName"):
        address["nodeName"] = pod["spec"]["nodeName"]
    if meta.get(pod, "spec", "hostname") and pod["spec"].get("subdomain") == meta.name(service):
        address["hostname"] = pod["spec"]["hostname"]
    return address


def _delete(endpoints: Object) -> Action:
    return Delete(ENDPOINTS, meta.namespace(endpoints), meta.name(endpoints), meta.uid(endpoints))
