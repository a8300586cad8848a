"""Shell: makes what every cluster begins with, at each start, where it is missing.

    namespaces -> RBAC policy, priority classes, flow schemas, APIServices, Service default/kubernetes ..

Everything goes through the registry like a client's requests, so that defaults and rules are the same.

Absent: the endpoints of default/kubernetes, which follow the servers that run (presence.py).

After: k8s pkg/controlplane/controller/{systemnamespaces,kubernetesservice}/controller.go,
pkg/registry/rbac/rest/storage_rbac.go, pkg/registry/scheduling/rest/storage_scheduling.go
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import replace

import orjson

from apiserver import api_services, flow_policy, kubernetes_service
from apiserver.admission.chain import CREATE, Attributes
from apiserver.authentication.request_header import RequestHeader
from apiserver.authentication.user import SELF
from apiserver.authorization import bootstrap_policy
from apiserver.registry.registry import Registry
from apiserver.server import Server
from apiserver.storage.watch_cache import WatchCache
from kube.api import front_proxy, lasting_tokens, meta, resources
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
# What of an object is put right where it is there already; of some kinds the spec, too.
MENDED = ("rules", "subjects", "subsets", "endpoints", "ports", "data")
SPEC_MENDED = ("FlowSchema", "PriorityLevelConfiguration", "APIService")
AUTO_UPDATES = (bootstrap_policy.AUTO_UPDATE, flow_policy.AUTO_UPDATE)
# So many are made at once: the store writes them together.
AT_ONCE = 32


async def ensure(
    server: Server, service_network: str, port: int, client_ca: str = "", proxy_ca: str = ""
) -> None:
    """Make all that is missing; the cache is filled and of now."""
    service_ip = str(ipaddress.ip_network(service_network)[1])
    now = meta.format_time(server.clock.now())
    wanted = [
        *bootstrap_policy.objects(),
        *_priority_classes(),
        _storage_class(),
        *flow_policy.objects(now),
        *api_services.objects(resources.RESOURCES),
        _service_cidr(service_network, now),
        _authentication(client_ca, proxy_ca, server.request_header),
        *_token_tracking(server),
        kubernetes_service.service(service_ip, port),
    ]
    await _apply_all(server, list(_namespaces()))
    for first in range(0, len(wanted), AT_ONCE):
        await _apply_all(server, wanted[first : first + AT_ONCE])


async def _apply_all(server: Server, wanted: Sequence[Object]) -> None:
    outcomes = await asyncio.gather(
        *(apply(server.registry, server.cache, o) for o in wanted), return_exceptions=True
    )
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


async def apply(registry: Registry, cache: WatchCache, o: Object) -> None:
    """Create the object; where it is there already, put right what is kept here of its kind."""
    resource = _resource(o)
    asked = Attributes(CREATE, resource, meta.namespace(o), meta.name(o), SELF)
    entry = cache.get(resource, meta.namespace(o), meta.name(o))
    if entry is None:
        await _create(registry, cache, asked, o)
    found = entry.decode() if entry else {}
    mended = {key: o[key] for key in MENDED if key in o}
    mended |= {"spec": o["spec"]} if o["kind"] in SPEC_MENDED else {}
    if "aggregationRule" in o:
        # A controller keeps its rules.
        mended.pop("rules", None)
    if entry and _mended(found, mended) != found:
        await registry.update(asked, lambda old: _mended(old, mended))
    if "status" in o and _with_status(found, o) != found:
        await registry.update(replace(asked, subresource="status"), lambda old: _with_status(old, o))


async def _create(registry: Registry, cache: WatchCache, asked: Attributes, o: Object) -> None:
    try:
        await registry.create(
            asked, {key: value for key, value in meta.deep_copy(o).items() if key != "status"}
        )
    except StatusError:
        # Another API server that starts at the same moment may have been faster.
        await cache.consistent()
        if cache.get(asked.resource, asked.namespace, asked.name) is None:
            raise


def _mended(old: Object, mended: Object) -> Object:
    if any(meta.annotations(old).get(each) == "false" for each in AUTO_UPDATES):
        return old
    return {**old, **meta.deep_copy(mended)}


def _with_status(old: Object, o: Object) -> Object:
    """With the conditions of `o`, unless they say the same already."""
    wanted = o["status"]["conditions"]
    said = [{**each, "lastTransitionTime": ""} for each in meta.get(old, "status", "conditions", default=[])]
    if said == [{**each, "lastTransitionTime": ""} for each in wanted]:
        return old
    return {**old, "status": meta.deep_copy(o["status"])}


def _resource(o: Object) -> Resource:
    found = resources.by_kind(o["apiVersion"], o["kind"])
    assert found is not None, o["kind"]
    return found


def _namespaces() -> Iterable[Object]:
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]


def _service_cidr(network: str, now: str) -> Object:
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "",
        "message": "Kubernetes Service CIDR is ready",
        "lastTransitionTime": now,
    }
    return {
        "apiVersion": resources.SERVICE_CIDRS.api_version,
        "kind": resources.SERVICE_CIDRS.kind,
        "metadata": {"name": kubernetes_service.NAME},
        "spec": {"cidrs": [network]},
        "status": {"conditions": [ready]},
    }


def _authentication(client_ca: str, proxy_ca: str, config: RequestHeader) -> Object:
    """What API servers of others must know to recognize our users, and us when we ask for them."""
    data = {"client-ca-file": client_ca} if client_ca else {}
    if proxy_ca:
        lists = {
            "allowed-names": config.allowed_names,
            "username-headers": config.username_headers,
            "group-headers": config.group_headers,
            "uid-headers": config.uid_headers,
            "extra-headers-prefix": config.extra_prefixes,
        }
        data |= {"requestheader-client-ca-file": proxy_ca}
        data |= {f"requestheader-{name}": orjson.dumps(values).decode() for name, values in lists.items()}
    metadata = {"name": front_proxy.CONFIG_MAP, "namespace": front_proxy.NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _token_tracking(server: Server) -> list[Object]:
    """Since when it is written down that lasting tokens are used; a day that stands there stays."""
    name, namespace = lasting_tokens.TRACKING_NAME, lasting_tokens.TRACKING_NAMESPACE
    entry = server.cache.get(resources.CONFIG_MAPS, namespace, name)
    found = meta.get(entry.decode(), "data", lasting_tokens.TRACKING_SINCE, default="") if entry else ""
    if lasting_tokens.parse_day(found) is not None:
        return []
    data = {lasting_tokens.TRACKING_SINCE: lasting_tokens.format_day(server.clock.now())}
    metadata = {"name": name, "namespace": namespace}
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}]


def _storage_class() -> Object:
    """The class of claims that name none: folders of this machine, made by the controller manager."""
    return {
        "apiVersion": resources.STORAGE_CLASSES.api_version,
        "kind": resources.STORAGE_CLASSES.kind,
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubelite.dev/host-path",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }


def _priority_classes() -> Iterable[Object]:
    for name, (value, description) in PRIORITIES.items():
        yield {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
            "description": description,
        }
