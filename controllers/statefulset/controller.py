"""Shell: shows the plan a StatefulSet, its pods, revisions and claims, and wakes it when they change.

After: k8s pkg/controller/statefulset/stateful_set.go, NewStatefulSetController.
"""

from __future__ import annotations

from datetime import datetime

from controllers.parents import Parents
from controllers.statefulset.claims import claim_names, is_claim_name
from controllers.statefulset.history import name_of_new
from controllers.statefulset.identity import ordinal, ordinals
from controllers.statefulset.plan import Seen, candidates, plan, selector_of
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
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


class StatefulSetReconciler:
    """Observes and plans for StatefulSets."""

    def __init__(
        self, client: Client, informers: InformerFactory, expectations: Expectations, clock: Clock
    ) -> None:
        self._expectations, self._clock = expectations, clock
        self.parents = Parents(client, informers, STATEFUL_SETS, selector_of)
        self._stateful_sets = informers.informer(STATEFUL_SETS)
        self._revisions = informers.informer(CONTROLLER_REVISIONS)
        self._pods = informers.informer(PODS)
        self._claims = informers.informer(PERSISTENT_VOLUME_CLAIMS)
        self._revisions.add_index(INDEX, controller_index)
        self._pods.add_index(INDEX, controller_index)

    def keys_of_claim(self, claim: Object) -> list[str]:
        """Whose pods a claim is for."""
        beside = self.parents.beside(claim)
        return [meta.key(each) for each in beside if is_claim_name(each, meta.name(claim))]

    async def observe(self, key: str) -> Seen | None:
        stateful_set = self._stateful_sets.store.get(key)
        if stateful_set is None:
            return None
        uid, orphans = meta.uid(stateful_set), orphans_of(meta.namespace(stateful_set))
        orphaned = candidates(stateful_set, self._pods.store.by_index(INDEX, orphans))
        orphaned_revisions = self._revisions.store.by_index(INDEX, orphans)
        may_adopt = await self.parents.may_adopt(stateful_set, orphaned + orphaned_revisions)
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

    def _claims_of(self, stateful_set: Object, pods: list[Object]) -> dict[str, Object]:
        """The claims, by name, of the set's places and of the pods beyond."""
        taken = (ordinal(stateful_set, each) for each in pods)
        places = dict.fromkeys([*ordinals(stateful_set), *(each for each in taken if each is not None)])
        names = [name for place in places for name in claim_names(stateful_set, place)]
        found = {name: self._claims.store.get(f"{meta.namespace(stateful_set)}/{name}") for name in names}
        return {name: each for name, each in found.items() if each is not None}


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by StatefulSets, their pods, revisions and claims."""
    expectations = Expectations()
    reconciler = StatefulSetReconciler(wiring.client, wiring.informers, expectations, wiring.clock)
    controller = wiring.controller(
        "statefulset-controller", "statefulset", reconciler, children=PODS, expectations=expectations
    )
    parents = reconciler.parents
    controller.watch(wiring.informers.informer(STATEFUL_SETS))
    controller.watch(wiring.informers.informer(CONTROLLER_REVISIONS), parents.keys_of)
    controller.watch(wiring.informers.informer(PERSISTENT_VOLUME_CLAIMS), reconciler.keys_of_claim)
    controller.watch_children(wiring.informers.informer(PODS), parents.keys_of, parents.owner_of)
    return controller
