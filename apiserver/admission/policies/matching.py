"""Core: whether a request is one of those that rules and selectors describe.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/matching/matching.go and
pkg/admission/plugin/webhook/predicates/{rules,namespace,object}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from apiserver.admission.chain import CONNECT, CREATE, UPDATE, Attributes
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import NAMESPACES, RESOURCES, Resource

ANY = "*"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as rules see it.

    new: nothing for a DELETE. old: nothing for a CREATE or a CONNECT.
    """

    attributes: Attributes
    new: Object | None
    old: Object | None

    @property
    def namespace(self) -> str:
        """That of the object; a Namespace is in itself."""
        named = self.attributes.resource is NAMESPACES
        return self.attributes.name if named else self.attributes.namespace

    @property
    def labelled(self) -> tuple[Object | None, ...]:
        """What an object selector looks at: no options of a connection, and no Scale, which has no labels."""
        if self.attributes.operation == CONNECT:
            return ()
        return ({},) if self.attributes.subresource == "scale" else (self.new, self.old)

    @property
    def is_new_namespace(self) -> bool:
        """Whether it writes the Namespace it is in, whose labels then count as they will be."""
        made = self.attributes.operation in (CREATE, UPDATE) and not self.attributes.subresource
        return made and self.attributes.resource is NAMESPACES


def by_rules(constraints: Mapping[str, Any], asked: Asked) -> Resource | None:
    """The resource as which the rules take a request; None: not at all."""
    resource = asked.attributes.resource
    versions = (resource,) if constraints.get("matchPolicy") == "Exact" else versions_of(resource)
    if _first(constraints.get("excludeResourceRules") or [], asked, versions) is not None:
        return None
    rules = constraints.get("resourceRules")
    return _first(rules, asked, versions) if rules else resource


def by_labels(constraints: Mapping[str, Any], asked: Asked, namespace: Object | None) -> bool:
    """Whether the selectors choose the namespace the request is in, and the object as it was or will be."""
    if (of_object := constraints.get("objectSelector") or {}) and not any(
        _labelled(of_object, o) for o in asked.labelled
    ):
        return False
    of_namespace = constraints.get("namespaceSelector") or {}
    if not asked.namespace or not of_namespace:
        return True
    return _labelled(of_namespace, asked.new if asked.is_new_namespace else namespace)


def _labelled(selector: Mapping[str, Any], o: Object | None) -> bool:
    found = Selector.from_label_selector(selector)
    return found.is_empty or (o is not None and found.matches((o.get("metadata") or {}).get("labels")))


@cache
def versions_of(resource: Resource) -> tuple[Resource, ...]:
    """The resource and all other versions of it."""
    others = (each for each in RESOURCES if each.storage_prefix() == resource.storage_prefix())
    return (resource, *(each for each in others if each is not resource and each.kind == resource.kind))


def _first(rules: Iterable[Mapping[str, Any]], asked: Asked, versions: Iterable[Resource]) -> Resource | None:
    matching = (each for each in versions if any(covers(rule, asked, each) for rule in rules))
    return next(matching, None)


def covers(rule: Mapping[str, Any], asked: Asked, resource: Resource) -> bool:
    """Whether one rule is about the request, taken as one about `resource`."""
    attributes = asked.attributes
    names = rule.get("resourceNames") or []
    return (
        _has(rule.get("operations"), attributes.operation)
        and _has(rule.get("apiGroups"), resource.group)
        and _has(rule.get("apiVersions"), resource.version)
        and any(_is(each, resource.plural, attributes.subresource) for each in rule.get("resources") or [])
        and rule.get("scope", ANY) in (ANY, None, "Namespaced" if resource.namespaced else "Cluster")
        and (not names or attributes.name in names)
    )


def _has(values: Iterable[str] | None, value: str) -> bool:
    return any(each in (ANY, value) for each in values or ())


def _is(written: str, plural: str, subresource: str) -> bool:
    """`pods` is the objects, `pods/*` also their parts, `*/*` everything."""
    wanted, _, part = written.partition("/")
    return wanted in (ANY, plural) and part in (ANY, subresource)
