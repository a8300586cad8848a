"""Core: what is special about Nodes: taints, and what its controllers write once.

After: k8s pkg/apis/core/validation/validation.go, ValidateNode and ValidateNodeUpdate
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats
from apiserver.registry.resource_amounts import amount
from apiserver.registry.strategy import Errors, Strategy
from kube.api import label_syntax, meta
from kube.api.errors import FieldError
from kube.api.meta import Object

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
ONLY_ONCE = 'node updates may not change {name} except from "" to valid'
CIDRS_MAX = 2


def validate(o: Object) -> Errors:
    """Taints, address ranges, and how much there is."""
    errors = taints(meta.get(o, "spec", "taints", default=[]), "spec.taints")
    for part in ("capacity", "allocatable"):
        for name, value in meta.get(o, "status", part, default={}).items():
            errors += amount(name, value, f"status.{part}.{name}")
    ranges = meta.get(o, "spec", "podCIDRs", default=[])
    for index, each in enumerate(ranges):
        errors += formats.network(each, f"spec.podCIDRs[{index}]")
    if len(ranges) > CIDRS_MAX:
        text = "may specify no more than one CIDR for each IP family"
        errors.append(FieldError.invalid("spec.podCIDRs", ranges, text))
    return errors


def taints(wanted: list[Any], path: str) -> Errors:
    """What is wrong with a node's taints; each pair of key and effect stands once."""
    errors: Errors = []
    seen: list[tuple[str, str]] = []
    for index, taint in enumerate(wanted):
        at, key, effect = f"{path}[{index}]", taint.get("key") or "", taint.get("effect") or ""
        errors += formats.qualified_name(key, f"{at}.key")
        value = taint.get("value") or ""
        if wrong := label_syntax.value_problems(value):
            errors.append(FieldError.invalid(f"{at}.value", value, ";".join(wrong)))
        errors += formats.choice(effect, f"{at}.effect", EFFECTS)
        if (key, effect) in seen:
            errors.append(_twice(taint, at))
        seen.append((key, effect))
    return errors


def _twice(taint: Any, path: str) -> FieldError:
    fields = {name: taint.get(name.lower()) or "" for name in ("Key", "Value", "Effect")}
    found = FieldError.duplicate(path, fields | {"TimeAdded": taint.get("timeAdded")})
    text = f"{found.message}: taints must be unique by key and effect pair"
    return FieldError(path, found.reason, text)


def changes(new: Object, old: Object) -> Errors:
    """Its addresses differ; what was assigned to it stays."""
    errors: Errors = []
    seen: list[Any] = []
    for index, address in enumerate(meta.get(new, "status", "addresses", default=[])):
        if address in seen:
            errors.append(FieldError.duplicate(f"status.addresses[{index}]", address))
        seen.append(address)
    for field, name in (("podCIDRs", "podCIDR"), ("providerID", "providerID")):
        before = meta.get(old, "spec", field)
        if before and meta.get(new, "spec", field) != before:
            errors.append(FieldError.forbidden(f"spec.{field}", ONLY_ONCE.format(name=name)))
    return errors


STRATEGY = Strategy(is_complete=True, validate=validate, validate_update=changes)
