"""Shell: asks those who may allow a request, one after the other: the group of masters, the rules for nodes,
RBAC as the watch cache has it now.

Nobody's refusal is final but that of all; what they say for it is told to the caller.

After: k8s staging/src/k8s.io/apiserver/pkg/authorization/{authorizer/interfaces,union/union}.go
"""

from __future__ import annotations

from apiserver.authentication.user import User
from apiserver.authorization import node
from apiserver.authorization.node import ALLOWED, SILENT, Asked, Decision
from apiserver.authorization.node_relations import NodeRelations
from apiserver.authorization.rbac import Policy
from apiserver.request import RequestInfo
from apiserver.storage.watch_cache import WatchCache
from kube.api.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, Resource

KINDS = (CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES, ROLE_BINDINGS)


class Authorizer:
    """May a user do what a request asks for?"""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._policy = Policy()
        self._seen: tuple[object, ...] = ()
        self._relations = NodeRelations(cache)

    def allows(self, user: User, info: RequestInfo) -> bool:
        """True when the user may."""
        return self.decide(user, info).allowed

    def decide(self, user: User, info: RequestInfo) -> Decision:
        """Whether the user may, and what the authorizers say for it."""
        if user.is_master:
            return ALLOWED
        name, decision = node.node_of(user), SILENT
        if name is not None:
            decision = node.decide(user, Asked(name, info, self._relations.related))
        if not decision.allowed and (why := self.policy().reason(user, info)):
            return Decision(True, why)
        return decision

    async def decide_surely(self, user: User, info: RequestInfo) -> Decision:
        """The same; what the cache says against a node is asked again once the cache is up to date.

        A kubelet may have heard of its pod from another server.
        """
        decision = self.decide(user, info)
        if decision.allowed or node.node_of(user) is None:
            return decision
        await self._cache.consistent()
        return self.decide(user, info)

    def policy(self) -> Policy:
        """The policy as the cache has it now."""
        logs = [self._cache.log(kind) for kind in KINDS]
        now = tuple((log, log.end_position) for log in logs)
        if now != self._seen:
            cluster_roles, cluster_bindings, roles, bindings = (self._objects(kind) for kind in KINDS)
            self._policy = Policy.build(cluster_roles, cluster_bindings, roles, bindings)
            self._seen = now
        return self._policy

    def _objects(self, kind: Resource) -> list[dict[str, object]]:
        return [entry.decode() for entry in self._cache.log(kind).objects.values()]
