"""Core: which requests the rules of a webhook name.

A rule names operations, groups, versions, resources and a scope; a star is each of them. `pods` is the
object alone, `pods/*` it and its subresources, `*/scale` that subresource of every resource.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules/rules.go
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kube.api.resources import NAMESPACES, Resource

ALL = "*"
# What webhooks are never asked about: a broken one could not be taken away again.
EXEMPT_GROUP = "admissionregistration.k8s.io"
EXEMPT_KINDS = (
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request rules look at; is_in_namespace: of the object, not of a Namespace itself."""

    operation: str
    resource: Resource
    subresource: str
    is_in_namespace: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; resources and subresources in pairs, an empty subresource for the object itself."""

    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    scope: str

    @classmethod
    def read(cls, rule: Mapping[str, Any]) -> Rule:
        pairs = (each.partition("/") for each in rule.get("resources") or ())
        return cls(
            frozenset(rule.get("operations") or ()),
            frozenset(rule.get("apiGroups") or ()),
            frozenset(rule.get("apiVersions") or ()),
            tuple((resource, below) for resource, _, below in pairs),
            rule.get("scope") or ALL,
        )

    def covers(self, asked: Asked) -> bool:
        """True when the rule names the request."""
        resource = asked.resource
        return (
            self._has_scope(asked)
            and _listed(self.operations, asked.operation)
            and _listed(self.groups, resource.group)
            and _listed(self.versions, resource.version)
            and any(
                name in (ALL, resource.plural) and below in (ALL, asked.subresource)
                for name, below in self.resources
            )
        )

    def _has_scope(self, asked: Asked) -> bool:
        return self.scope == ALL or (self.scope == "Namespaced") == asked.is_in_namespace


def _listed(values: Collection[str], value: str) -> bool:
    return ALL in values or value in values


def is_exempt(resource: Resource) -> bool:
    """True for what webhooks are never asked about."""
    return resource.group == EXEMPT_GROUP and resource.kind in EXEMPT_KINDS


def is_in_namespace(resource: Resource, namespace: str) -> bool:
    """True for what lies in a namespace; a Namespace does not."""
    return bool(namespace) and resource is not NAMESPACES


def named_as(
    rules: Sequence[Rule], asked: Asked, equivalents: Sequence[Resource], *, exactly: bool
) -> Resource | None:
    """The version of the resource in which rules name the request: that of the request before any other."""
    if any(rule.covers(asked) for rule in rules):
        return asked.resource
    for rule in rules if not exactly else ():
        for each in equivalents:
            other = Asked(asked.operation, each, asked.subresource, asked.is_in_namespace)
            if each is not asked.resource and rule.covers(other):
                return each
    return None
