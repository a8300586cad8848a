"""Shell: shows the plan a finished Job, first from the cache, and when its time is over, from the server."""

from __future__ import annotations

from datetime import datetime

from controllers.live import find
from controllers.ttl_after_finished.plan import Seen, expires_at, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.resources import JOBS
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller


class TTLAfterFinishedReconciler:
    """Observes and plans for one Job."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._jobs = informers.informer(JOBS)

    async def observe(self, key: str) -> Seen | None:
        job = self._jobs.store.get(key)
        expiry = expires_at(job) if job is not None else None
        if job is None or expiry is None:
            return None
        if expiry > self._clock.now():
            return Seen(job, is_live=False)
        # Its time may have been lengthened, or it may be another Job by now.
        live = await find(self._client, JOBS, meta.namespace(job), meta.name(job))
        return Seen(live, is_live=True) if live is not None else None

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by Jobs."""
    reconciler = TTLAfterFinishedReconciler(wiring.client, wiring.informers, wiring.clock)
    controller = wiring.controller("ttl-after-finished-controller", "ttl_jobs_to_delete", reconciler)
    controller.watch(wiring.informers.informer(JOBS))
    return controller
