"""Shell: looks at a Service when it, a pod with its labels, one of its slices, or a node's zone changes."""

from __future__ import annotations

from datetime import datetime

from controllers import pods, service_pods
from controllers.endpointslice.endpoints import is_ours
from controllers.endpointslice.plan import Seen, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.endpoint_slices import service_name
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller
from kube.controller.expectations import Expectations
from kube.controller.owners import NAMESPACE_INDEX, namespace_index

INDEX = "service"
ZONE = "topology.kubernetes.io/zone"


class EndpointSliceReconciler:
    """Observes and plans for one Service."""

    def __init__(self, informers: InformerFactory, expectations: Expectations, clock: Clock) -> None:
        self._services = informers.informer(SERVICES)
        self._pods = informers.informer(PODS)
        self._slices = informers.informer(ENDPOINT_SLICES)
        self._nodes = informers.informer(NODES)
        self._expectations, self._clock = expectations, clock
        for each in (self._services, self._pods):
            each.add_index(NAMESPACE_INDEX, namespace_index)
        self._pods.add_index(pods.NODE_INDEX, pods.node_index)
        self._slices.add_index(INDEX, service_index)

    async def observe(self, key: str) -> Seen | None:
        service = self._services.store.get(key)
        if service is None:
            return None
        around = self._pods.store.by_index(NAMESPACE_INDEX, meta.namespace(service))
        selected = [each for each in around if service_pods.selects(service, each)]
        return Seen(
            service,
            selected,
            self._slices.store.by_index(INDEX, key),
            self._expectations.satisfied(key, self._clock.now()),
            self._zones({node for pod in selected for node in pods.node_index(pod)}),
        )

    def _zones(self, nodes: set[str]) -> dict[str, str]:
        known = {name: self._nodes.store.get(name) for name in nodes}
        return {name: zone for name, node in known.items() if node and (zone := zone_of(node))}

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def keys_of_pod(self, pod: Object) -> list[str]:
        """The Services that select the pod."""
        services = self._services.store.by_index(NAMESPACE_INDEX, meta.namespace(pod))
        return [meta.key(each) for each in services if service_pods.selects(each, pod)]

    def keys_of_node(self, node: Object) -> list[str]:
        """The Services that select a pod on the node."""
        there = self._pods.store.by_index(pods.NODE_INDEX, meta.name(node))
        return sorted({key for pod in there for key in self.keys_of_pod(pod)})


def zone_of(node: Object) -> str | None:
    """Its label; None where it has none."""
    return meta.labels(node).get(ZONE)


def service_index(endpoint_slice: Object) -> list[str]:
    """The key of the Service whose slice it is, if it is one of ours."""
    name = service_name(endpoint_slice)
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

    def wake(node: Object) -> None:
        for key in reconciler.keys_of_node(node):
            controller.queue.add(key)

    def updated(old: Object, new: Object) -> None:
        if zone_of(old) != zone_of(new):
            wake(new)

    wiring.informers.informer(NODES).add_handler(wake, updated, wake)
    controller.watch_children(wiring.informers.informer(ENDPOINT_SLICES), service_index, service_key)
    return controller
