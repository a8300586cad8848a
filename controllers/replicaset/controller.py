"""Shell: shows the plan a ReplicaSet and its pods, and wakes it when either changes.

Pods are found by index, so that a cluster of many thousands costs no scan.

After: k8s pkg/controller/replicaset/replica_set.go, NewReplicaSetController.
"""

from __future__ import annotations

from datetime import datetime

from controllers.parents import Parents
from controllers.replicaset.kinds import Kind
from controllers.replicaset.plan import Seen, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import PODS
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller
from kube.controller.expectations import Expectations
from kube.controller.owners import INDEX, controller_index, orphans_of


class ReplicaSetReconciler:
    """Observes and plans for one of the two kinds."""

    def __init__(
        self,
        kind: Kind,
        client: Client,
        informers: InformerFactory,
        expectations: Expectations,
        clock: Clock,
    ) -> None:
        self._kind = kind
        self._expectations, self._clock = expectations, clock
        self._replica_sets = informers.informer(kind.resource)
        self._pods = informers.informer(PODS)
        self._replica_sets.add_index(INDEX, controller_index)
        self._pods.add_index(INDEX, controller_index)
        self.parents = Parents(client, informers, kind.resource, kind.selector)

    async def observe(self, key: str) -> Seen | None:
        replica_set = self._replica_sets.store.get(key)
        if replica_set is None:
            return None
        own = self._pods.store.by_index(INDEX, meta.uid(replica_set))
        orphans = self._pods.store.by_index(INDEX, orphans_of(meta.namespace(replica_set)))
        return Seen(
            self._kind,
            replica_set,
            own + orphans,
            self._siblings(replica_set),
            await self.parents.may_adopt(replica_set, orphans),
            self._expectations.satisfied(key, self._clock.now()),
            self._expectations.failure(key),
        )

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def _siblings(self, replica_set: Object) -> list[Object]:
        """The pods of all ReplicaSets with the same owner, this one's among them."""
        reference = meta.controller_of(replica_set)
        if reference is None:
            return []
        owners = self._replica_sets.store.by_index(INDEX, reference["uid"])
        return [pod for each in owners for pod in self._pods.store.by_index(INDEX, meta.uid(each))]


def build(kind: Kind, wiring: Wiring) -> Controller[Seen]:
    """The controller of one kind, woken by its objects and their pods."""
    expectations = Expectations()
    reconciler = ReplicaSetReconciler(kind, wiring.client, wiring.informers, expectations, wiring.clock)
    controller = wiring.controller(
        kind.component, kind.queue, reconciler, children=PODS, expectations=expectations
    )
    controller.watch(wiring.informers.informer(kind.resource))
    pods = wiring.informers.informer(PODS)
    controller.watch_children(pods, reconciler.parents.keys_of, reconciler.parents.owner_of)
    return controller
