"""Shell: makes this server known to the cluster: a Service, where it is, and the APIService that sends
requests for metrics.k8s.io there.

A pod's manifest does this in other clusters. This process is none, and knows best where it listens.

After: metrics-server manifests/base/{service,apiservice}.yaml
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable

from kube.api import meta
from kube.api.endpoint_slices import SERVICE_NAME
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import API_SERVICES, ENDPOINT_SLICES, SERVICES, Resource
from kube.base.backoff import Backoff
from kube.base.logs import logger
from kube.client.rest import Client, ConnectionFailed
from metrics_server.kinds import GROUP, VERSION

log = logger(__name__)

NAME, NAMESPACE = "metrics-server", "kube-system"
LABELS = {"k8s-app": NAME}
HTTPS_PORT = 443
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.2, 5.0


def objects(host: str, port: int, authority: str) -> Iterable[tuple[Resource, Object]]:
    """All three; authority: in PEM, who has signed the certificate that is shown at this address."""
    metadata = {"name": NAME, "namespace": NAMESPACE, "labels": LABELS}
    ports = [{"name": "https", "port": HTTPS_PORT, "protocol": "TCP", "targetPort": port}]
    yield SERVICES, {"metadata": metadata, "spec": {"ports": ports}}
    labels = {SERVICE_NAME: NAME, "endpointslice.kubernetes.io/managed-by": NAME, **LABELS}
    yield (
        ENDPOINT_SLICES,
        {
            "metadata": metadata | {"labels": labels},
            "addressType": "IPv6" if ":" in host else "IPv4",
            "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        },
    )
    spec = {
        "group": GROUP,
        "version": VERSION,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": {"name": NAME, "namespace": NAMESPACE, "port": HTTPS_PORT},
        "caBundle": base64.b64encode(authority.encode()).decode(),
    }
    yield API_SERVICES, {"metadata": {"name": f"{VERSION}.{GROUP}", "labels": LABELS}, "spec": spec}


async def register(client: Client, host: str, port: int, authority: str) -> None:
    """Make them so, as soon as that is possible."""
    backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
    for resource, o in objects(host, port, authority):
        named = {"apiVersion": resource.api_version, "kind": resource.kind, **o}
        while True:
            try:
                await client.patch(
                    resource,
                    meta.namespace(o) or None,
                    meta.name(o),
                    named,
                    "apply",
                    field_manager=NAME,
                    force=True,
                )
                break
            except (StatusError, ConnectionFailed) as error:
                log.warning("cannot register, will retry", kind=resource.kind, error=error)
                await asyncio.sleep(backoff.next())
    log.info("registered", host=host, port=port)
