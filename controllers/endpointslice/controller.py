"""Shell: looks at a Service when it, a pod with its labels, or one of its slices changes."""

from __future__ import annotations

from datetime import datetime

from controllers import service_pods
from controllers.endpointslice.endpoints import SERVICE_NAME, is_ours
from controllers.endpointslice.plan import Seen, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, PODS, SERVICES
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller
from kube.controller.expectations import Expectations
from kube.controller.owners import NAMESPACE_INDEX, namespace_index

INDEX = "service"


class EndpointSliceReconciler:
    """Observes and plans for one Service."""

    def __init__(self, informers: InformerFactory, expectations: Expectations, clock: Clock) -> None:
        self._services = informers.informer(SERVICES)
        self._pods = informers.informer(PODS)
        self._slices = informers.informer(ENDPOINT_SLICES)
        self._expectations, self._clock = expectations, clock
        for each in (self._services, self._pods):
            each.add_index(NAMESPACE_INDEX, namespace_index)
        self._slices.add_index(INDEX, service_index)

    async def observe(self, key: str) -> Seen | None:
        service = self._services.store.get(key)
        if service is None:
            return None
        pods = self._pods.store.by_index(NAMESPACE_INDEX, meta.namespace(service))
        return Seen(
            service,
            [each for each in pods if service_pods.selects(service, each)],
            self._slices.store.by_index(INDEX, key),
            self._expectations.satisfied(key, self._clock.now()),
        )

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def keys_of_pod(self, pod: Object) -> list[str]:
        """The Services that select the pod."""
        services = self._services.store.by_index(NAMESPACE_INDEX, meta.namespace(pod))
        return [meta.key(each) for each in services if service_pods.selects(each, pod)]


def service_index(endpoint_slice: Object) -> list[str]:
    """The key of the Service whose slice it is, if it is one of ours."""
    name = meta.labels(endpoint_slice).get(SERVICE_NAME)
    return [f"{meta.namespace(endpoint_slice)}/{name}"] if name and is_ours(endpoint_slice) else []


def service_key(endpoint_slice: Object) -> str | None:
    """The same as one value or none."""
    return next(iter(service_index(endpoint_slice)), None)


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by Services, pods and slices."""
    expectations = Expectations()
    reconciler = EndpointSliceReconciler(wiring.informers, expectations, wiring.clock)
    controller = wiring.controller(
        "endpoint-slice-controller", "endpoint_slice", reconciler, ENDPOINT_SLICES, expectations
    )
    controller.watch(wiring.informers.informer(SERVICES))
    controller.watch(wiring.informers.informer(PODS), reconciler.keys_of_pod)
    controller.watch_children(wiring.informers.informer(ENDPOINT_SLICES), service_index, service_key)
    return controller
