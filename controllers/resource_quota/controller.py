"""Shell: shows the plan a ResourceQuota and what it counts, when something is deleted or uses other amounts.

What is created was charged for already. All changes of a moment are counted together. The status is no reason
to count, or what the API server charges would be given back before the object is there.

After: k8s pkg/controller/resourcequota/{resource_quota_controller,resource_quota_monitor}.go.
"""

from __future__ import annotations

import functools
from datetime import datetime

from controllers.contents import deletable
from controllers.resource_quota.plan import Seen, plan
from controllers.wiring import Wiring
from kube.api import meta, quota
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.quantity import ZERO
from kube.api.resources import RESOURCE_QUOTAS, Resource
from kube.base.clock import Clock
from kube.client.informer import Informer, InformerFactory
from kube.controller.controller import Controller
from kube.controller.owners import NAMESPACE_INDEX, namespace_index

RECOUNT_SECONDS = 0.25


class ResourceQuotaReconciler:
    """Observes and plans for one quota."""

    def __init__(self, informers: InformerFactory, clock: Clock) -> None:
        self._clock = clock
        self._quotas = informers.informer(RESOURCE_QUOTAS)
        self.counted: dict[Resource, Informer] = {
            each: informers.informer(each) if each in quota.CHANGING else informers.metadata_informer(each)
            for each in deletable(namespaced_only=True)
            if quota.is_counted(each)
        }
        for each in (self._quotas, *self.counted.values()):
            each.add_index(NAMESPACE_INDEX, namespace_index)
        self._charged_at: dict[str, datetime] = {}

    async def observe(self, key: str) -> Seen | None:
        found = self._quotas.store.get(key)
        if found is None:
            self._charged_at.pop(key, None)
            return None
        hard = meta.get(found, "spec", "hard", default={})
        objects = {
            resource: informer.store.by_index(NAMESPACE_INDEX, meta.namespace(found))
            for resource, informer in self.counted.items()
            if quota.names(resource, hard)
        }
        return Seen(found, objects, self._charged_at.get(key))

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def note_charge(self, old: Object, new: Object) -> None:
        """Remember when more was used than before."""
        before, after = (quota.parsed(meta.get(each, "status", "used")) for each in (old, new))
        if any(amount > before.get(name, ZERO) for name, amount in after.items()):
            self._charged_at[meta.key(new)] = self._clock.now()

    def keys_of(self, resource: Resource, o: Object) -> list[str]:
        """The quotas of the object's namespace that count its kind."""
        return [
            meta.key(each)
            for each in self._quotas.store.by_index(NAMESPACE_INDEX, meta.namespace(o))
            if quota.names(resource, meta.get(each, "spec", "hard", default={}))
        ]

    def keys_of_change(self, resource: Resource, old: Object, new: Object) -> list[str]:
        """The same, if the object uses other amounts than before."""
        keys = self.keys_of(resource, new)
        if not keys:
            return []
        now = self._clock.now()
        return keys if quota.usage(resource, old, now) != quota.usage(resource, new, now) else []


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by quotas, and by what they count."""
    reconciler = ResourceQuotaReconciler(wiring.informers, wiring.clock)
    controller = wiring.controller("resourcequota-controller", "resourcequota_primary", reconciler)

    def on_change(found: Object) -> None:
        controller.queue.add(meta.key(found))

    def on_update(old: Object, new: Object) -> None:
        if old.get("spec") != new.get("spec"):
            on_change(new)
        reconciler.note_charge(old, new)

    wiring.informers.informer(RESOURCE_QUOTAS).add_handler(on_change, on_update, on_change)

    def on_deleted(resource: Resource, o: Object) -> None:
        for key in reconciler.keys_of(resource, o):
            controller.queue.add_after(key, RECOUNT_SECONDS)

    def on_updated(resource: Resource, old: Object, new: Object) -> None:
        for key in reconciler.keys_of_change(resource, old, new):
            controller.queue.add_after(key, RECOUNT_SECONDS)

    for resource, informer in reconciler.counted.items():
        gone = functools.partial(on_deleted, resource)
        if resource in quota.CHANGING:
            informer.add_handler(on_update=functools.partial(on_updated, resource), on_delete=gone)
        else:
            informer.add_handler(on_delete=gone)
    return controller
