"""Shell: what `up` puts into a cluster so that it is of use: the Service kube-dns, where the proxy answers.

    Service kube-dns/kube-system       the address that kubelets write into resolv.conf: 127.96.0.10
    EndpointSlice kube-dns             the same address: the proxy's name server listens there itself

The Service says that it is left to another proxy, since nobody is to listen there but the name server. What
is there already stays as it is, whoever changed it.

After: k8s cmd/kubeadm/app/phases/addons/dns/manifests.go.
"""

from __future__ import annotations

from kube.api import errors
from kube.api.endpoint_slices import SERVICE_NAME
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, SERVICES, Resource
from kube.base import low_ports
from kube.client.rest import Client

NAME, NAMESPACE = "kube-dns", "kube-system"
PORTS = {"dns": "UDP", "dns-tcp": "TCP"}
PORT = 53


async def ensure_kube_dns(client: Client, address: str) -> None:
    """Make what is missing; raises StatusError and ConnectionFailed."""
    for resource, wanted in ((SERVICES, _service(address)), (ENDPOINT_SLICES, _slice(address))):
        if not await _exists(client, resource):
            await client.create(resource, wanted, NAMESPACE)


async def _exists(client: Client, resource: Resource) -> bool:
    try:
        await client.get(resource, NAMESPACE, NAME)
    except StatusError as error:
        if errors.is_not_found(error):
            return False
        raise
    return True


def _service(address: str) -> Object:
    labels = {
        "k8s-app": NAME,
        # kubectl cluster-info lists what has the first, by the name in the second.
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
        "service.kubernetes.io/service-proxy-name": "kubelite-dns",
    }
    ports = [{"name": name, "port": PORT, "protocol": protocol} for name, protocol in PORTS.items()]
    return {"metadata": {"name": NAME, "labels": labels}, "spec": {"clusterIP": address, "ports": ports}}


def _slice(address: str) -> Object:
    port = low_ports.bindable(PORT)
    return {
        "metadata": {"name": NAME, "labels": {SERVICE_NAME: NAME}},
        "addressType": "IPv4",
        "ports": [{"name": name, "port": port, "protocol": protocol} for name, protocol in PORTS.items()],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }
