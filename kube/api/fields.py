"""Core: field selectors (`status.phase!=Failed,spec.nodeName=n1`) and the fields each kind offers.

A field selector compares text; only the fields of SELECTABLE may be asked for, and any other is refused,
because a client that believes its filter was applied would act on the wrong objects.

After: k8s staging/src/k8s.io/apimachinery/pkg/fields/selector.go and pkg/apis/core/v1/conversion.go,
AddFieldLabelConversions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kube.api import meta
from kube.api.errors import bad_request
from kube.api.resources import Resource

TERM = re.compile(r"((?:\\.|[^\\=!,])+)(!=|==|=)((?:\\.|[^\\=,])*)")
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
        terms = []
        for part in re.findall(r"(?:\\.|[^\\,])+", text):
            found = TERM.fullmatch(part)
            if found is None:
                why = f"invalid selector: '{text}'; can't understand '{part}'"
                raise bad_request(why)
            field, operator, value = found.groups()
            value = re.sub(r"\\(.)", r"\1", value)
            terms.append(Term(field.strip(), "!=" if operator == "!=" else "=", value))
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


def _text(value: Any) -> str:
    """A field's value as selectors compare it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _field(o: Mapping[str, Any], field: str) -> str:
    match field:
        case "status.podIPs":
            return ",".join(each.get("ip", "") for each in meta.get(o, "status", "podIPs", default=[]))
        case "source":
            return _text(meta.get(o, "source", "component") or o.get("reportingComponent"))
        case "status.successful":
            return _text(meta.get(o, "status", "succeeded", default=0))
    return _text(meta.get(o, *field.split("."), default=UNSET.get(field)))


def selectable_fields(resource: Resource, o: Mapping[str, Any]) -> dict[str, str]:
    """What a field selector on this resource sees of the object."""
    fields = {"metadata.name": meta.name(o)}
    if resource.namespaced:
        fields["metadata.namespace"] = meta.namespace(o)
    for field in SELECTABLE.get((resource.group, resource.plural), ()):
        fields[field] = _field(o, field)
    return fields


def check(resource: Resource, selector: FieldSelector) -> None:
    """Raise StatusError 400 when the selector asks for a field that this resource does not offer."""
    own = SELECTABLE.get((resource.group, resource.plural), ())
    common = ("metadata.name", "metadata.namespace") if resource.namespaced else ("metadata.name",)
    for term in selector.terms:
        if term.field in own or term.field in common:
            continue
        if own:
            raise bad_request(f"field label not supported: {term.field}")
        known = ", ".join(f'"{field}"' for field in ("metadata.name", "metadata.namespace"))
        raise bad_request(f'"{term.field}" is not a known field selector: only {known}')
