"""Shell: looks at every aggregated ClusterRole when any ClusterRole changes."""

from __future__ import annotations

from datetime import datetime

from controllers.cluster_role_aggregation.plan import Seen, is_aggregated, plan
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import CLUSTER_ROLES
from kube.client.informer import InformerFactory
from kube.controller.controller import Controller


class ClusterRoleAggregation:
    """Observes and plans for one role; keys are names of roles."""

    def __init__(self, informers: InformerFactory) -> None:
        self._roles = informers.informer(CLUSTER_ROLES)

    async def observe(self, key: str) -> Seen | None:
        role = self._roles.store.get(key)
        return Seen(role, self._all()) if role is not None else None

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def aggregated(self, _: Object) -> list[str]:
        """The names of those that a change of any role may concern: they are few."""
        return [meta.name(role) for role in self._all() if is_aggregated(role)]

    def _all(self) -> list[Object]:
        return list(self._roles.store.list())


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by all ClusterRoles."""
    aggregation = ClusterRoleAggregation(wiring.informers)
    controller = wiring.controller("clusterrole-aggregation-controller", "ClusterRoleAggregator", aggregation)
    controller.watch(wiring.informers.informer(CLUSTER_ROLES), aggregation.aggregated)
    return controller
