"""Shell: makes what every cluster begins with, at each start, where it is missing.

    namespaces -> RBAC policy -> priority classes -> Service default/kubernetes

Everything goes through the registry like a client's requests, so that defaults and rules are the same.

Absent: the endpoints of default/kubernetes, which follow the servers that run (presence.py).

After: k8s pkg/controlplane/controller/{systemnamespaces,kubernetesservice}/controller.go,
pkg/registry/rbac/rest/storage_rbac.go, pkg/registry/scheduling/rest/storage_scheduling.go
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from apiserver import kubernetes_service
from apiserver.admission.chain import CREATE, Attributes
from apiserver.authentication.user import SELF
from apiserver.authorization import bootstrap_policy
from apiserver.registry.registry import Registry
from apiserver.server import Server
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta, resources
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
NODE_CRITICAL = "Used for system critical pods that must not be moved from their current node."
CLUSTER_CRITICAL = (
    "Used for system critical pods that must run in the cluster, "
    "but can be moved to another node if necessary."
)
PRIORITIES = {
    "system-cluster-critical": (2_000_000_000, CLUSTER_CRITICAL),
    "system-node-critical": (2_000_001_000, NODE_CRITICAL),
}


async def ensure(server: Server, service_network: str, port: int) -> None:
    """Make all that is missing; the cache is filled and of now."""
    service_ip = str(ipaddress.ip_network(service_network)[1])
    wanted = [*_namespaces(), *bootstrap_policy.objects(), *_priority_classes()]
    for o in [*wanted, kubernetes_service.service(service_ip, port)]:
        await apply(server.registry, server.cache, o)


async def apply(registry: Registry, cache: WatchCache, o: Object) -> None:
    """Create the object; where it is there already, put its rules, subjects or endpoints right."""
    resource = _resource(o)
    asked = Attributes(CREATE, resource, meta.namespace(o), meta.name(o), SELF)
    if cache.get(resource, meta.namespace(o), meta.name(o)) is None:
        try:
            await registry.create(asked, meta.deep_copy(o))
        except StatusError:
            # Another API server that starts at the same moment may have been faster.
            await cache.consistent()
            if cache.get(resource, meta.namespace(o), meta.name(o)) is None:
                raise
        return
    mended: Object = {
        key: o[key] for key in ("rules", "subjects", "subsets", "endpoints", "ports") if key in o
    }
    if mended:
        await registry.update(asked, lambda old: _mended(old, mended))


def _mended(old: Object, mended: Object) -> Object:
    if meta.annotations(old).get(bootstrap_policy.AUTO_UPDATE) == "false":
        return old
    return {**old, **meta.deep_copy(mended)}


def _resource(o: Object) -> Resource:
    found = resources.by_kind(o["apiVersion"], o["kind"])
    assert found is not None, o["kind"]
    return found


def _namespaces() -> Iterable[Object]:
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]


def _priority_classes() -> Iterable[Object]:
    for name, (value, description) in PRIORITIES.items():
        yield {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "description": description,
        }
