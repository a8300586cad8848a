"""Shell: a claim that names no class is of the default one; claims and volumes in use are not deleted.

After: k8s plugin/pkg/admission/storage/{storageclass/setdefault,storageobjectinuseprotection}/admission.go
"""

from __future__ import annotations

from apiserver.admission.chain import CREATE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES

NAMED = "volume.beta.kubernetes.io/storage-class"
MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
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
        if attributes.subresource or NAMED in meta.annotations(o):
            return
        spec = o.get("spec") or {}
        if spec.get("storageClassName") is None and (name := self._default()):
            spec["storageClassName"] = name

    def _default(self) -> str:
        classes = [entry.decode() for entry in self._cache.log(STORAGE_CLASSES).objects.values()]
        marked = [
            each for each in classes if any(meta.annotations(each).get(mark) == "true" for mark in MARKS)
        ]
        marked.sort(key=meta.name)
        return meta.name(max(marked, key=meta.creation_time, default={}))


class StorageObjectInUseProtection:
    """Adds the finalizers that the controller manager takes away once nothing uses the object."""

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        finalizer = FINALIZERS.get(attributes.resource)
        if finalizer is None or attributes.operation != CREATE or attributes.subresource:
            return
        held = meta.finalizers(o)
        if finalizer not in held:
            o["metadata"]["finalizers"] = [*held, finalizer]
