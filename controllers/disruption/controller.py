"""Shell: shows the plans a budget with its pods and their controllers' scales, and a pod with its budgets.

After: k8s pkg/controller/disruption/disruption.go, getPodsForPdb and the finders.
"""

from __future__ import annotations

from datetime import datetime

from controllers.disruption import stale
from controllers.disruption.plan import Scale, Seen, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
    by_kind,
)
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller
from kube.controller.owners import NAMESPACE_INDEX, namespace_index

SCALED = (REPLICATION_CONTROLLERS, DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS)


class BudgetReconciler:
    """Observes and plans for one budget."""

    def __init__(self, informers: InformerFactory) -> None:
        self._budgets = informers.informer(POD_DISRUPTION_BUDGETS)
        self._budgets.add_index(NAMESPACE_INDEX, namespace_index)
        self._pods = informers.informer(PODS)
        self._pods.add_index(NAMESPACE_INDEX, namespace_index)
        self._scaled = {(each.api_version, each.kind): informers.informer(each) for each in SCALED}

    async def observe(self, key: str) -> Seen | None:
        budget = self._budgets.store.get(key)
        if budget is None:
            return None
        selector = _selector(budget)
        pods = [
            each
            for each in self._pods.store.by_index(NAMESPACE_INDEX, meta.namespace(budget))
            if selector.matches(meta.labels(each))
        ]
        scales = {meta.uid(each): scale for each in pods if (scale := self._scale_of(each)) is not None}
        return Seen(budget, pods, scales)

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def budgets_of(self, pod: Object) -> list[Object]:
        """The budgets that select the pod."""
        return [
            each
            for each in self._budgets.store.by_index(NAMESPACE_INDEX, meta.namespace(pod))
            if _selector(each).matches(meta.labels(pod))
        ]

    def _scale_of(self, pod: Object) -> Scale | None:
        """The scale of the pod's controller, or of the Deployment above it; None without a controller."""
        reference = meta.controller_of(pod)
        if reference is None:
            return None
        owner = self._owner(pod, reference)
        if owner is not None and reference["kind"] == REPLICA_SETS.kind:
            above = meta.controller_of(owner)
            if above is not None and above["kind"] == DEPLOYMENTS.kind:
                owner = self._owner(pod, above)
        if owner is not None:
            return Scale(meta.uid(owner), int(meta.get(owner, "spec", "replicas", default=1)))
        resource = by_kind(reference["apiVersion"], reference["kind"])
        if resource is not None and resource not in SCALED:
            name = f"{resource.plural}.{resource.group}".rstrip(".")
            return Scale(reference["uid"], failure=f"{name} does not implement the scale subresource")
        return Scale(reference["uid"], failure=f'found no controllers for pod "{meta.name(pod)}"')

    def _owner(self, dependent: Object, reference: Object) -> Object | None:
        informer = self._scaled.get((reference["apiVersion"], reference["kind"]))
        if informer is None:
            return None
        owner = informer.store.get(f"{meta.namespace(dependent)}/{reference['name']}")
        return owner if owner is not None and meta.uid(owner) == reference["uid"] else None


class PodReconciler:
    """Observes and plans for one pod."""

    def __init__(self, informers: InformerFactory, budgets: BudgetReconciler) -> None:
        self._pods, self._budgets = informers.informer(PODS), budgets

    async def observe(self, key: str) -> stale.Seen | None:
        pod = self._pods.store.get(key)
        return stale.Seen(pod, self._names(pod)) if pod is not None else None

    def plan(self, seen: stale.Seen, now: datetime) -> list[Action]:
        return stale.plan(seen, now)

    def keys_of_pod(self, pod: Object) -> list[str]:
        """The pod, if there is anything to say of it."""
        return [meta.key(pod)] if stale.may_be_stale(pod) or len(self._names(pod)) > 1 else []

    def _names(self, pod: Object) -> list[str]:
        return sorted(meta.name(each) for each in self._budgets.budgets_of(pod))


def _selector(budget: Object) -> Selector:
    return Selector.from_label_selector(meta.get(budget, "spec", "selector"))


def build(wiring: Wiring) -> list[Controller[Seen] | Controller[stale.Seen]]:
    """The controllers of budgets and of marked pods."""
    budgets = BudgetReconciler(wiring.informers)
    controller = wiring.controller("controllermanager", "disruption", budgets)
    controller.watch(wiring.informers.informer(POD_DISRUPTION_BUDGETS))
    pods = wiring.informers.informer(PODS)
    controller.watch(pods, lambda pod: [meta.key(each) for each in budgets.budgets_of(pod)])
    marked = PodReconciler(wiring.informers, budgets)
    of_pods = wiring.controller("controllermanager", "stale_pod_disruption", marked)
    of_pods.watch(pods, marked.keys_of_pod)
    return [controller, of_pods]
