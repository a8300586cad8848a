"""Shell: keeps the RBAC policy in step with the watch cache.

After: k8s staging/src/k8s.io/apiserver/pkg/authorization/authorizer/interfaces.go
"""

from __future__ import annotations

from apiserver.authentication.user import User
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

    def allows(self, user: User, info: RequestInfo) -> bool:
        """True when the user may."""
        return user.is_master or self.policy().allows(user, info)

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
