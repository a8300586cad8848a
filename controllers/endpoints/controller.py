"""Shell: looks at a Service when it, a pod with its labels, or its Endpoints change."""

from __future__ import annotations

from datetime import datetime

from controllers import service_pods
from controllers.endpoints.plan import Seen, is_ours, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import ENDPOINTS, PODS, SERVICES
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller
from kube.controller.owners import NAMESPACE_INDEX, namespace_index


class EndpointsReconciler:
    """Observes and plans for one Service, also for one that is gone."""

    def __init__(self, informers: InformerFactory) -> None:
        self._services = informers.informer(SERVICES)
        self._pods = informers.informer(PODS)
        self._endpoints = informers.informer(ENDPOINTS)
        for each in (self._services, self._pods):
            each.add_index(NAMESPACE_INDEX, namespace_index)

    async def observe(self, key: str) -> Seen | None:
        service = self._services.store.get(key)
        pods = self._pods.store.by_index(NAMESPACE_INDEX, meta.split_key(key)[0]) if service else []
        chosen = [each for each in pods if service is not None and service_pods.selects(service, each)]
        return Seen(service, chosen, self._endpoints.store.get(key))

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def keys_of_pod(self, pod: Object) -> list[str]:
        """The Services that select the pod."""
        services = self._services.store.by_index(NAMESPACE_INDEX, meta.namespace(pod))
        return [meta.key(each) for each in services if service_pods.selects(each, pod)]


def keys_of_endpoints(endpoints: Object) -> list[str]:
    """What others made concerns nobody here."""
    return [meta.key(endpoints)] if is_ours(endpoints) else []


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by Services, pods and Endpoints."""
    reconciler = EndpointsReconciler(wiring.informers)
    controller = wiring.controller("endpoint-controller", "endpoint", reconciler)
    controller.watch(wiring.informers.informer(SERVICES))
    controller.watch(wiring.informers.informer(PODS), reconciler.keys_of_pod)
    controller.watch(wiring.informers.informer(ENDPOINTS), keys_of_endpoints)
    return controller
