"""Shell: shows the plan a claim or a volume, and wakes each when the other changes.

The key of a claim has a slash, that of a volume has none. A volume that is free may be what any claim of its
class waits for; claims that wait are found by their class. That a claim or a volume is gone is believed
only after asking the server.

After: k8s pkg/controller/volume/persistentvolume/pv_controller_base.go.
"""

from __future__ import annotations

from datetime import datetime

from controllers.live import find
from controllers.persistent_volume.claims import SeenClaim
from controllers.persistent_volume.plan import Seen, SeenVolume, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
    Resource,
)
from kube.api.volumes import BIND_COMPLETED, CLAIM_INDEX, claim_key, claims_of_pod, class_of, names_class
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller

NAME = "persistentvolume-controller"
WAITING_INDEX = "waiting-of-class"
CLASS_INDEX = "class"
# Under which waiting claims are found that name no class; it is no class's name.
NO_CLASS = "/none"


def waiting_index(claim: Object) -> list[str]:
    """Find claims that have no volume by what class they are of."""
    if BIND_COMPLETED in meta.annotations(claim):
        return []
    return [class_of(claim), *([] if names_class(claim) else [NO_CLASS])]


def class_index(volume: Object) -> list[str]:
    """Find volumes by class, and by the claim they are kept for."""
    return [class_of(volume), *([claim_key(volume)] if claim_key(volume) else [])]


class PersistentVolumeReconciler:
    """Observes and plans for one claim or volume."""

    def __init__(self, client: Client, informers: InformerFactory) -> None:
        self._client = client
        self._claims = informers.informer(PERSISTENT_VOLUME_CLAIMS)
        self._volumes = informers.informer(PERSISTENT_VOLUMES)
        self._classes = informers.informer(STORAGE_CLASSES)
        self._pods = informers.informer(PODS)
        self._claims.add_index(WAITING_INDEX, waiting_index)
        self._volumes.add_index(CLASS_INDEX, class_index)
        self._pods.add_index(CLAIM_INDEX, claims_of_pod)

    async def observe(self, key: str) -> Seen | None:
        if "/" in key:
            return await self._observe_claim(key)
        volume = self._volumes.store.get(key)
        if volume is None:
            return None
        claim = None
        if meta.get(volume, "spec", "claimRef", "uid"):
            claim = await self._get(PERSISTENT_VOLUME_CLAIMS, claim_key(volume))
        return SeenVolume(volume, claim)

    async def _observe_claim(self, key: str) -> Seen | None:
        claim = self._claims.store.get(key)
        if claim is None:
            return None
        named = meta.get(claim, "spec", "volumeName", default="")
        volume = await self._get(PERSISTENT_VOLUMES, named) if named else None
        found = (
            ()
            if named
            else (
                *self._volumes.store.by_index(CLASS_INDEX, key),
                *self._volumes.store.by_index(CLASS_INDEX, class_of(claim)),
            )
        )
        pods = self._pods.store.by_index(CLAIM_INDEX, key)
        return SeenClaim(claim, found, volume, self._classes.store.list(), pods)

    async def _get(self, resource: Resource, key: str) -> Object | None:
        """From the cache, or else from the server."""
        store = (self._volumes if resource is PERSISTENT_VOLUMES else self._claims).store
        if (known := store.get(key)) is not None:
            return known
        return await find(self._client, resource, *meta.split_key(key))

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def keys_of_claim(self, claim: Object) -> list[str]:
        """Itself, the volume it names, and those kept for it."""
        named = meta.get(claim, "spec", "volumeName")
        kept = map(meta.name, self._volumes.store.by_index(CLASS_INDEX, meta.key(claim)))
        return [meta.key(claim), *([named] if named else []), *kept]

    def keys_of_volume(self, volume: Object) -> list[str]:
        """Itself, its claim, or all claims that may want it."""
        if key := claim_key(volume):
            return [meta.name(volume), key]
        return [meta.name(volume), *self._waiting(class_of(volume))]

    def keys_of_class(self, storage_class: Object) -> list[str]:
        """Claims that wait for such a class, or for any."""
        return [*self._waiting(meta.name(storage_class)), *self._waiting(NO_CLASS)]

    def keys_of_pod(self, pod: Object) -> list[str]:
        """Claims of a new pod that wait for one."""
        found = ((key, self._claims.store.get(key)) for key in claims_of_pod(pod))
        return [key for key, claim in found if claim is not None and waiting_index(claim)]

    def _waiting(self, name: str) -> list[str]:
        return [meta.key(each) for each in self._claims.store.by_index(WAITING_INDEX, name)]


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by claims, volumes, classes, and pods that come."""
    reconciler = PersistentVolumeReconciler(wiring.client, wiring.informers)
    controller: Controller[Seen] = wiring.controller(NAME, "claims", reconciler)
    controller.watch(wiring.informers.informer(PERSISTENT_VOLUME_CLAIMS), reconciler.keys_of_claim)
    controller.watch(wiring.informers.informer(PERSISTENT_VOLUMES), reconciler.keys_of_volume)
    controller.watch(wiring.informers.informer(STORAGE_CLASSES), reconciler.keys_of_class)

    def on_pod(pod: Object) -> None:
        for key in reconciler.keys_of_pod(pod):
            controller.queue.add(key)

    wiring.informers.informer(PODS).add_handler(on_add=on_pod)
    return controller
