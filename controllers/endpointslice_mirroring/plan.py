"""Core: decides how EndpointSlices come to say what an Endpoints object says that a user wrote.

Only for a Service without a selector: what stands behind others, the endpointslice controller knows.
Addresses with the same ports and of the same family share slices.

Sees: an Endpoints object (or None), its Service (or None), the slices mirrored from it.
Says: Create, Update, Delete.
Invariants: nothing when nothing changed; no slice holds more than ENDPOINTS_MAX.
Absent: an event about addresses beyond a thousand in a subset; they are left out.
After: k8s pkg/controller/endpointslicemirroring/{endpointslicemirroring_controller,reconciler,utils}.go.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kube.api import meta
from kube.api.actions import Action, Create, Delete, Update
from kube.api.endpoint_slices import SERVICE_NAME
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, ENDPOINTS

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
# Annotations that speak of the Endpoints object alone.
OWN_ANNOTATIONS = (
    "endpoints.kubernetes.io/last-change-trigger-time",
    "kubectl.kubernetes.io/last-applied-configuration",
)
ENDPOINTS_MAX = 1000

Endpoints = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Seen:
    """The Endpoints, the Service of that name, and the slices made from it before."""

    endpoints: Object | None
    service: Object | None
    slices: list[Object]
    expectations_met: bool = True


def is_ours(endpoint_slice: Object) -> bool:
    """True for slices that this controller writes."""
    return meta.labels(endpoint_slice).get(MANAGED_BY) == CONTROLLER


def plan(seen: Seen, _: datetime) -> list[Action]:
    """What to do for one Endpoints object."""
    if not seen.expectations_met:
        return []
    present = [each for each in seen.slices if not meta.is_terminating(each)]
    endpoints = seen.endpoints
    if endpoints is None or not _is_mirrored(endpoints, seen.service):
        return [_delete(each) for each in present]
    own = [each for each in present if meta.is_controlled_by(each, endpoints)]
    actions: list[Action] = []
    kept: set[str] = set()
    for (family, ports), addresses in _groups(endpoints).items():
        same = [each for each in own if _key(each) == (family, ports)]
        same.sort(key=meta.name)
        for start in range(0, len(addresses), ENDPOINTS_MAX):
            old = same.pop(0) if same else None
            wanted = _slice(endpoints, family, json.loads(ports), addresses[start : start + ENDPOINTS_MAX])
            if old is None:
                actions.append(Create(ENDPOINT_SLICES, wanted))
                continue
            kept.add(meta.uid(old))
            if _differs(old, wanted):
                actions.append(Update(ENDPOINT_SLICES, _changed(old, wanted)))
    return actions + [_delete(each) for each in present if meta.uid(each) not in kept]


def _is_mirrored(endpoints: Object, service: Object | None) -> bool:
    return (
        service is not None
        and not meta.get(service, "spec", "selector")
        and meta.labels(endpoints).get(SKIP) != "true"
        and LEADER not in meta.annotations(endpoints)
        and not meta.is_terminating(endpoints)
    )


def _groups(endpoints: Object) -> dict[tuple[str, str], Endpoints]:
    """The endpoints by family and ports (as JSON), each address once."""
    groups: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for subset in endpoints.get("subsets") or ():
        ports = _ports_key([_port(each) for each in subset.get("ports") or ()])
        listed = [
            (each, ready)
            for part, ready in (("addresses", True), ("notReadyAddresses", False))
            for each in subset.get(part) or ()
        ]
        for address, ready in listed[:ENDPOINTS_MAX]:
            ip = _parsed(address.get("ip", ""))
            if ip is not None:
                found = groups.setdefault((f"IPv{ip.version}", ports), {})
                found.setdefault(str(ip), _endpoint(address, str(ip), ready))
    return {key: list(found.values()) for key, found in groups.items()}


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _endpoint(address: Object, ip: str, ready: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"addresses": [ip], "conditions": {"ready": ready}}
    for part in ("hostname", "nodeName", "targetRef"):
        if address.get(part):
            made[part] = address[part]
    return made


def _port(port: Object) -> dict[str, Any]:
    made = {
        "name": port.get("name") or "",
        "port": port["port"],
        "protocol": port.get("protocol") or "TCP",
    }
    return made | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {})


def _ports_key(ports: list[dict[str, Any]]) -> str:
    """Ports as a text that is equal when they are, in whatever order."""
    return json.dumps(sorted(ports, key=lambda port: json.dumps(port, sort_keys=True)), sort_keys=True)


def _key(endpoint_slice: Object) -> tuple[str, str]:
    return endpoint_slice["addressType"], _ports_key([_port(p) for p in endpoint_slice.get("ports") or ()])


def _slice(endpoints: Object, family: str, ports: list[Any], addresses: Endpoints) -> Object:
    metadata: dict[str, Any] = {
        "generateName": f"{meta.name(endpoints)}-",
        "namespace": meta.namespace(endpoints),
        "labels": {
            **meta.labels(endpoints),
            SERVICE_NAME: meta.name(endpoints),
            MANAGED_BY: CONTROLLER,
        },
        "annotations": {
            key: value for key, value in meta.annotations(endpoints).items() if key not in OWN_ANNOTATIONS
        },
        "ownerReferences": [meta.owner_reference(endpoints, ENDPOINTS)],
    }
    return {"metadata": metadata, "addressType": family, "ports": ports, "endpoints": addresses}


def _differs(old: Object, wanted: Object) -> bool:
    return (
        (old.get("endpoints") or []) != wanted["endpoints"]
        or meta.labels(old) != meta.labels(wanted)
        or meta.annotations(old) != meta.annotations(wanted)
    )


def _changed(old: Object, wanted: Object) -> Object:
    parts = {part: wanted["metadata"][part] for part in ("labels", "annotations")}
    return {**old, "metadata": {**old["metadata"], **parts}, "endpoints": wanted["endpoints"]}


def _delete(each: Object) -> Action:
    return Delete(ENDPOINT_SLICES, meta.namespace(each), meta.name(each), meta.uid(each))
