"""Shell: shows the plan a StatefulSet, its pods, revisions and claims, and wakes it when they change.

After: k8s pkg/controller/statefulset/stateful_set.go, NewStatefulSetController.
"""

from __future__ import annotations

from datetime import datetime

from controllers.claim import adoptable
from controllers.statefulset.claims import claim_names, is_claim_name
from controllers.statefulset.history import name_of_new
from controllers.statefulset.identity import ordinal, ordinals
from controllers.statefulset.plan import Seen, candidates, plan, selector_of
from controllers.wiring import Wiring
from kube.api import errors, meta
from kube.api.actions import Action
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller
from kube.controller.expectations import Expectations
from kube.controller.owners import (
    INDEX,
    NAMESPACE_INDEX,
    controller_index,
    namespace_index,
    orphans_of,
)


class StatefulSetReconciler:
    """Observes and plans for StatefulSets."""

    def __init__(
        self, client: Client, informers: InformerFactory, expectations: Expectations, clock: Clock
    ) -> None:
        self._client, self._expectations, self._clock = client, expectations, clock
        self._stateful_sets = informers.informer(STATEFUL_SETS)
        self._revisions = informers.informer(CONTROLLER_REVISIONS)
        self._pods = informers.informer(PODS)
        self._claims = informers.informer(PERSISTENT_VOLUME_CLAIMS)
        self._stateful_sets.add_index(NAMESPACE_INDEX, namespace_index)
        self._revisions.add_index(INDEX, controller_index)
        self._pods.add_index(INDEX, controller_index)

    def owner_of(self, child: Object) -> str | None:
        """The key of the owner of a pod or revision, if it is of our kind."""
        reference = meta.controller_of(child)
        if reference is None or reference["kind"] != STATEFUL_SETS.kind:
            return None
        return f"{meta.namespace(child)}/{reference['name']}"

    def keys_of(self, child: Object) -> list[str]:
        """Whom a pod or revision concerns: its owner, or those that might adopt it."""
        if meta.controller_of(child) is not None:
            owner = self.owner_of(child)
            return [owner] if owner is not None else []
        return [
            meta.key(each)
            for each in self._neighbours(child)
            if selector_of(each).matches(meta.labels(child))
        ]

    def keys_of_claim(self, claim: Object) -> list[str]:
        """Whose pods a claim is for."""
        return [meta.key(each) for each in self._neighbours(claim) if is_claim_name(each, meta.name(claim))]

    async def observe(self, key: str) -> Seen | None:
        stateful_set = self._stateful_sets.store.get(key)
        if stateful_set is None:
            return None
        uid, orphans = meta.uid(stateful_set), orphans_of(meta.namespace(stateful_set))
        orphaned = candidates(stateful_set, self._pods.store.by_index(INDEX, orphans))
        orphaned_revisions = self._revisions.store.by_index(INDEX, orphans)
        may_adopt = True
        if adoptable(stateful_set, selector_of(stateful_set), orphaned + orphaned_revisions):
            may_adopt = await self._still_there(stateful_set)
        pods = self._pods.store.by_index(INDEX, uid) + orphaned
        return Seen(
            stateful_set,
            pods,
            self._revisions.store.by_index(INDEX, uid) + orphaned_revisions,
            self._revisions.store.get(f"{meta.namespace(stateful_set)}/{name_of_new(stateful_set)}"),
            self._claims_of(stateful_set, pods),
            may_adopt,
            self._expectations.satisfied(key, self._clock.now()),
        )

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def _neighbours(self, o: Object) -> list[Object]:
        """The StatefulSets of an object's namespace."""
        return self._stateful_sets.store.by_index(NAMESPACE_INDEX, meta.namespace(o))

    def _claims_of(self, stateful_set: Object, pods: list[Object]) -> dict[str, Object]:
        """The claims, by name, of the set's places and of the pods beyond."""
        taken = (ordinal(stateful_set, each) for each in pods)
        places = dict.fromkeys([*ordinals(stateful_set), *(each for each in taken if each is not None)])
        names = [name for place in places for name in claim_names(stateful_set, place)]
        found = {name: self._claims.store.get(f"{meta.namespace(stateful_set)}/{name}") for name in names}
        return {name: each for name, each in found.items() if each is not None}

    async def _still_there(self, stateful_set: Object) -> bool:
        """Ask the server, not the cache, whether this very StatefulSet lives."""
        try:
            live = await self._client.get(
                STATEFUL_SETS, meta.namespace(stateful_set), meta.name(stateful_set)
            )
        except StatusError as error:
            if errors.is_not_found(error):
                return False
            raise
        return meta.uid(live) == meta.uid(stateful_set) and not meta.is_terminating(live)


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by StatefulSets, their pods, revisions and claims."""
    expectations = Expectations()
    reconciler = StatefulSetReconciler(wiring.client, wiring.informers, expectations, wiring.clock)
    controller = wiring.controller(
        "statefulset-controller", reconciler, children=PODS, expectations=expectations
    )
    controller.watch(wiring.informers.informer(STATEFUL_SETS))
    controller.watch(wiring.informers.informer(CONTROLLER_REVISIONS), reconciler.keys_of)
    controller.watch(wiring.informers.informer(PERSISTENT_VOLUME_CLAIMS), reconciler.keys_of_claim)
    controller.watch_children(wiring.informers.informer(PODS), reconciler.keys_of, reconciler.owner_of)
    return controller
