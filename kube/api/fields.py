"""Core: field selectors (`status.phase!=Failed,spec.nodeName=n1`) and the fields each kind offers.

A field selector compares text; only the fields of SELECTABLE may be asked for, and any other is refused,
because a client that believes its filter was applied would act on the wrong objects.

After: k8s staging/src/k8s.io/apimachinery/pkg/fields/selector.go and pkg/apis/core/v1/conversion.go,
AddFieldLabelConversions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kube.api import meta
from kube.api.errors import bad_request, quote
from kube.api.resources import Resource

PARTS = re.compile(r"(?:\\.|[^\\,]|\\\Z)+", re.DOTALL)
OPERATOR = re.compile(r"!=|==|=")
# Each is asked of each object of a list.
TERMS_MAX = 100
REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
SELECTABLE: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    ("", "nodes"): ("spec.unschedulable",),
    ("", "namespaces"): ("status.phase",),
    ("", "secrets"): ("type",),
    ("", "services"): ("spec.clusterIP", "spec.type"),
    ("", "replicationcontrollers"): ("status.replicas",),
    ("", "events"): (
        *(f"involvedObject.{part}" for part in REFERENCE),
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("events.k8s.io", "events"): (
        *(f"regarding.{part}" for part in REFERENCE),
        "reason",
        "reportingController",
        "type",
    ),
    ("batch", "jobs"): ("status.successful",),
    ("certificates.k8s.io", "certificatesigningrequests"): ("spec.signerName",),
}
# Names that are understood although the fields are kept under others: old ones, and those of a kind that is
# stored in another version.
RENAMED: dict[tuple[str, str], dict[str, str]] = {
    ("", "pods"): {"spec.host": "spec.nodeName"},
    ("events.k8s.io", "events"): {
        **{f"regarding.{part}": f"involvedObject.{part}" for part in REFERENCE},
        "reportingController": "reportingComponent",
    },
}
# Kinds that have no list of their own take both of these, cluster-wide kinds too.
COMMON = ("metadata.name", "metadata.namespace")
KNOWN = ", ".join(f'"{field}"' for field in COMMON)
# What an unset field compares as, where that is not the empty text.
UNSET = {
    "spec.unschedulable": "false",
    "spec.hostNetwork": "false",
    "status.replicas": "0",
    "status.successful": "0",
}


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison; operator is `=` or `!=`."""

    field: str
    operator: str
    value: str

    def matches(self, fields: Mapping[str, str]) -> bool:
        return (fields.get(self.field, "") == self.value) == (self.operator == "=")

    def __str__(self) -> str:
        escaped = re.sub(r"([\\,=])", r"\\\1", self.value)
        return f"{self.field}{self.operator}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Comparisons that must all hold."""

    terms: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, text: str) -> FieldSelector:
        """Read a query's text; StatusError 400 when it is malformed."""
        terms: list[Term] = []
        parts = sorted(PARTS.findall(text))
        if len(parts) > TERMS_MAX:
            raise bad_request(f"a field selector may have at most {TERMS_MAX} terms")
        for part in parts:
            found = OPERATOR.search(part)
            if found is None:
                why = f"invalid selector: '{text}'; can't understand '{part}'"
                raise bad_request(why)
            operator = "!=" if found.group() == "!=" else "="
            terms.append(Term(part[: found.start()], operator, _unescape(part[found.end() :])))
        return cls(tuple(terms))

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all(term.matches(fields) for term in self.terms)

    def required(self, field: str) -> str | None:
        """The one value the selector allows for a field, if it names one."""
        for term in self.terms:
            if term.field == field and term.operator == "=":
                return term.value
        return None

    @property
    def is_empty(self) -> bool:
        return not self.terms

    def __str__(self) -> str:
        return ",".join(str(term) for term in self.terms)


def _unescape(value: str) -> str:
    """A term's value without its backslashes; StatusError 400 where one is missing or escapes nothing."""
    plain, at = [], 0
    while at < len(value):
        character = value[at]
        if character == "\\":
            at += 1
            if value[at : at + 1] not in ("\\", ",", "="):
                sequence = "\\" + value[at : at + 1]
                raise bad_request(f"invalid field selector: invalid escape sequence: {sequence}")
            character = value[at]
        elif character in ",=":
            text = f"invalid field selector: unescaped character in value: {ord(character)}"
            raise bad_request(text)
        plain.append(character)
        at += 1
    return "".join(plain)


def _text(value: Any) -> str:
    """A field's value as selectors compare it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _field(o: Mapping[str, Any], field: str) -> str:
    match field:
        case "status.podIP":
            addresses = meta.get(o, "status", "podIPs", default=[])
            return _text(addresses[0].get("ip") if addresses else meta.get(o, "status", "podIP"))
        case "status.podIPs":
            return ""  # allowed, but never filled in, in Kubernetes
        case "source":
            return _text(meta.get(o, "source", "component") or o.get("reportingComponent"))
        case "status.successful":
            return _text(meta.get(o, "status", "succeeded", default=0))
    return _text(meta.get(o, *field.split("."), default=UNSET.get(field)))


def selectable_fields(resource: Resource, o: Mapping[str, Any]) -> dict[str, str]:
    """What a field selector on this resource sees of a stored object, by the names that `understood` uses."""
    key = (resource.group, resource.plural)
    fields = {"metadata.name": meta.name(o)}
    if resource.namespaced:
        fields["metadata.namespace"] = meta.namespace(o)
    for offered in SELECTABLE.get(key, ()):
        field = RENAMED.get(key, {}).get(offered, offered)
        fields[field] = _field(o, field)
    return fields


def understood(resource: Resource, selector: FieldSelector) -> FieldSelector:
    """The selector by the names that fields are kept under; StatusError 400 when it asks for one that this
    resource does not offer.
    """
    key = (resource.group, resource.plural)
    own, renamed = SELECTABLE.get(key), RENAMED.get(key, {})
    common = ("metadata.name", "metadata.namespace") if resource.namespaced else ("metadata.name",)
    for term in selector.terms:
        if own is None and term.field not in COMMON:
            raise bad_request(f"{quote(term.field)} is not a known field selector: only {KNOWN}")
        if own is not None and term.field not in (*own, *common, *renamed):
            raise bad_request(f"field label not supported: {term.field}")
    return FieldSelector(
        tuple(replace(term, field=renamed.get(term.field, term.field)) for term in selector.terms)
    )
