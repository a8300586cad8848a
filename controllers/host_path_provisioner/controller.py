"""Shell: makes the folder before the plan creates its volume, and removes it before the volume goes.

Both may be done twice, so that a crash at any instant leaves nothing that the next look does not mend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from controllers.host_path_provisioner.folders import Folders
from controllers.host_path_provisioner.plan import (
    PROVISIONER,
    Seen,
    SeenClaim,
    SeenVolume,
    name_for,
    plan,
    wants_deletion,
    wants_volume,
)
from controllers.live import find
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES
from kube.api.volumes import class_of
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller


class HostPathProvisioner:
    """Observes and plans for one claim (its key has a slash) or one volume."""

    def __init__(self, client: Client, informers: InformerFactory, folders: Folders) -> None:
        self._client, self._folders = client, folders
        self._claims = informers.informer(PERSISTENT_VOLUME_CLAIMS)
        self._volumes = informers.informer(PERSISTENT_VOLUMES)
        self._classes = informers.informer(STORAGE_CLASSES)

    async def observe(self, key: str) -> Seen | None:
        return await self._observe_claim(key) if "/" in key else await self._observe_volume(key)

    async def _observe_claim(self, key: str) -> Seen | None:
        claim = self._claims.store.get(key)
        storage_class = self._classes.store.get(class_of(claim)) if claim is not None else None
        if claim is None or storage_class is None or not wants_volume(claim, storage_class):
            return None
        name = name_for(claim)
        if self._volumes.store.get(name) is not None or not await self._still_waits(key, meta.uid(claim)):
            return None
        failure = await _attempt(self._folders.make, name)
        return SeenClaim(claim, storage_class, self._folders.path_of(name), failure)

    async def _observe_volume(self, key: str) -> Seen | None:
        volume = self._volumes.store.get(key)
        if volume is None or not wants_deletion(volume):
            return None
        path = meta.get(volume, "spec", "hostPath", "path", default="")
        return SeenVolume(volume, await _attempt(self._folders.remove, key, path))

    async def _still_waits(self, key: str, uid: str) -> bool:
        """Ask the server: the cache may show a claim that is bound, or was and is gone with its volume."""
        live = await find(self._client, PERSISTENT_VOLUME_CLAIMS, *meta.split_key(key))
        return live is not None and meta.uid(live) == uid and not meta.get(live, "spec", "volumeName")

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)


async def _attempt(action: Callable[..., None], *arguments: str) -> str:
    """Why it failed, or empty."""
    try:
        await asyncio.to_thread(action, *arguments)
    except OSError as error:
        return str(error)
    return ""


def build(wiring: Wiring, folders: Folders) -> Controller[Seen]:
    """The controller, woken by claims and volumes."""
    reconciler = HostPathProvisioner(wiring.client, wiring.informers, folders)
    controller: Controller[Seen] = wiring.controller(PROVISIONER, "claims_to_provision", reconciler)
    controller.watch(wiring.informers.informer(PERSISTENT_VOLUME_CLAIMS))
    controller.watch(wiring.informers.informer(PERSISTENT_VOLUMES))
    return controller
