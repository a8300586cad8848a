"""Core: the Service default/kubernetes, under which pods find the API, and where its connections go.

API servers on one machine share an address and differ in their ports, and a slice has one list of ports: so
there is a subset and a slice for each port.

After: k8s pkg/controlplane/controller/kubernetesservice/controller.go; pkg/controlplane/reconcilers
"""

from __future__ import annotations

from kube.api.endpoint_slices import SERVICE_NAME
from kube.api.meta import Object

NAME, NAMESPACE = "kubernetes", "default"
COMPONENT = {"component": "apiserver", "provider": "kubernetes"}
# These Endpoints and slices are both written here: nobody shall make the one from the other.
SKIP_MIRROR = {"endpointslice.kubernetes.io/skip-mirror": "true"}


def service(service_ip: str, port: int) -> Object:
    """The Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": dict(COMPONENT)},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": service_ip,
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
        },
    }


def endpoints(servers: list[tuple[str, int]]) -> list[Object]:
    """Endpoints, and a slice for each port, that name these servers (host, port)."""
    by_port: dict[int, list[str]] = {}
    for host, port in sorted(servers, key=lambda each: each[1]):
        by_port.setdefault(port, []).append(host)
    legacy: Object = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": dict(SKIP_MIRROR)},
        "subsets": [
            {"addresses": [{"ip": host} for host in hosts], "ports": _ports(port)}
            for port, hosts in by_port.items()
        ],
    }
    return [legacy, *(_slice(number, port, hosts) for number, (port, hosts) in enumerate(by_port.items()))]


def is_surplus(endpoint_slice_name: str, wanted: list[Object]) -> bool:
    """True for a slice of ours for more ports than there are servers now."""
    prefix, _, number = endpoint_slice_name.rpartition("-")
    ours = prefix == NAME and number.isdigit()
    return ours and all(each["metadata"]["name"] != endpoint_slice_name for each in wanted)


def _slice(number: int, port: int, hosts: list[str]) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{NAME}-{number}" if number else NAME,
            "namespace": NAMESPACE,
            "labels": {SERVICE_NAME: NAME},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [host], "conditions": {"ready": True}} for host in hosts],
        "ports": _ports(port),
    }


def _ports(port: int) -> list[Object]:
    return [{"name": "https", "port": port, "protocol": "TCP"}]
