"""Core: turns Services and EndpointSlices into rules: what is listened on, and who stands behind it.

    127.96.12.7:80/TCP     default/web:http   ->  127.224.1.5:8080  127.224.2.9:8080
    127.16.0.1:30080/TCP   default/web:http   ->  127.224.1.5:8080  127.224.2.9:8080
    127.96.40.1:80/TCP     default/lonely:    ->  (nobody: connections are refused)

A Service's port has a rule on the cluster IP and, when it has a node port, one on every node address. Behind
it stand the ready endpoints; when there are none, those that are on their way out but still serve, so that
the last pods of a rollout do not leave a gap. A traffic policy `Local` keeps only endpoints of the node whose
address was called, or, for the cluster IP, of the nodes of this machine.

Sees: Services, EndpointSlices, the addresses for node ports with the node each belongs to.
Invariants: the same objects give the same rules in the same order, whatever the order they come in.
Absent: external IPs and load balancers' addresses (they belong to no node), topology hints, IPv6.
After: k8s pkg/proxy/{servicechangetracker,endpointschangetracker,topology}.go
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kube.api import meta
from kube.api.meta import Object

SERVICE_NAME = "kubernetes.io/service-name"
PROXY_NAME = "service.kubernetes.io/service-proxy-name"
AFFINITY_SECONDS = 10800


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """An address that is listened on; the protocol is `TCP` or `UDP`."""

    address: str
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.address}:{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """Where a connection can be taken to."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which port of which Service answers on a listener; a client sticks to a backend for so long, or not."""

    service: str
    backends: tuple[Backend, ...]
    affinity_seconds: int | None = None


Rules = dict[Listener, Rule]
# Address to the name of its node; the loopback belongs to none, and stands for the whole machine.
NodeAddresses = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint for one port, with what decides whether it is used."""

    backend: Backend
    node: str
    ready: bool
    serving: bool


def build(services: Iterable[Object], slices: Iterable[Object], node_addresses: NodeAddresses) -> Rules:
    """All rules, ordered by listener."""
    by_service: dict[str, list[Object]] = {}
    for each in slices:
        key = f"{meta.namespace(each)}/{meta.labels(each).get(SERVICE_NAME, '')}"
        by_service.setdefault(key, []).append(each)
    rules: Rules = {}
    for service in sorted(services, key=meta.key):
        if is_proxied(service):
            for listener, rule in _of_service(service, by_service.get(meta.key(service), []), node_addresses):
                rules.setdefault(listener, rule)
    return dict(sorted(rules.items()))


def is_proxied(service: Object) -> bool:
    """True for a Service that has an address of its own and is not left to another proxy."""
    spec = service.get("spec") or {}
    return (
        spec.get("type") != "ExternalName"
        and spec.get("clusterIP") not in (None, "", "None")
        and PROXY_NAME not in meta.labels(service)
    )


def _of_service(
    service: Object, slices: list[Object], node_addresses: NodeAddresses
) -> Iterator[tuple[Listener, Rule]]:
    spec = service["spec"]
    here = set(node_addresses.values())
    affinity = _affinity_seconds(spec)
    for port in spec.get("ports") or ():
        protocol = port.get("protocol", "TCP")
        name = f"{meta.key(service)}:{port.get('name') or port['port']}"
        endpoints = list(_endpoints(slices, port.get("name") or "", protocol))
        inside = spec.get("internalTrafficPolicy") == "Local"
        chosen = [each for each in endpoints if not inside or each.node in here]
        yield Listener(spec["clusterIP"], port["port"], protocol), Rule(name, _usable(chosen), affinity)
        if port.get("nodePort"):
            for address, node in node_addresses.items():
                nodes = ({node} if node else here) if spec.get("externalTrafficPolicy") == "Local" else None
                chosen = [each for each in endpoints if nodes is None or each.node in nodes]
                yield Listener(address, port["nodePort"], protocol), Rule(name, _usable(chosen), affinity)


def _endpoints(slices: Iterable[Object], port_name: str, protocol: str) -> Iterator[Endpoint]:
    """What the slices say of one port; a number may differ from slice to slice."""
    for each in slices:
        if each.get("addressType") != "IPv4":
            continue
        for port in each.get("ports") or ():
            if (port.get("name") or "") == port_name and port.get("protocol", "TCP") == protocol:
                for endpoint in each.get("endpoints") or ():
                    yield _endpoint(endpoint, port["port"])


def _endpoint(endpoint: Mapping[str, Any], port: int) -> Endpoint:
    """A condition that is not said counts as kubectl explain says: ready, and serving when ready."""
    conditions = endpoint.get("conditions") or {}
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving")
    return Endpoint(
        Backend(endpoint["addresses"][0], port),
        endpoint.get("nodeName") or "",
        ready,
        ready if serving is None else serving,
    )


def _usable(endpoints: Iterable[Endpoint]) -> tuple[Backend, ...]:
    """The ready ones; without any, those that still serve."""
    known = list(endpoints)
    chosen = [each for each in known if each.ready] or [each for each in known if each.serving]
    return tuple(sorted({each.backend for each in chosen}))


def _affinity_seconds(spec: Mapping[str, Any]) -> int | None:
    if spec.get("sessionAffinity") != "ClientIP":
        return None
    return int(
        meta.get(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds", default=AFFINITY_SECONDS)
    )
