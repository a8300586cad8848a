"""Shell: shows the plan a DaemonSet, all nodes, its pods and revisions, and wakes it when they change.

A node concerns a DaemonSet only when what it is to the DaemonSet changes: most changes of nodes are reports
that they are well.

After: k8s pkg/controller/daemon/daemon_controller.go, NewDaemonSetsController.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from controllers.daemonset.failures import Failures
from controllers.daemonset.history import name_of_new
from controllers.daemonset.placement import Suits, suits
from controllers.daemonset.plan import Seen, failed_nodes, plan
from controllers.parents import Parents
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller
from kube.controller.expectations import Expectations
from kube.controller.owners import (
    INDEX,
    controller_index,
    orphans_of,
)

NOTHING = Suits(run=False, stay=False)


class DaemonSetReconciler:
    """Observes and plans for DaemonSets."""

    def __init__(
        self, client: Client, informers: InformerFactory, expectations: Expectations, clock: Clock
    ) -> None:
        self._expectations, self._clock = expectations, clock
        self.parents = Parents(client, informers, DAEMON_SETS, _selector)
        self._daemon_sets = informers.informer(DAEMON_SETS)
        self._revisions = informers.informer(CONTROLLER_REVISIONS)
        self._pods = informers.informer(PODS)
        self._nodes = informers.informer(NODES)
        self._revisions.add_index(INDEX, controller_index)
        self._pods.add_index(INDEX, controller_index)
        self._failures = Failures()

    def keys_of_node(self, old: Object | None, new: Object | None) -> Iterator[str]:
        """The DaemonSets to which the node was something else before, or is nothing any more."""
        if old is None or new is None or _traits(old) != _traits(new):
            for each in self._daemon_sets.store.list():
                before = suits(each, old) if old is not None else NOTHING
                after = suits(each, new) if new is not None else NOTHING
                if before != after:
                    yield meta.key(each)

    async def observe(self, key: str) -> Seen | None:
        daemon_set = self._daemon_sets.store.get(key)
        if daemon_set is None:
            return None
        uid, orphans = meta.uid(daemon_set), orphans_of(meta.namespace(daemon_set))
        orphaned_pods = self._pods.store.by_index(INDEX, orphans)
        orphaned_revisions = self._revisions.store.by_index(INDEX, orphans)
        may_adopt = await self.parents.may_adopt(daemon_set, orphaned_pods + orphaned_revisions)
        now = self._clock.now()
        return Seen(
            daemon_set,
            self._nodes.store.list(),
            self._pods.store.by_index(INDEX, uid) + orphaned_pods,
            self._revisions.store.by_index(INDEX, uid) + orphaned_revisions,
            self._revisions.store.get(f"{meta.namespace(daemon_set)}/{name_of_new(daemon_set)}"),
            self._failures.waits(daemon_set, now),
            may_adopt,
            self._expectations.satisfied(key, now),
        )

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        actions = plan(seen, now)
        for node in failed_nodes(seen, actions):
            self._failures.note(seen.daemon_set, node, now)
        return actions


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by DaemonSets, their pods and revisions, and by nodes that change for them."""
    expectations = Expectations()
    reconciler = DaemonSetReconciler(wiring.client, wiring.informers, expectations, wiring.clock)
    controller = wiring.controller(
        "daemonset-controller", "daemonset", reconciler, children=PODS, expectations=expectations
    )
    parents = reconciler.parents
    controller.watch(wiring.informers.informer(DAEMON_SETS))
    controller.watch(wiring.informers.informer(CONTROLLER_REVISIONS), parents.keys_of)
    controller.watch_children(wiring.informers.informer(PODS), parents.keys_of, parents.owner_of)

    def on_node(old: Object | None, new: Object | None) -> None:
        for key in reconciler.keys_of_node(old, new):
            controller.queue.add(key)

    wiring.informers.informer(NODES).add_handler(
        lambda new: on_node(None, new), on_node, lambda old: on_node(old, None)
    )
    return controller


def _traits(node: Object) -> tuple[object, object]:
    """All that a DaemonSet asks of a node, besides its name."""
    return meta.labels(node), meta.get(node, "spec", "taints", default=[])


def _selector(daemon_set: Object) -> Selector:
    return Selector.from_label_selector(meta.get(daemon_set, "spec", "selector"))
