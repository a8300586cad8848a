"""Shell: the objects a binding gives its policy as parameters, out of the watch cache.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/generic/policy_dispatcher.go,
CollectParams
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.registry.conversion import from_stored, stored_as
from apiserver.storage.watch_cache import WatchCache
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import Resource, by_kind


class Misconfigured(Exception):
    """Why a policy or a binding cannot be applied; its failure policy says what follows."""


def param_resource(kind: Mapping[str, Any]) -> Resource:
    """The resource of a paramKind."""
    resource = by_kind(kind["apiVersion"], kind["kind"])
    if resource is None or "list" not in resource.verbs:
        text = f"{kind['apiVersion']}, Kind={kind['kind']}"
        raise Misconfigured(f"failed to find resource referenced by paramKind: '{text}'")
    return resource


async def collect(
    cache: WatchCache, resource: Resource | None, reference: Mapping[str, Any] | None, namespace: str
) -> list[Object | None]:
    """What a binding's paramRef names; one nothing, where policy or binding want no parameters."""
    if resource is None or reference is None:
        return [None]
    space = _namespace(resource, reference.get("namespace") or "", namespace)
    found = await _found(cache, resource, reference, space)
    if not found and reference.get("parameterNotFoundAction") == "Deny":
        raise Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
    return list(found)


def _namespace(resource: Resource, wanted: str, namespace: str) -> str:
    if not resource.namespaced:
        if wanted:
            raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    if not (wanted or namespace):
        text = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        raise Misconfigured(text)
    return wanted or namespace


async def _found(
    cache: WatchCache, resource: Resource, reference: Mapping[str, Any], namespace: str
) -> list[Object]:
    stored = stored_as(resource)
    if name := reference.get("name"):
        entry = await cache.find(stored, namespace, name)
        return [] if entry is None else [from_stored(resource, entry.decode())]
    selector = Selector.from_label_selector(reference.get("selector"))
    log = cache.log(stored)
    entries = log.in_namespace(namespace) if namespace else log.objects.values()
    objects = (from_stored(resource, entry.decode()) for entry in entries)
    return [o for o in objects if selector.matches(o["metadata"].get("labels"))]
