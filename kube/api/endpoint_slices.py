"""Core: EndpointSlices as those read them who want to reach a Service's pods, not its address.

    Service, its port -> that port's name -> the ready endpoints of its slices, at their port of that name

After: k8s staging/src/k8s.io/apiserver/pkg/util/proxy/proxy.go, ResolveEndpoint
"""

from __future__ import annotations

from collections.abc import Iterable

from kube.api import meta
from kube.api.meta import Object

# The label that names a slice's Service.
SERVICE_NAME = "kubernetes.io/service-name"


def service_name(endpoint_slice: Object) -> str:
    """The Service that it is of; empty if it is of none."""
    return str(meta.labels(endpoint_slice).get(SERVICE_NAME) or "")


def port_name(service: Object, number: int) -> str | None:
    """The name of a port of the Service; None where it has no such port."""
    for port in meta.get(service, "spec", "ports", default=None) or ():
        if port["port"] == number:
            return str(port.get("name") or "")
    return None


def ready(slices: Iterable[Object], port: str) -> list[tuple[str, int]]:
    """The addresses and port numbers of ready endpoints, each once."""
    found = dict[tuple[str, int], None]()
    for each in slices:
        numbers = [
            p["port"] for p in each.get("ports") or () if (p.get("name") or "") == port and p.get("port")
        ]
        for endpoint in each.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                found |= dict.fromkeys((ip, number) for ip in endpoint["addresses"] for number in numbers)
    return list(found)
