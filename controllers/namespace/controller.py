"""Shell: looks into a namespace that is being deleted, live, and wakes when something in it has gone.

What is left is asked of the server, not of caches: an object made a moment before the deletion may not be in
a cache yet, and with the namespace gone nobody would look for it again.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from controllers.contents import deletable
from controllers.namespace.plan import Seen, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import NAMESPACES, Resource
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller


class NamespaceReconciler:
    """Observes and plans for one namespace."""

    def __init__(self, client: Client, informers: InformerFactory) -> None:
        self._client = client
        self._namespaces = informers.informer(NAMESPACES)
        self._resources = deletable(namespaced_only=True)

    async def observe(self, key: str) -> Seen | None:
        namespace = self._namespaces.store.get(key)
        if namespace is None or not meta.is_terminating(namespace):
            return None
        listed = await asyncio.gather(*(self._content(each, key) for each in self._resources))
        content = {
            each: found
            for each, found in zip(self._resources, listed)
            if found and not isinstance(found, str)
        }
        return Seen(namespace, content, [found for found in listed if isinstance(found, str)])

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def keys_of_content(self, o: Object) -> list[str]:
        """The namespace of something that was deleted, if it is being deleted too."""
        namespace = self._namespaces.store.get(meta.namespace(o))
        return [meta.name(namespace)] if namespace is not None and meta.is_terminating(namespace) else []

    async def _content(self, resource: Resource, namespace: str) -> list[Object] | str:
        """What is left of a resource, or why the server does not say."""
        try:
            answer = await self._client.list(resource, namespace, metadata_only=True)
        except StatusError as error:
            return error.message
        found: list[Object] = answer["items"]
        return found


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by namespaces and by deletions in those that are being deleted."""
    reconciler = NamespaceReconciler(wiring.client, wiring.informers)
    controller = wiring.controller("namespace-controller", "namespace", reconciler)
    controller.watch(wiring.informers.informer(NAMESPACES))

    def on_delete(o: Object) -> None:
        for key in reconciler.keys_of_content(o):
            controller.queue.add(key)

    for each in deletable(namespaced_only=True):
        wiring.informers.metadata_informer(each).add_handler(on_delete=on_delete)
    return controller
