"""Shell: a claim grows only where its storage class says that its volumes can.

After: k8s plugin/pkg/admission/storage/persistentvolume/resize/admission.go
"""

from __future__ import annotations

from apiserver.admission.chain import UPDATE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, meta, quantity, volumes
from kube.api.meta import Object
from kube.api.quantity import Quantity
from kube.api.resources import PERSISTENT_VOLUME_CLAIMS, STORAGE_CLASSES

UNBOUND = "Only bound persistent volume claims can be expanded"
FIXED = (
    "only dynamically provisioned pvc can be resized and "
    "the storageclass that provisions the pvc must support resize"
)


class PersistentVolumeClaimResize:
    """Compares what was asked for with what is."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not PERSISTENT_VOLUME_CLAIMS or attributes.operation != UPDATE:
            return
        if old is None or attributes.subresource or not _size(o) > _size(old):
            return
        if meta.get(old, "status", "phase") != "Bound":
            raise errors.forbidden(attributes.resource, attributes.name, UNBOUND)
        if not self._can_grow(volumes.class_of(o), volumes.class_of(old)):
            raise errors.forbidden(attributes.resource, attributes.name, FIXED)

    def _can_grow(self, name: str, before: str) -> bool:
        entry = self._cache.get(STORAGE_CLASSES, "", name) if name and name == before else None
        return entry is not None and bool(entry.decode().get("allowVolumeExpansion"))


def _size(claim: Object) -> Quantity:
    return quantity.parse(str(meta.get(claim, "spec", "resources", "requests", "storage", default="0")))
