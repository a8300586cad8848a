"""Shell: looks at an Endpoints object when it, its Service, or one of its mirrored slices changes."""

from __future__ import annotations

from datetime import datetime

from controllers.endpointslice_mirroring.plan import Seen, is_ours, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.endpoint_slices import service_name
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller
from kube.controller.expectations import Expectations

INDEX = "mirrored"


class EndpointSliceMirroringReconciler:
    """Observes and plans for one Endpoints object."""

    def __init__(self, informers: InformerFactory, expectations: Expectations, clock: Clock) -> None:
        self._endpoints = informers.informer(ENDPOINTS)
        self._services = informers.informer(SERVICES)
        self._slices = informers.informer(ENDPOINT_SLICES)
        self._slices.add_index(INDEX, endpoints_index)
        self._expectations, self._clock = expectations, clock

    async def observe(self, key: str) -> Seen | None:
        endpoints, slices = self._endpoints.store.get(key), self._slices.store.by_index(INDEX, key)
        if endpoints is None and not slices:
            return None
        met = self._expectations.satisfied(key, self._clock.now())
        return Seen(endpoints, self._services.store.get(key), slices, met)

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)


def endpoints_index(endpoint_slice: Object) -> list[str]:
    """The key of the Endpoints that a slice mirrors, if it does."""
    name = service_name(endpoint_slice)
    return [f"{meta.namespace(endpoint_slice)}/{name}"] if name and is_ours(endpoint_slice) else []


def endpoints_key(endpoint_slice: Object) -> str | None:
    """The same as one value or none."""
    return next(iter(endpoints_index(endpoint_slice)), None)


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by Endpoints, Services and slices."""
    expectations = Expectations()
    reconciler = EndpointSliceMirroringReconciler(wiring.informers, expectations, wiring.clock)
    controller = wiring.controller(
        "endpoint-slice-mirroring-controller",
        "endpoint_slice_mirroring",
        reconciler,
        ENDPOINT_SLICES,
        expectations,
    )
    controller.watch(wiring.informers.informer(ENDPOINTS))
    controller.watch(wiring.informers.informer(SERVICES))
    controller.watch_children(wiring.informers.informer(ENDPOINT_SLICES), endpoints_index, endpoints_key)
    return controller
