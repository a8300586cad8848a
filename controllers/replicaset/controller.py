"""Shell: shows the plan a ReplicaSet and its pods, and wakes it when either changes.

A pod that nobody owns concerns every ReplicaSet of its namespace whose selector matches it; an owned pod only
its owner. Pods are found by index, so that a cluster of many thousands costs no scan.

After: k8s pkg/controller/replicaset/replica_set.go, NewReplicaSetController.
"""

from __future__ import annotations

from datetime import datetime

from controllers.claim import adoptable
from controllers.replicaset.kinds import Kind
from controllers.replicaset.plan import Seen, plan
from controllers.wiring import Wiring
from kube.api import errors, meta
from kube.api.actions import Action
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import PODS
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller
from kube.controller.expectations import Expectations
from kube.controller.owners import INDEX, NAMESPACE_INDEX, controller_index, namespace_index, orphans_of


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
        self._kind, self._client = kind, client
        self._expectations, self._clock = expectations, clock
        self._replica_sets = informers.informer(kind.resource)
        self._pods = informers.informer(PODS)
        self._replica_sets.add_index(INDEX, controller_index)
        self._replica_sets.add_index(NAMESPACE_INDEX, namespace_index)
        self._pods.add_index(INDEX, controller_index)

    def owner_of_pod(self, pod: Object) -> str | None:
        """The key of the pod's owner, if it is of our kind."""
        reference = meta.controller_of(pod)
        if reference is None or reference["kind"] != self._kind.resource.kind:
            return None
        return f"{meta.namespace(pod)}/{reference['name']}"

    def keys_of_pod(self, pod: Object) -> list[str]:
        """Whom a pod concerns."""
        if meta.controller_of(pod) is not None:
            owner = self.owner_of_pod(pod)
            return [owner] if owner is not None else []
        return [
            meta.key(each)
            for each in self._replica_sets.store.by_index(NAMESPACE_INDEX, meta.namespace(pod))
            if self._kind.selector(each).matches(meta.labels(pod))
        ]

    async def observe(self, key: str) -> Seen | None:
        replica_set = self._replica_sets.store.get(key)
        if replica_set is None:
            return None
        own = self._pods.store.by_index(INDEX, meta.uid(replica_set))
        orphans = self._pods.store.by_index(INDEX, orphans_of(meta.namespace(replica_set)))
        may_adopt = True
        if adoptable(replica_set, self._kind.selector(replica_set), orphans):
            may_adopt = await self._still_there(replica_set)
        return Seen(
            self._kind,
            replica_set,
            own + orphans,
            self._siblings(replica_set),
            may_adopt,
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

    async def _still_there(self, replica_set: Object) -> bool:
        """Ask the server, not the cache, whether this very ReplicaSet lives."""
        try:
            live = await self._client.get(
                self._kind.resource, meta.namespace(replica_set), meta.name(replica_set)
            )
        except StatusError as error:
            if errors.is_not_found(error):
                return False
            raise
        return meta.uid(live) == meta.uid(replica_set) and not meta.is_terminating(live)


def build(kind: Kind, wiring: Wiring) -> Controller[Seen]:
    """The controller of one kind, woken by its objects and their pods."""
    expectations = Expectations()
    reconciler = ReplicaSetReconciler(kind, wiring.client, wiring.informers, expectations, wiring.clock)
    controller = wiring.controller(kind.component, reconciler, children=PODS, expectations=expectations)
    controller.watch(wiring.informers.informer(kind.resource))
    pods = wiring.informers.informer(PODS)
    controller.watch_children(pods, reconciler.keys_of_pod, reconciler.owner_of_pod)
    return controller
