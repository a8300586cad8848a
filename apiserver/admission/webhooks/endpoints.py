"""Core: one of the addresses behind a Service, for a webhook that answers there.

Kubernetes sends such calls to the Service's own address; here they go to a pod at once, for an API server may
run where no proxy does.

After: k8s staging/src/k8s.io/apiserver/pkg/util/proxy/proxy.go, ResolveEndpoint
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from kube.api import errors, meta
from kube.api.meta import Object

Address = tuple[str, int]
Pick = Callable[[Sequence[Address]], Address]


def address(service: Object, slices: Iterable[Object], port: int, pick: Pick) -> Address:
    """An address and a port of it; StatusError 503 where there is none."""
    name = meta.name(service)
    ports = meta.get(service, "spec", "ports", default=())
    found = next((each for each in ports if each.get("port") == port), None)
    if found is None:
        raise errors.service_unavailable(f'no service port {port} found for service "{name}"')
    ready = [each for one in slices for each in _addresses(one, found.get("name") or "")]
    if not ready:
        raise errors.service_unavailable(f'no endpoints available for service "{name}"')
    return pick(ready)


def _addresses(of: Object, port_name: str) -> Iterator[Address]:
    """The ready ones of an EndpointSlice, at its port of that name."""
    numbers = [each["port"] for each in of.get("ports") or () if (each.get("name") or "") == port_name]
    for endpoint in of.get("endpoints") or ():
        if meta.get(endpoint, "conditions", "ready", default=True):
            yield from ((ip, number) for ip in endpoint.get("addresses") or () for number in numbers)
