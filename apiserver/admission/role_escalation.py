"""Shell: nobody grants by RBAC what he may not do himself.

The verbs `escalate` (on roles) and `bind` (on bindings) lift the rule.

After: k8s pkg/registry/rbac/{role,rolebinding}/policybased/storage.go
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.admission.chain import DELETE, Attributes
from apiserver.authorization.authorizer import Authorizer
from apiserver.authorization.rbac import Rule, uncovered
from apiserver.request import RequestInfo
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors
from kube.api.errors import quote
from kube.api.meta import Object
from kube.api.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, Resource

ROLE_KINDS = (ROLES, CLUSTER_ROLES)
BINDING_KINDS = (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS)


class RoleEscalation:
    """Compares what is granted with what the granter has."""

    def __init__(self, cache: WatchCache, authorizer: Authorizer) -> None:
        self._cache, self._authorizer = cache, authorizer

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        resource = attributes.resource
        if attributes.user.is_master or attributes.operation == DELETE:
            return
        if resource in ROLE_KINDS and (old is None or old.get("rules") != o.get("rules")):
            if not self._may(attributes, "escalate", resource, attributes.name):
                self._check(attributes, o.get("rules") or [])
        elif resource in BINDING_KINDS:
            reference = o.get("roleRef") or {}
            kind = CLUSTER_ROLES if reference.get("kind") == "ClusterRole" else ROLES
            if not self._may(attributes, "bind", kind, reference.get("name", "")):
                self._check(attributes, self._rules(attributes, kind, reference.get("name", "")))

    def _may(self, attributes: Attributes, verb: str, kind: Resource, name: str) -> bool:
        info = RequestInfo("", verb, kind.group, kind.version, attributes.namespace, kind.plural, name)
        return self._authorizer.allows(attributes.user, info)

    def _rules(self, attributes: Attributes, kind: Resource, name: str) -> list[Any]:
        entry = self._cache.get(kind, attributes.namespace if kind is ROLES else "", name)
        if entry is None:
            raise errors.not_found(kind, name)
        return entry.decode().get("rules") or []

    def _check(self, attributes: Attributes, rules: Sequence[Rule]) -> None:
        user = attributes.user
        own = self._authorizer.policy().rules_for(user, attributes.namespace)
        missing = uncovered(own, rules)
        if missing:
            groups = " ".join(quote(group) for group in user.groups)
            why = f"user {quote(user.name)} (groups=[{groups}]) is attempting to grant "
            why += "RBAC permissions not currently held:\n"
            why += "\n".join(_words(each) for each in missing)
            raise errors.forbidden(attributes.resource, attributes.name, why)


def _words(rule: Rule) -> str:
    """A rule as the refusal shows it."""
    names = {
        "APIGroups": "apiGroups",
        "Resources": "resources",
        "ResourceNames": "resourceNames",
        "NonResourceURLs": "nonResourceURLs",
        "Verbs": "verbs",
    }
    return (
        "{"
        + ", ".join(f"{word}:{quote(list(rule[key]))}" for word, key in names.items() if rule.get(key))
        + "}"
    )
