"""Shell: nothing is created in a namespace that is not there or on its way out; three namespaces cannot go.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go
"""

from __future__ import annotations

from apiserver.admission.chain import CREATE, DELETE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors
from kube.api.meta import Object
from kube.api.resources import NAMESPACES

IMMORTAL = ("default", "kube-system", "kube-public")


class NamespaceLifecycle:
    """Asks the cache, and where it knows nothing, waits for what the store knows."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is NAMESPACES:
            if attributes.operation == DELETE and attributes.name in IMMORTAL:
                raise errors.forbidden(NAMESPACES, attributes.name, "this namespace may not be deleted")
            return
        if attributes.operation != CREATE or not attributes.resource.namespaced or _is_review(attributes):
            return
        entry = await self._cache.find(NAMESPACES, "", attributes.namespace)
        if entry is None:
            raise errors.not_found(NAMESPACES, attributes.namespace)
        if entry.fields.get("status.phase") == "Terminating":
            raise _terminating(attributes)


def _is_review(attributes: Attributes) -> bool:
    """A question about rights; a refusal would tell whether there is such a namespace."""
    return attributes.resource.plural == "localsubjectaccessreviews"


def _terminating(attributes: Attributes) -> errors.StatusError:
    space = attributes.namespace
    why = f"unable to create new content in namespace {space} because it is being terminated"
    error = errors.forbidden(attributes.resource, attributes.name, why)
    message = f"namespace {space} is being terminated"
    cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
    error.details["causes"] = [cause]
    return error
