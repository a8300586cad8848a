"""Core: decides by roles: a user may do what some rule of some role bound to him or his groups allows.

    ClusterRoleBinding -> ClusterRole      everywhere
    RoleBinding -> Role or ClusterRole     in the binding's namespace

The bindings are turned round once, into rules by subject, and again whenever one of the four kinds changes.

After: k8s plugin/pkg/auth/authorizer/rbac/rbac.go
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apiserver.authentication.user import User
from apiserver.request import RequestInfo
from kube.api import meta
from kube.api.meta import Object

ALL = "*"
Rule = Mapping[str, Any]
Subject = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Grant:
    """The rules of a role, and through which binding a subject has them."""

    source: str
    rules: Sequence[Rule]


@dataclass(slots=True)
class Policy:
    """Rules by subject: of the whole cluster, and by namespace."""

    cluster: dict[Subject, list[Grant]] = field(default_factory=lambda: defaultdict(list))
    local: dict[tuple[str, Subject], list[Grant]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def build(
        cls,
        cluster_roles: Iterable[Object],
        cluster_bindings: Iterable[Object],
        roles: Iterable[Object],
        bindings: Iterable[Object],
    ) -> Policy:
        """Turn the bindings round."""
        policy = cls()
        rules = {("", "ClusterRole", meta.name(role)): role.get("rules") or [] for role in cluster_roles}
        rules |= {(meta.namespace(role), "Role", meta.name(role)): role.get("rules") or [] for role in roles}
        for binding in cluster_bindings:
            for subject, source in _subjects(binding, "ClusterRoleBinding"):
                policy.cluster[subject].append(Grant(source, rules.get(_role_key(binding), [])))
        for binding in bindings:
            for subject, source in _subjects(binding, "RoleBinding"):
                grant = Grant(source, rules.get(_role_key(binding), []))
                policy.local[meta.namespace(binding), subject].append(grant)
        return policy

    def rules_for(self, user: User, namespace: str) -> Iterator[Rule]:
        """Every rule that holds for a user in a namespace (empty: in the cluster alone)."""
        for grant in self.grants_for(user, namespace):
            yield from grant.rules

    def grants_for(self, user: User, namespace: str) -> Iterator[Grant]:
        """Where those rules come from."""
        subjects = [("User", user.name), *(("Group", group) for group in user.groups)]
        for subject in subjects:
            yield from self.cluster.get(subject, ())
            if namespace:
                yield from self.local.get((namespace, subject), ())

    def reason(self, user: User, info: RequestInfo) -> str:
        """Which binding allows it, as Kubernetes words it; empty where none does."""
        grant = self._covering(user, info)
        return f"RBAC: allowed by {grant.source}" if grant is not None else ""

    def _covering(self, user: User, info: RequestInfo) -> Grant | None:
        for grant in self.grants_for(user, info.namespace):
            for rule in grant.rules:
                if covers(rule, info):
                    return grant
        return None


def _role_key(binding: Object) -> tuple[str, str, str]:
    reference = binding.get("roleRef") or {}
    kind = reference.get("kind", "")
    return (meta.namespace(binding) if kind == "Role" else "", kind, reference.get("name", ""))


def _subjects(binding: Object, kind: str) -> Iterator[tuple[Subject, str]]:
    """Who has the role, and how a reason names that."""
    space, reference = meta.namespace(binding), binding.get("roleRef") or {}
    named = f"{meta.name(binding)}/{space}" if space else meta.name(binding)
    source = f'{kind} "{named}" of {reference.get("kind", "")} "{reference.get("name", "")}" to '
    for subject in binding.get("subjects") or []:
        name = subject.get("name", "")
        if subject.get("kind") == "ServiceAccount":
            space = subject.get("namespace") or meta.namespace(binding)
            yield (
                ("User", f"system:serviceaccount:{space}:{name}"),
                f'{source}ServiceAccount "{name}/{space}"',
            )
        else:
            kind_of = subject.get("kind", "")
            yield (kind_of, name), f'{source}{kind_of} "{name}"'


def covers(rule: Rule, info: RequestInfo) -> bool:
    """True when the rule allows this request."""
    if not _listed(rule.get("verbs"), info.verb):
        return False
    if not info.is_resource:
        return any(_path_matches(pattern, info.path) for pattern in rule.get("nonResourceURLs") or ())
    if not _listed(rule.get("apiGroups"), info.group):
        return False
    wanted = f"{info.plural}/{info.subresource}" if info.subresource else info.plural
    names = rule.get("resources") or ()
    if not (ALL in names or wanted in names or (info.subresource and f"*/{info.subresource}" in names)):
        return False
    allowed = rule.get("resourceNames") or ()
    return not allowed or info.name in allowed


def _listed(values: Iterable[str] | None, value: str) -> bool:
    return values is not None and (ALL in values or value in values)


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in (ALL, path) or (pattern.endswith(ALL) and path.startswith(pattern[:-1]))


def uncovered(own: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The single permissions of `wanted` that no rule of `own` covers: what granting them would escalate."""
    own = list(own)
    return [
        each for rule in wanted for each in _singles(rule) if not any(_implies(mine, each) for mine in own)
    ]


def _singles(rule: Rule) -> Iterator[Rule]:
    for verb in rule.get("verbs") or ():
        for url in rule.get("nonResourceURLs") or ():
            yield {"verbs": [verb], "nonResourceURLs": [url]}
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                single = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
                names = rule.get("resourceNames") or ()
                yield from ([single | {"resourceNames": [name]} for name in names] if names else [single])


def _implies(rule: Rule, single: Rule) -> bool:
    if not _listed(rule.get("verbs"), single["verbs"][0]):
        return False
    if "nonResourceURLs" in single:
        return any(
            _path_matches(each, single["nonResourceURLs"][0]) for each in rule.get("nonResourceURLs") or ()
        )
    if not _listed(rule.get("apiGroups"), single["apiGroups"][0]):
        return False
    if not _listed(rule.get("resources"), single["resources"][0]):
        return False
    names = rule.get("resourceNames") or ()
    return not names or (bool(single.get("resourceNames")) and single["resourceNames"][0] in names)
