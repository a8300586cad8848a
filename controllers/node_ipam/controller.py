"""Shell: shows the plan a node without ranges, and keeps account of the ranges of all nodes.

The account is this process's own. Before the first range is promised, what all nodes have is in it; so a new
leader, or a restarted manager, goes on where the last one was.

After: k8s pkg/controller/nodeipam/ipam/range_allocator.go.
"""

from __future__ import annotations

from datetime import datetime

from controllers.node_ipam.plan import Seen, plan
from controllers.node_ipam.ranges import Layout, Ranges
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import NODES
from kube.base.logs import logger
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller

log = logger(__name__)


class NodeIpamReconciler:
    """Observes and plans for one node; keys are names of nodes."""

    def __init__(self, informers: InformerFactory, layout: Layout) -> None:
        self._nodes = informers.informer(NODES)
        self._ranges = Ranges(layout)
        self._has_counted = False
        # Nodes for which nothing was left, in the order in which they came.
        self.waiting: dict[str, None] = {}

    async def observe(self, key: str) -> Seen | None:
        self._count_all()
        node = self._nodes.store.get(key)
        self.waiting.pop(key, None)
        if node is None:
            self._ranges.release(key)
            return None
        if _cidrs(node):
            self._hold(node)
            return None
        promised = self._ranges.propose(key, meta.uid(node))
        if promised is None:
            self.waiting[key] = None
        return Seen(node, promised)

    def _count_all(self) -> None:
        """What nodes have already is never promised to another."""
        if not self._has_counted:
            self._has_counted = True
            for node in self._nodes.store.list():
                self._hold(node)

    def _hold(self, node: Object) -> None:
        cidrs = _cidrs(node)
        if cidrs and (strangers := self._ranges.hold(meta.name(node), meta.uid(node), cidrs)):
            log.warning("a node has ranges outside of the cluster's", node=meta.name(node), ranges=strangers)

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)


def _cidrs(node: Object) -> list[str]:
    found: list[str] = meta.get(node, "spec", "podCIDRs", default=[])
    return found


def build(wiring: Wiring, layout: Layout) -> Controller[Seen]:
    """The controller, woken by nodes; a node that goes wakes those that wait for a range, after itself."""
    reconciler = NodeIpamReconciler(wiring.informers, layout)
    controller = wiring.controller("cidrAllocator", "cidrallocator_node", reconciler)
    nodes = wiring.informers.informer(NODES)
    controller.watch(nodes)

    def on_delete(_: Object) -> None:
        for key in list(reconciler.waiting):
            controller.queue.add(key)

    nodes.add_handler(on_delete=on_delete)
    return controller
