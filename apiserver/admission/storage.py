"""Shell: a claim that names no class is of the default one; claims and volumes in use are not deleted.

After: k8s plugin/pkg/admission/storage/{storageclass/setdefault,storageobjectinuseprotection}/admission.go
"""

from __future__ import annotations

from apiserver.admission.chain import CREATE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta, volumes
from kube.api.meta import Object
from kube.api.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES

FINALIZERS = {
    PERSISTENT_VOLUME_CLAIMS: "kubernetes.io/pvc-protection",
    PERSISTENT_VOLUMES: "kubernetes.io/pv-protection",
}


class DefaultStorageClass:
    """Names the class that is marked as default, the youngest if several are."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not PERSISTENT_VOLUME_CLAIMS or attributes.operation != CREATE:
            return
        # One without a spec is for the validation to refuse.
        if attributes.subresource or not o.get("spec") or volumes.names_class(o):
            return
        classes = (entry.decode() for entry in self._cache.log(STORAGE_CLASSES).objects.values())
        if (default := volumes.default_class(classes)) is not None:
            o["spec"]["storageClassName"] = meta.name(default)


class StorageObjectInUseProtection:
    """Adds the finalizers that the controller manager takes away once nothing uses the object."""

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        finalizer = FINALIZERS.get(attributes.resource)
        if finalizer is None or attributes.operation != CREATE or attributes.subresource:
            return
        held = meta.finalizers(o)
        if finalizer not in held:
            o["metadata"]["finalizers"] = [*held, finalizer]
