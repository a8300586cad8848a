"""Shell: finds pods that nobody will end, and pods that have ended and are too many.

That a node is gone is asked of the server before it is believed.
"""

from __future__ import annotations

from datetime import datetime

from controllers.live import find
from controllers.pod_garbage_collector import terminated
from controllers.pod_garbage_collector.plan import QUARANTINE, Seen, is_out_of_service, is_stuck, plan
from controllers.pod_garbage_collector.terminated import CHECK_SECONDS, ENDED, ENDED_INDEX, ended_index
from controllers.pods import NODE_INDEX, node_index
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
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
        if pod is None:
            return None
        node = meta.get(pod, "spec", "nodeName", default="")
        found = self._nodes.store.get(node) if node else None
        if is_stuck(pod, found):
            return Seen(pod, None, is_gone=False)
        if not node or found is not None:
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
        return await find(self._client, NODES, None, node) is None


class TerminatedPodReconciler:
    """Observes and plans for all pods that have ended; its one key is ENDED."""

    def __init__(self, informers: InformerFactory, threshold: int) -> None:
        self._threshold = threshold
        self._pods = informers.informer(PODS)
        self._pods.add_index(ENDED_INDEX, ended_index)

    async def observe(self, key: str) -> terminated.Seen | None:
        ended = self._pods.store.by_index(ENDED_INDEX, key)
        return terminated.Seen(ended, self._threshold) if len(ended) > self._threshold else None

    def plan(self, seen: terminated.Seen, now: datetime) -> list[Action]:
        return terminated.plan(seen)


def build(wiring: Wiring, threshold: int) -> list[Controller[Seen] | Controller[terminated.Seen]]:
    """The controllers of pods that nobody ends, and of those that have ended; 0 lets all of these stay."""
    reconciler = PodGarbageCollectorReconciler(wiring.client, wiring.informers, wiring.clock)
    controller = wiring.controller("pod-garbage-collector", "orphaned_pods_nodes", reconciler)
    pods, nodes = wiring.informers.informer(PODS), wiring.informers.informer(NODES)
    controller.watch(pods)

    def on_change(node: Object) -> None:
        for key in reconciler.keys_of_node(node):
            controller.queue.add(key)

    def on_update(_: Object, node: Object) -> None:
        if is_out_of_service(node):
            on_change(node)

    nodes.add_handler(on_change, on_update, on_change)
    if threshold <= 0:
        return [controller]
    of_terminated = wiring.controller(
        "pod-garbage-collector-terminated",
        "terminated_pods",
        TerminatedPodReconciler(wiring.informers, threshold),
    )

    def count_soon(pod: Object) -> None:
        if ended_index(pod):
            of_terminated.queue.add_after(ENDED, CHECK_SECONDS)

    pods.add_handler(count_soon, lambda _, new: count_soon(new))
    return [controller, of_terminated]
