"""Shell: shows the plan a pod and its node's taints; remembers since when a pod's time runs.

What is remembered is lost with the process: a new leader gives a pod its tolerationSeconds again, as in
Kubernetes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controllers.pods import NODE_INDEX, node_index
from controllers.taint_eviction.plan import Seen, bearable_for, no_execute, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import NODES, PODS
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller


@dataclass(frozen=True, slots=True)
class Running:
    """The time of a pod runs."""

    uid: str
    since: datetime


class TaintEvictionReconciler:
    """Observes and plans for one pod."""

    def __init__(self, informers: InformerFactory, clock: Clock) -> None:
        self._clock = clock
        self._nodes = informers.informer(NODES)
        self._pods = informers.informer(PODS)
        self._pods.add_index(NODE_INDEX, node_index)
        self._running: dict[str, Running] = {}

    async def observe(self, key: str) -> Seen | None:
        before = self._running.pop(key, None)
        pod = self._pods.store.get(key)
        if pod is None or meta.is_terminating(pod) or not node_index(pod):
            return None
        taints = no_execute(self._nodes.store.get(pod["spec"]["nodeName"]))
        if before is not None and before.uid != meta.uid(pod):
            before = None
        if bearable_for(pod, taints) is None:
            return Seen(pod, taints, before.since if before is not None else None)
        running = self._running[key] = before or Running(meta.uid(pod), self._clock.now())
        return Seen(pod, taints, running.since)

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def keys_of_node(self, node: Object) -> list[str]:
        """All pods of the node."""
        return [meta.key(each) for each in self._pods.store.by_index(NODE_INDEX, meta.name(node))]


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by pods and by changes of nodes' NoExecute taints."""
    reconciler = TaintEvictionReconciler(wiring.informers, wiring.clock)
    controller = wiring.controller("taint-eviction-controller", "noexec_taint_pod", reconciler)
    controller.watch(wiring.informers.informer(PODS))

    def on_update(old: Object, new: Object) -> None:
        if no_execute(old) != no_execute(new):
            on_change(new)

    def on_change(node: Object) -> None:
        for key in reconciler.keys_of_node(node):
            controller.queue.add(key)

    wiring.informers.informer(NODES).add_handler(on_change, on_update, on_change)
    return controller
