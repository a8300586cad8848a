"""Core: what the names of a cluster are made of: Services and their endpoints, as far as names need them.

After: the Kubernetes DNS specification 1.1, section 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kube.api import meta
from kube.api.meta import Object

HEADLESS = "None"


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a Service or of endpoints; the protocol in lower case."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True, slots=True)
class Service:
    """addresses: those of its own; empty for one that is headless or stands for an external name."""

    namespace: str
    name: str
    addresses: tuple[str, ...]
    ports: tuple[Port, ...]
    external_name: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One that is ready; hostname: the one its pod has, else one made of the address."""

    address: str
    hostname: str
    ports: tuple[Port, ...]


def service_of(o: Object) -> Service:
    """A Service object as the names see it."""
    spec = o.get("spec") or {}
    namespace, name = meta.namespace(o), meta.name(o)
    if spec.get("type") == "ExternalName":
        return Service(namespace, name, (), (), str(spec.get("externalName", "")).rstrip(".").lower())
    own = spec.get("clusterIPs") or [spec.get("clusterIP") or HEADLESS]
    addresses = tuple(each for each in own if each != HEADLESS)
    return Service(namespace, name, addresses, tuple(_ports(spec.get("ports"))))


def endpoints_of(o: Object) -> tuple[Endpoint, ...]:
    """The ready endpoints of a slice; one that says nothing of it is ready."""
    if o.get("addressType") not in ("IPv4", "IPv6"):
        return ()
    ports = tuple(_ports(o.get("ports")))
    found = []
    for each in o.get("endpoints") or ():
        if (each.get("conditions") or {}).get("ready") is not False:
            for address in each.get("addresses") or ():
                hostname = each.get("hostname") or address.replace(".", "-").replace(":", "-")
                found.append(Endpoint(address, hostname.lower(), ports))
    return tuple(found)


def _ports(ports: list[Mapping[str, Any]] | None) -> Iterator[Port]:
    for each in ports or ():
        if each.get("port"):
            yield Port(
                (each.get("name") or "").lower(), each.get("protocol", "TCP").lower(), int(each["port"])
            )
