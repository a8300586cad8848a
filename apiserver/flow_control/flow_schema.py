"""Core: which FlowSchema a request belongs to, and which flow of it.

    request -> the first schema by matchingPrecedence, then by name, one of whose rules
               names the caller (user, group, service account) and what he asks for
            -> its flow: the schema and, as it says, the user's name or the namespace asked for

Schemas that name a level that is not there are passed over.

After: k8s staging/src/k8s.io/apiserver/pkg/util/flowcontrol/rule.go; apf_controller.go,
computeFlowDistinguisher
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.authentication.user import User
from apiserver.request import RequestInfo
from kube.api import meta
from kube.api.meta import Object

ALL = "*"
ACCOUNT_PREFIX = "system:serviceaccount:"
Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FlowSchema:
    """What matters of the object.

    distinguisher: ByUser, ByNamespace, or empty where all its requests are one flow.
    """

    name: str
    uid: str
    level: str
    precedence: int
    distinguisher: str
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, o: Object) -> FlowSchema:
        """Read it."""
        return cls(
            meta.name(o),
            meta.uid(o),
            meta.get(o, "spec", "priorityLevelConfiguration", "name", default=""),
            meta.get(o, "spec", "matchingPrecedence", default=0),
            meta.get(o, "spec", "distinguisherMethod", "type", default=""),
            tuple(meta.get(o, "spec", "rules", default=None) or ()),
        )

    @property
    def order(self) -> tuple[int, str]:
        """Its place among the others; the lowest is asked first."""
        return self.precedence, self.name

    def matches(self, user: User, info: RequestInfo) -> bool:
        """True when one of its rules is about this request."""
        return any(
            _is_among(user, rule.get("subjects") or ()) and _is_about(rule, info) for rule in self.rules
        )

    def flow_of(self, user: User, info: RequestInfo) -> str:
        """What tells this request's flow from the other flows of the schema."""
        match self.distinguisher:
            case "ByUser":
                return user.name
            case "ByNamespace":
                return info.namespace
        return ""


def _is_among(user: User, subjects: Iterable[Rule]) -> bool:
    return any(_is(user, subject) for subject in subjects)


def _is(user: User, subject: Rule) -> bool:
    match subject.get("kind"):
        case "User":
            return (subject.get("user") or {}).get("name") in (ALL, user.name)
        case "Group":
            name = (subject.get("group") or {}).get("name")
            return name == ALL or name in user.groups
        case "ServiceAccount":
            account = subject.get("serviceAccount") or {}
            prefix, name = f"{ACCOUNT_PREFIX}{account.get('namespace')}:", account.get("name")
            return user.name.startswith(prefix) if name == ALL else user.name == f"{prefix}{name}"
    return False


def _is_about(rule: Rule, info: RequestInfo) -> bool:
    if info.is_resource:
        return any(_covers_resource(each, info) for each in rule.get("resourceRules") or ())
    return any(_covers_path(each, info) for each in rule.get("nonResourceRules") or ())


def _covers_resource(rule: Rule, info: RequestInfo) -> bool:
    wanted = f"{info.plural}/{info.subresource}" if info.subresource else info.plural
    if not (
        _holds(rule.get("verbs"), info.verb)
        and _holds(rule.get("apiGroups"), info.group)
        and _holds(rule.get("resources"), wanted)
    ):
        return False
    if not info.namespace:
        return bool(rule.get("clusterScope"))
    return _holds(rule.get("namespaces"), info.namespace)


def _covers_path(rule: Rule, info: RequestInfo) -> bool:
    return _holds(rule.get("verbs"), info.verb) and any(
        url in (ALL, info.path) or info.path.startswith(url.removesuffix(ALL).rstrip("/") + "/")
        for url in rule.get("nonResourceURLs") or ()
    )


def _holds(values: list[str] | None, value: str) -> bool:
    return values is not None and (ALL in values or value in values)
