"""Shell: shows the plan a node, its Lease and its pods; remembers when each was last heard, and who may go.

What is remembered is this process's own observation and is lost with it: a new leader starts to count anew.

After: k8s pkg/controller/nodelifecycle/node_lifecycle_controller.go.
"""

from __future__ import annotations

from datetime import datetime

from controllers.node_lifecycle.heartbeat import Heartbeat, listen
from controllers.node_lifecycle.plan import Patience, Seen, plan
from controllers.node_lifecycle.taints import is_emptied
from controllers.node_lifecycle.zones import Gate, rate, zone_of
from controllers.pods import NODE_INDEX, node_index
from controllers.wiring import Wiring
from kube.api import conditions, meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import LEASES, NODES, PODS
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller

LEASE_NAMESPACE = "kube-node-lease"


class NodeLifecycleReconciler:
    """Observes and plans for one node; keys are names of nodes."""

    def __init__(self, informers: InformerFactory, clock: Clock, patience: Patience) -> None:
        self._clock, self._patience = clock, patience
        self._nodes = informers.informer(NODES)
        self._leases = informers.informer(LEASES)
        self._pods = informers.informer(PODS)
        self._pods.add_index(NODE_INDEX, node_index)
        self._heartbeats: dict[str, Heartbeat] = {}
        self._gate = Gate()

    async def observe(self, key: str) -> Seen | None:
        node = self._nodes.store.get(key)
        before = self._heartbeats.pop(key, None)
        if node is None:
            self._gate.close(key)
            return None
        lease = self._leases.store.get(f"{LEASE_NAMESPACE}/{key}")
        heartbeat = listen(before, node, lease, self._clock.now(), self._patience.grace / 2)
        self._heartbeats[key] = heartbeat
        return Seen(
            node,
            heartbeat,
            self._pods.store.by_index(NODE_INDEX, key),
            is_new=before is None or before.sign[0] != meta.uid(node),
            is_anyone_ready=any(conditions.is_true(each, "Ready") for each in self._nodes.store.list()),
            may_be_emptied=self._may_be_emptied(node),
            patience=self._patience,
        )

    def _may_be_emptied(self, node: Object) -> bool:
        """Asked of lost nodes only: it counts all nodes."""
        if conditions.is_true(node, "Ready"):
            self._gate.close(meta.name(node))
            return False
        if conditions.find(node, "Ready") is None or is_emptied(node):
            return False
        if self._gate.is_through(node):
            return True
        rates = self._patience.rates
        allowed = rate(self._nodes.store.list(), zone_of(node), rates)
        return self._gate.admit(node, allowed, self._clock.now())

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)


def keys_of_lease(lease: Object) -> list[str]:
    """A node's Lease has its name."""
    return [meta.name(lease)] if meta.namespace(lease) == LEASE_NAMESPACE else []


def build(wiring: Wiring, patience: Patience) -> Controller[Seen]:
    """The controller, woken by nodes and their Leases, and by time."""
    reconciler = NodeLifecycleReconciler(wiring.informers, wiring.clock, patience)
    controller = wiring.controller("node-controller", "node_lifecycle_controller", reconciler)
    controller.watch(wiring.informers.informer(NODES))
    controller.watch(wiring.informers.informer(LEASES), keys_of_lease)
    return controller
