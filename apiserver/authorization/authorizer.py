"""Shell: keeps the RBAC policy in step with the watch cache and remembers its answers until it changes.

After: k8s staging/src/k8s.io/apiserver/pkg/authorization/authorizer/interfaces.go
"""

from __future__ import annotations

from apiserver.authentication.user import User
from apiserver.authorization.rbac import Policy
from apiserver.request import RequestInfo
from apiserver.storage.watch_cache import WatchCache
from kube.api.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, Resource

KINDS = (CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES, ROLE_BINDINGS)
# Answers remembered; all are forgotten when it is full.
DECISIONS_MAX = 10_000


class Authorizer:
    """May a user do what a request asks for?"""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._policy = Policy()
        self._seen: tuple[object, ...] = ()
        self._decisions: dict[tuple[object, ...], bool] = {}

    def allows(self, user: User, info: RequestInfo) -> bool:
        """True when the user may."""
        if user.is_master:
            return True
        policy = self.policy()
        question = (user.name, user.groups, info)
        if question not in self._decisions:
            if len(self._decisions) >= DECISIONS_MAX:
                self._decisions.clear()
            self._decisions[question] = policy.allows(user, info)
        return self._decisions[question]

    def policy(self) -> Policy:
        """The policy as the cache has it now."""
        logs = [self._cache.log(kind) for kind in KINDS]
        now = tuple((id(log), log.end_position) for log in logs)
        if now != self._seen:
            cluster_roles, cluster_bindings, roles, bindings = (self._objects(kind) for kind in KINDS)
            self._policy = Policy.build(cluster_roles, cluster_bindings, roles, bindings)
            self._seen = now
            self._decisions.clear()
        return self._policy

    def _objects(self, kind: Resource) -> list[dict[str, object]]:
        return [entry.decode() for entry in self._cache.log(kind).objects.values()]
