"""Shell: finds pods whose node is not there, and asks the server before that is believed."""

from __future__ import annotations

from datetime import datetime

from controllers.pod_garbage_collector.plan import QUARANTINE, Seen, plan
from controllers.pods import NODE_INDEX, node_index
from controllers.wiring import Wiring
from kube.api import errors, meta
from kube.api.actions import Action
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import NODES, PODS
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller


class PodGarbageCollectorReconciler:
    """Observes and plans for one pod."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._nodes = informers.informer(NODES)
        self._pods = informers.informer(PODS)
        self._pods.add_index(NODE_INDEX, node_index)
        self._missing_since: dict[str, datetime] = {}

    async def observe(self, key: str) -> Seen | None:
        pod = self._pods.store.get(key)
        node = meta.get(pod, "spec", "nodeName", default="") if pod is not None else ""
        if pod is None or not node or self._nodes.store.get(node) is not None:
            return None
        now = self._clock.now()
        since = self._missing_since.setdefault(node, now)
        return Seen(pod, since, now - since >= QUARANTINE and await self._is_gone(node))

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def keys_of_node(self, node: Object) -> list[str]:
        """All pods of the node; a node that comes ends the count of how long it was missing."""
        self._missing_since.pop(meta.name(node), None)
        return [meta.key(each) for each in self._pods.store.by_index(NODE_INDEX, meta.name(node))]

    async def _is_gone(self, node: str) -> bool:
        try:
            await self._client.get(NODES, None, node)
        except StatusError as error:
            if errors.is_not_found(error):
                return True
            raise
        return False


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by pods and by nodes that come and go."""
    reconciler = PodGarbageCollectorReconciler(wiring.client, wiring.informers, wiring.clock)
    controller = wiring.controller("pod-garbage-collector", reconciler)
    controller.watch(wiring.informers.informer(PODS))

    def on_change(node: Object) -> None:
        for key in reconciler.keys_of_node(node):
            controller.queue.add(key)

    wiring.informers.informer(NODES).add_handler(on_add=on_change, on_delete=on_change)
    return controller
