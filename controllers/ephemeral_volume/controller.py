"""Shell: looks at pods that have ephemeral volumes, and again when one of their claims goes."""

from __future__ import annotations

from datetime import datetime

from controllers.ephemeral_volume.plan import Seen, claim_names, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import PERSISTENT_VOLUME_CLAIMS, PODS
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller


class EphemeralVolumeReconciler:
    """Observes and plans for one pod."""

    def __init__(self, informers: InformerFactory) -> None:
        self._pods = informers.informer(PODS)
        self._claims = informers.informer(PERSISTENT_VOLUME_CLAIMS)

    async def observe(self, key: str) -> Seen | None:
        pod = self._pods.store.get(key)
        names = claim_names(pod) if pod is not None else {}
        if pod is None or not names:
            return None
        found = {name: self._claims.store.get(f"{meta.namespace(pod)}/{name}") for name in names}
        return Seen(pod, {name: each for name, each in found.items() if each is not None})

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)


def keys_of_pod(pod: Object) -> list[str]:
    """Only pods with ephemeral volumes concern us."""
    return [meta.key(pod)] if claim_names(pod) else []


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by pods that come and claims that go."""
    controller = wiring.controller(
        "ephemeral_volume", "ephemeral_volume", EphemeralVolumeReconciler(wiring.informers)
    )

    def on_pod(pod: Object) -> None:
        for key in keys_of_pod(pod):
            controller.queue.add(key)

    def on_claim_gone(claim: Object) -> None:
        reference = meta.controller_of(claim)
        if reference is not None and reference["kind"] == PODS.kind:
            controller.queue.add(f"{meta.namespace(claim)}/{reference['name']}")

    wiring.informers.informer(PODS).add_handler(on_add=on_pod)
    wiring.informers.informer(PERSISTENT_VOLUME_CLAIMS).add_handler(on_delete=on_claim_gone)
    return controller
