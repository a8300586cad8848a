"""Shell: finds the pods that use a claim, at last by asking the server, and wakes claims when pods go."""

from __future__ import annotations

from datetime import datetime

from controllers.volume_protection.plan import Seen, is_using, is_waiting, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS
from kube.api.volumes import CLAIM_INDEX, claims_of_pod
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller

CLAIM_PROTECTION = "kubernetes.io/pvc-protection"
VOLUME_PROTECTION = "kubernetes.io/pv-protection"


class ClaimProtection:
    """Observes and plans for one claim."""

    def __init__(self, client: Client, informers: InformerFactory) -> None:
        self._client = client
        self._claims = informers.informer(PERSISTENT_VOLUME_CLAIMS)
        self._pods = informers.informer(PODS)
        self._pods.add_index(CLAIM_INDEX, claims_of_pod)

    async def observe(self, key: str) -> Seen | None:
        claim = self._claims.store.get(key)
        if claim is None:
            return None
        is_used = is_waiting(claim, CLAIM_PROTECTION) and await self._is_used(claim)
        return Seen(claim, PERSISTENT_VOLUME_CLAIMS, CLAIM_PROTECTION, is_used)

    async def _is_used(self, claim: Object) -> bool:
        key = meta.key(claim)
        if any(map(is_using, self._pods.store.by_index(CLAIM_INDEX, key))):
            return True
        # The cache may not know the newest pod yet.
        pods = (await self._client.list(PODS, meta.namespace(claim)))["items"]
        return any(is_using(each) and key in claims_of_pod(each) for each in pods)

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def keys_of_pod(self, pod: Object) -> list[str]:
        """Its claims that wait to go."""
        found = ((key, self._claims.store.get(key)) for key in claims_of_pod(pod))
        return [key for key, claim in found if claim is not None and meta.is_terminating(claim)]


class VolumeProtection:
    """Observes and plans for one volume."""

    def __init__(self, informers: InformerFactory) -> None:
        self._volumes = informers.informer(PERSISTENT_VOLUMES)

    async def observe(self, key: str) -> Seen | None:
        volume = self._volumes.store.get(key)
        if volume is None:
            return None
        is_bound = meta.get(volume, "status", "phase") == "Bound"
        return Seen(volume, PERSISTENT_VOLUMES, VOLUME_PROTECTION, is_bound)

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)


def build_claims(wiring: Wiring) -> Controller[Seen]:
    """The controller of claims, woken by them and by their pods."""
    reconciler = ClaimProtection(wiring.client, wiring.informers)
    controller = wiring.controller("pvc-protection-controller", "pvcprotection", reconciler)
    controller.watch(wiring.informers.informer(PERSISTENT_VOLUME_CLAIMS))
    controller.watch(wiring.informers.informer(PODS), reconciler.keys_of_pod)
    return controller


def build_volumes(wiring: Wiring) -> Controller[Seen]:
    """The controller of volumes."""
    controller = wiring.controller(
        "pv-protection-controller", "pvprotection", VolumeProtection(wiring.informers)
    )
    controller.watch(wiring.informers.informer(PERSISTENT_VOLUMES))
    return controller
