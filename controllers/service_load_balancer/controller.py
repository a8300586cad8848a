"""Shell: shows the plan a Service and what it may have; wakes those that wait when an address becomes free.

After: k8s staging/src/k8s.io/cloud-provider/controllers/service/controller.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from controllers.service_load_balancer.addresses import Addresses, Network, addresses_of, is_wanted
from controllers.service_load_balancer.plan import Seen, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import SERVICES
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller

ADDRESS_INDEX = "load-balancer-address"


class LoadBalancerReconciler:
    """Observes and plans for one Service."""

    def __init__(self, informers: InformerFactory, network: Network) -> None:
        self._services = informers.informer(SERVICES)
        self._services.add_index(ADDRESS_INDEX, addresses_of)
        self._addresses = Addresses(network, self._holders)
        # Services that another one keeps from what they ask for, in the order in which they came.
        self.waiting: dict[str, None] = {}

    def _holders(self, address: str) -> list[Object]:
        return self._services.store.by_index(ADDRESS_INDEX, address)

    async def observe(self, key: str) -> Seen | None:
        service = self._services.store.get(key)
        self.waiting.pop(key, None)
        if service is None:
            return None
        answer = self._addresses.answer(service) if is_wanted(service) else None
        if answer is not None and answer.can_change:
            self.waiting[key] = None
        return Seen(service, answer, self._addresses.others_of(service))

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def forget(self, service: Object) -> None:
        """Take back what was promised to it: it has changed, so what is on its way to it comes to nothing."""
        self._addresses.forget(meta.key(service))

    def rivals(self, service: Object) -> list[str]:
        """The other Services that have an address of this one's."""
        found = (each for address in addresses_of(service) for each in self._holders(address))
        return [meta.key(each) for each in found if meta.key(each) != meta.key(service)]


def build(wiring: Wiring, network: Network) -> Controller[Seen]:
    """The controller, woken by Services; one that lets go of an address wakes those that wait."""
    reconciler = LoadBalancerReconciler(wiring.informers, network)
    controller = wiring.controller("service-controller", "service", reconciler)
    services = wiring.informers.informer(SERVICES)
    controller.watch(services)

    def wake(keys: Iterable[str]) -> None:
        for key in keys:
            controller.queue.add(key)

    def on_add(new: Object) -> None:
        wake(reconciler.rivals(new))

    def on_update(old: Object, new: Object) -> None:
        wake(reconciler.rivals(new))
        if _lets_go(old, new):
            on_gone(new)

    def on_gone(service: Object) -> None:
        reconciler.forget(service)
        wake(list(reconciler.waiting))

    services.add_handler(on_add, on_update, on_gone)
    return controller


def _lets_go(old: Object, new: Object) -> bool:
    """Whether an address is free now that the Service had, or that it was promised."""
    before, after = addresses_of(old), addresses_of(new)
    asked = [meta.get(each, "spec", "loadBalancerIP") for each in (old, new)]
    no_longer = is_wanted(old) and not is_wanted(new) and not after
    return no_longer or asked[0] != asked[1] or any(each not in after for each in before)
