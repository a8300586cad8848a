"""Core: which endpoints of a Service are used, by whom.

Ready ones; where there are none, those on their way out that still serve, so that the last pods of a rollout
leave no gap. With hints, a client gets those hinted for its node, else for its zone: but only if every ready
endpoint has a hint of that kind, and one is for the client's.

After: k8s pkg/proxy/topology.go, CategorizeEndpoints; KEP-1669.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kube.api.meta import Object
from proxy.nodes import Nodes


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """Where a connection can be taken to."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


Backends = tuple[Backend, ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint for one port, with what decides whether it is used.

    serving: it is on its way out, and serves all the same. hints: names of nodes, and of zones.
    """

    backend: Backend
    node: str
    ready: bool
    serving: bool
    node_hints: frozenset[str] = frozenset()
    zone_hints: frozenset[str] = frozenset()


def of_port(slices: Iterable[Object], port_name: str, protocol: str) -> Iterator[Endpoint]:
    """What the slices say of one port; a number may differ from slice to slice."""
    for each in slices:
        if each.get("addressType") != "IPv4":
            continue
        for port in each.get("ports") or ():
            is_it = (port.get("name") or "") == port_name and port.get("protocol", "TCP") == protocol
            if is_it and port.get("port"):
                for endpoint in each.get("endpoints") or ():
                    yield _endpoint(endpoint, port["port"])


def _endpoint(endpoint: Mapping[str, Any], port: int) -> Endpoint:
    """A condition that is not said counts as kubectl explain says: ready, serving when ready, staying."""
    conditions, hints = endpoint.get("conditions") or {}, endpoint.get("hints") or {}
    ready, serving = conditions.get("ready") is not False, conditions.get("serving")
    return Endpoint(
        Backend(endpoint["addresses"][0], port),
        endpoint.get("nodeName") or "",
        ready,
        bool(conditions.get("terminating")) and (ready if serving is None else serving),
        frozenset(each["name"] for each in hints.get("forNodes") or ()),
        frozenset(each["name"] for each in hints.get("forZones") or ()),
    )


def usable(endpoints: Iterable[Endpoint]) -> Backends:
    """The ready ones; without any, those that still serve."""
    known = list(endpoints)
    chosen = [each for each in known if each.ready] or [each for each in known if each.serving]
    return tuple(sorted({each.backend for each in chosen}))


def on(endpoints: Iterable[Endpoint], nodes: Collection[str]) -> Backends:
    """Those of them that stand on one of the nodes."""
    return usable(each for each in endpoints if each.node in nodes)


def ready_on(endpoints: Iterable[Endpoint], nodes: Collection[str]) -> set[str]:
    """The addresses of ready ones on these nodes."""
    return {each.backend.address for each in endpoints if each.ready and each.node in nodes}


def hinted(endpoints: Iterable[Endpoint], nodes: Nodes) -> dict[str, Backends]:
    """By node, where hints keep its clients to some; for the other nodes all are used."""
    ready = [each for each in endpoints if each.ready]
    found: dict[str, Backends] = {}
    if ready and all(each.zone_hints for each in ready):
        for node, zone in nodes.zones.items():
            found[node] = usable(each for each in ready if zone in each.zone_hints)
    if ready and all(each.node_hints for each in ready):
        for node in nodes.names:
            found[node] = usable(each for each in ready if node in each.node_hints) or found.get(node, ())
    return {node: backends for node, backends in found.items() if backends}
