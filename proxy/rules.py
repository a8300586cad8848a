"""Core: turns a Service and its EndpointSlices into rules: what is listened on, and who stands behind it.

    127.96.12.7:80/TCP     default/web:http   ->  127.224.1.5:8080  127.224.2.9:8080
    127.16.0.1:30080/TCP   default/web:http   ->  127.224.1.5:8080  127.224.2.9:8080
    127.80.0.1:80/TCP      default/web:http   ->  the same, for clients in its source ranges
    127.96.40.1:80/TCP     default/lonely:    ->  (nobody: connections are refused)
    127.16.0.1:31234/TCP   default/web         :  how many of its endpoints are on this node, by HTTP

A Service's port has a rule on the cluster IP, on each external IP and address of a load balancer, and, when
it has a node port, on every node address. A traffic policy `Local` keeps only endpoints of one node: inside
that of the client, outside that whose address was called. Where no node can be told (a client that is no
pod, the loopback, an address of a load balancer) it means all nodes of this machine.

Sees: one Service, its EndpointSlices, the nodes.
Invariants: the same objects give the same rules, whatever the order they come in.
Absent: IPv6; a pod that calls a load balancer's address under `Local` gets no special treatment.
After: k8s pkg/proxy/{serviceport,servicechangetracker,endpointschangetracker}.go
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from kube.api import meta
from kube.api.meta import Object
from proxy.endpoints import Backend, Backends, Endpoint, hinted, of_port, on, ready_on, usable
from proxy.nodes import Nodes

# Labels of Services that others serve, or nobody.
OTHERS = ("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless")
AFFINITY_SECONDS = 10800


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """An address that is listened on; the protocol is `TCP` or `UDP`."""

    address: str
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.address}:{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which port of which Service answers on a listener.

    by_node: for clients on these nodes others than `backends`. sources: who may come, if not everybody.
    affinity_seconds: how long a client sticks to a backend, if it does.
    """

    service: str
    backends: Backends
    affinity_seconds: int | None = None
    by_node: Mapping[str, Backends] = field(default_factory=dict)
    sources: tuple[IPv4Network, ...] = ()

    @property
    def reachable(self) -> set[Backend]:
        """Those that some client or other is taken to."""
        return set(self.backends).union(*self.by_node.values())

    def reaches(self, backend: Backend) -> bool:
        return backend in self.backends or any(backend in each for each in self.by_node.values())

    def backends_for(self, node: str) -> Backends:
        return self.by_node.get(node, self.backends) if self.by_node else self.backends

    def admits(self, client: str) -> bool:
        return not self.sources or any(IPv4Address(client) in each for each in self.sources)


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Tells load balancers whether a node is of use: which Service, how many ready endpoints are on it."""

    service: str
    local_endpoints: int
    is_healthy: bool


Rules = dict[Listener, Rule | HealthCheck]


def of_service(service: Object, slices: Collection[Object], nodes: Nodes) -> Rules:
    """All rules of one Service; an address that it asks for twice is its first.

    Nobody stands behind himself: a Service whose endpoint is its own address is served by someone else, who
    is not to find it taken.
    """
    rules: Rules = {}
    if is_proxied(service):
        rules |= _health_checks(service, slices, nodes)
        for listener, rule in _of_ports(service, slices, nodes):
            itself = Backend(listener.address, listener.port)
            rules.setdefault(listener, rule if itself not in rule.backends else _without(rule, itself))
    return rules


def _without(rule: Rule, backend: Backend) -> Rule:
    def left(backends: Backends) -> Backends:
        return tuple(each for each in backends if each != backend)

    by_node = {node: left(backends) for node, backends in rule.by_node.items()}
    return replace(rule, backends=left(rule.backends), by_node=by_node)


def is_proxied(service: Object) -> bool:
    """True for a Service that has an address of its own and is not left to another proxy."""
    spec, labels = service.get("spec") or {}, meta.labels(service)
    return (
        spec.get("type") != "ExternalName"
        and spec.get("clusterIP") not in (None, "", "None")
        and not any(label in labels for label in OTHERS)
    )


def depends_on_nodes(service: Object, slices: Collection[Object]) -> bool:
    """Whether other nodes can make other rules of it."""
    spec = service.get("spec") or {}
    return (
        "Local" in (spec.get("internalTrafficPolicy"), spec.get("externalTrafficPolicy"))
        or any(port.get("nodePort") for port in spec.get("ports") or ())
        or any(endpoint.get("hints") for each in slices for endpoint in each.get("endpoints") or ())
    )


def _of_ports(service: Object, slices: Collection[Object], nodes: Nodes) -> Iterator[tuple[Listener, Rule]]:
    spec = service["spec"]
    affinity = _affinity_seconds(spec)
    for port in spec.get("ports") or ():
        protocol, number = port.get("protocol", "TCP"), port["port"]
        name = f"{meta.key(service)}:{port.get('name') or number}"
        endpoints = list(of_port(slices, port.get("name") or "", protocol))
        everywhere = Rule(name, usable(endpoints), affinity, hinted(endpoints, nodes))
        inside = outside = everywhere
        if spec.get("internalTrafficPolicy") == "Local":
            by_node = {node: on(endpoints, [node]) for node in nodes.names}
            inside = Rule(name, on(endpoints, nodes.names), affinity, by_node)
        yield Listener(spec["clusterIP"], number, protocol), inside
        is_local = spec.get("externalTrafficPolicy") == "Local"
        if is_local:
            outside = Rule(name, on(endpoints, nodes.names), affinity)
        for address in spec.get("externalIPs") or ():
            if ":" not in address:
                yield Listener(address, number, protocol), outside
        for address in _balancer_addresses(service):
            sources = _sources(spec)
            yield (
                Listener(address, number, protocol),
                Rule(name, outside.backends, affinity, outside.by_node, sources),
            )
        if port.get("nodePort"):
            for address, node in nodes.addresses.items():
                called = on(endpoints, [node]) if is_local and node else outside.backends_for(node)
                yield Listener(address, port["nodePort"], protocol), Rule(name, called, affinity)


def _balancer_addresses(service: Object) -> Iterator[str]:
    """Those that the proxy is to answer on itself."""
    if service["spec"].get("type") != "LoadBalancer":
        return
    for each in meta.get(service, "status", "loadBalancer", "ingress", default=[]):
        if each.get("ip") and ":" not in each["ip"] and each.get("ipMode", "VIP") == "VIP":
            yield each["ip"]


def _sources(spec: Mapping[str, Any]) -> tuple[IPv4Network, ...]:
    """Who may call the load balancer; ranges of IPv6 are left out, as by a kube-proxy of IPv4."""
    ranges = [each.strip() for each in spec.get("loadBalancerSourceRanges") or ()]
    return tuple(IPv4Network(each, strict=False) for each in ranges if ":" not in each)


def _health_checks(
    service: Object, slices: Collection[Object], nodes: Nodes
) -> Iterator[tuple[Listener, HealthCheck]]:
    spec = service["spec"]
    if spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local":
        return
    if not spec.get("healthCheckNodePort"):
        return
    endpoints: list[Endpoint] = []
    for port in spec.get("ports") or ():
        endpoints += of_port(slices, port.get("name") or "", port.get("protocol", "TCP"))
    for address, node in nodes.addresses.items():
        count = len(ready_on(endpoints, [node] if node else nodes.names))
        check = HealthCheck(meta.key(service), count, node not in nodes.leaving)
        yield Listener(address, spec["healthCheckNodePort"]), check


def _affinity_seconds(spec: Mapping[str, Any]) -> int | None:
    if spec.get("sessionAffinity") != "ClientIP":
        return None
    return int(
        meta.get(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds", default=AFFINITY_SECONDS)
    )
