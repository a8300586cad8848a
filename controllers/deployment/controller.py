"""Shell: shows the plan a Deployment and its ReplicaSets, and wakes it when they change.

After: k8s pkg/controller/deployment/deployment_controller.go, NewDeploymentController.
"""

from __future__ import annotations

from datetime import datetime

from controllers.claim import adoptable
from controllers.deployment.plan import Seen, plan
from controllers.deployment.replica_sets import name_of_new
from controllers.deployment.sizes import is_rolling_update
from controllers.parents import Parents
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller
from kube.controller.expectations import Expectations
from kube.controller.owners import (
    INDEX,
    controller_index,
    orphans_of,
)


class DeploymentReconciler:
    """Observes and plans for Deployments."""

    def __init__(self, client: Client, informers: InformerFactory, expectations: Expectations) -> None:
        self._expectations = expectations
        self.parents = Parents(client, informers, DEPLOYMENTS, _selector)
        self._deployments = informers.informer(DEPLOYMENTS)
        self._replica_sets = informers.informer(REPLICA_SETS)
        self._pods = informers.informer(PODS)
        self._replica_sets.add_index(INDEX, controller_index)
        self._pods.add_index(INDEX, controller_index)

    def keys_of_pod(self, pod: Object) -> list[str]:
        """The Deployment that waits for old pods to go: only Recreate does."""
        reference = meta.controller_of(pod)
        if reference is None or reference["kind"] != REPLICA_SETS.kind:
            return []
        replica_set = self._replica_sets.store.get(f"{meta.namespace(pod)}/{reference['name']}")
        keys = self.parents.keys_of(replica_set) if replica_set is not None else []
        found = {key: self._deployments.store.get(key) for key in keys}
        return [key for key, each in found.items() if each is not None and not is_rolling_update(each)]

    async def observe(self, key: str) -> Seen | None:
        deployment = self._deployments.store.get(key)
        if deployment is None:
            return None
        own = self._replica_sets.store.by_index(INDEX, meta.uid(deployment))
        orphans = self._replica_sets.store.by_index(INDEX, orphans_of(meta.namespace(deployment)))
        adopted = adoptable(deployment, _selector(deployment), orphans)
        may_adopt = await self.parents.may_adopt(deployment, orphans)
        namesake = self._replica_sets.store.get(f"{meta.namespace(deployment)}/{name_of_new(deployment)}")
        ours = {meta.uid(each) for each in (*own, *(adopted if may_adopt else []))}
        return Seen(
            deployment,
            own + orphans,
            {meta.uid(each): self._pods.store.by_index(INDEX, meta.uid(each)) for each in own},
            may_adopt,
            namesake is not None and meta.uid(namesake) not in ours,
            self._expectations.failure(key),
        )

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by Deployments, their ReplicaSets, and the pods that a Recreate waits for."""
    expectations = Expectations()
    reconciler = DeploymentReconciler(wiring.client, wiring.informers, expectations)
    controller = wiring.controller(
        "deployment-controller", "deployment", reconciler, expectations=expectations
    )
    controller.watch(wiring.informers.informer(DEPLOYMENTS))
    controller.watch(wiring.informers.informer(REPLICA_SETS), reconciler.parents.keys_of)
    controller.watch(wiring.informers.informer(PODS), reconciler.keys_of_pod)
    return controller


def _selector(deployment: Object) -> Selector:
    return Selector.from_label_selector(meta.get(deployment, "spec", "selector"))
