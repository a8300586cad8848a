"""Shell: finds the objects about which the garbage collector must decide, and shows them to the plan.

An object needs a look when it is added or changed with an owner that is not known or is leaving, when a
deletion of it waits for its dependents, when an owner of it was deleted or begins to wait, and when a
dependent of it has gone. What the caches know to exist, exists; that an owner is gone is believed only after
asking the server, once for each uid, for uids never come back.

Keys are `group/version plural namespace/name`.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from controllers.garbage_collector.graph import Graph, owner_key
from controllers.garbage_collector.plan import Seen, is_foreground, is_orphaning, plan
from controllers.live import find
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.gvk import GroupVersionResource, parse_api_version
from kube.api.meta import Object
from kube.api.resources import Resource, by_gvr
from kube.client.rest import Client
from kube.client.workqueue import WorkQueue
from kube.controller.controller import Controller

ABSENT_OWNERS_MAX = 500

# An owner of a kind that we do not know: it stays, whatever it is.
UNKNOWN_OWNER: Object = {"metadata": {}}


def key_of(resource: Resource, o: Object) -> str:
    """The queue's name for an object."""
    return f"{resource.api_version} {resource.plural} {meta.key(o)}"


def parse_key(key: str) -> tuple[Resource, str]:
    """The resource and the store's key in a queue key."""
    api_version, plural, rest = key.split(" ")
    resource = by_gvr(GroupVersionResource(*parse_api_version(api_version), plural))
    assert resource is not None, f"{key}: keys are made from the table"
    return resource, rest


class GarbageCollector:
    """Observes and plans for one object of any kind."""

    def __init__(self, client: Client, graph: Graph) -> None:
        self._client, self._graph = client, graph
        self._absent: OrderedDict[tuple[str, ...], None] = OrderedDict()

    async def observe(self, key: str) -> Seen | None:
        resource, store_key = parse_key(key)
        found = self._graph.find(resource, store_key)
        if found is None:
            return None
        owners = [await self._owner(each, found, resource) for each in meta.owner_references(found)]
        return Seen(resource, found, owners, self._graph.dependents(meta.uid(found)))

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def needs_look(self, o: Object) -> bool:
        """True for what can possibly be garbage, or waits for its dependents."""
        if meta.is_terminating(o):
            return is_foreground(o) or is_orphaning(o)
        owners = [self._graph.owner(each, o) for each in meta.owner_references(o)]
        return any(owner is None or is_foreground(owner) for owner in owners)

    async def _owner(self, reference: Object, dependent: Object, resource: Resource) -> Object | None:
        """The owner, or None if the server says that it is gone."""
        known = self._graph.owner(reference, dependent)
        if known is not None:
            return known
        owner_resource = self._graph.resource_of(reference)
        if owner_resource is None or (owner_resource.namespaced and not resource.namespaced):
            return UNKNOWN_OWNER
        identity = (meta.namespace(dependent), *(str(reference[part]) for part in ("kind", "name", "uid")))
        if identity in self._absent:
            return None
        live = await self._get(owner_resource, owner_key(owner_resource, reference, dependent))
        if live is not None and meta.uid(live) == reference["uid"]:
            return live
        self._absent[identity] = None
        if len(self._absent) > ABSENT_OWNERS_MAX:
            self._absent.popitem(last=False)
        return None

    async def _get(self, resource: Resource, key: str) -> Object | None:
        return await find(self._client, resource, *meta.split_key(key))


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by changes of anything that has owners or dependents."""
    graph = Graph(wiring.informers)
    collector = GarbageCollector(wiring.client, graph)
    controller = wiring.controller("garbage-collector", "garbage_collector_attempt_to_delete", collector)
    _wake(controller.queue, graph, collector)
    return controller


def _wake(queue: WorkQueue, graph: Graph, collector: GarbageCollector) -> None:
    def look_at_dependents(o: Object) -> None:
        for resource, each in graph.dependents(meta.uid(o)):
            queue.add(key_of(resource, each))

    def on_change(resource: Resource, o: Object) -> None:
        if collector.needs_look(o):
            queue.add(key_of(resource, o))
        if is_foreground(o):
            look_at_dependents(o)

    def on_delete(_: Resource, o: Object) -> None:
        look_at_dependents(o)
        for reference in meta.owner_references(o):
            owner = graph.owner(reference, o)
            resource = graph.resource_of(reference)
            if owner is not None and resource is not None and meta.is_terminating(owner):
                queue.add(key_of(resource, owner))

    graph.subscribe(on_change, on_delete)
