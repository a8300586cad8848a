"""Core: which nodes a pod wants to be on, and which pods it wants to be near or far from.

After: k8s pkg/apis/core/validation/validation.go, validateAffinity
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.registry import formats
from apiserver.registry.selectors import label_selector, values_of
from apiserver.registry.strategy import Errors
from kube.api import label_syntax
from kube.api.errors import FieldError

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
IN_BOTH = "exists in both matchLabelKeys and labelSelector"


def affinity(wanted: Any, path: str) -> Errors:
    """What is wrong with `affinity`."""
    errors: Errors = []
    if "nodeAffinity" in wanted:
        errors += _node_affinity(wanted["nodeAffinity"], f"{path}.nodeAffinity")
    for field in ("podAffinity", "podAntiAffinity"):
        if field in wanted:
            errors += _pod_affinity(wanted[field], f"{path}.{field}")
    return errors


def _node_affinity(wanted: Any, path: str) -> Errors:
    errors: Errors = []
    if REQUIRED in wanted:
        errors += node_selector(wanted[REQUIRED], f"{path}.{REQUIRED}")
    return errors + _weighted(wanted, f"{path}.{PREFERRED}", "preference", _lenient_node_term)


def _weighted(wanted: Any, path: str, field: str, rule: Callable[[Any, str], Errors]) -> Errors:
    """Terms that count so and so much."""
    errors: Errors = []
    for index, term in enumerate(wanted.get(PREFERRED) or ()):
        weight = term.get("weight") or 0
        if not 1 <= weight <= 100:
            text = "must be in the range 1-100"
            errors.append(FieldError.invalid(f"{path}[{index}].weight", weight, text))
        errors += rule(term.get(field) or {}, f"{path}[{index}].{field}")
    return errors


def node_selector(selector: Any, path: str) -> Errors:
    """What is wrong with terms of which a node must fulfil one."""
    terms = selector.get("nodeSelectorTerms") or []
    if not terms:
        text = "must have at least one node selector term"
        return [FieldError.required(f"{path}.nodeSelectorTerms", text)]
    errors: Errors = []
    for index, term in enumerate(terms):
        errors += _node_term(term, f"{path}.nodeSelectorTerms[{index}]")
    return errors


def _lenient_node_term(term: Any, path: str) -> Errors:
    """What is only preferred may name values that no label can have."""
    return _node_term(term, path, any_value=True)


def _node_term(term: Any, path: str, *, any_value: bool = False) -> Errors:
    errors: Errors = []
    for index, each in enumerate(term.get("matchExpressions") or ()):
        errors += _node_labels(each, f"{path}.matchExpressions[{index}]", any_value=any_value)
    for index, each in enumerate(term.get("matchFields") or ()):
        errors += _node_fields(each, f"{path}.matchFields[{index}]")
    return errors


def _node_labels(each: Any, path: str, *, any_value: bool) -> Errors:
    operator, values, key = each.get("operator") or "", each.get("values") or [], each.get("key") or ""
    if operator in ("Gt", "Lt"):
        text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
        errors = [] if len(values) == 1 else [FieldError.required(f"{path}.values", text)]
    else:
        errors = values_of(operator, values, path)
    errors += formats.qualified_name(key, f"{path}.key")
    for index, value in enumerate(() if any_value else values):
        errors += formats.named(label_syntax.value_problems, value, f"{path}.values[{index}]")
    return errors


def _node_fields(each: Any, path: str) -> Errors:
    operator, values, key = each.get("operator") or "", each.get("values") or [], each.get("key") or ""
    errors: Errors = []
    if operator not in ("In", "NotIn"):
        errors.append(FieldError.invalid(f"{path}.operator", operator, "not a valid selector operator"))
    elif len(values) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(FieldError.required(f"{path}.values", text))
    if key != "metadata.name":
        return [*errors, FieldError.invalid(f"{path}.key", key, "not a valid field selector key")]
    for index, value in enumerate(values):
        errors += formats.dns_subdomain(value, f"{path}.values[{index}]")
    return errors


def _pod_affinity(wanted: Any, path: str) -> Errors:
    errors: Errors = []
    for index, term in enumerate(wanted.get(REQUIRED) or ()):
        errors += _pod_term(term, f"{path}.{REQUIRED}[{index}]")
    return errors + _weighted(wanted, f"{path}.{PREFERRED}", "podAffinityTerm", _pod_term)


def _pod_term(term: Any, path: str) -> Errors:
    errors = label_selector(term.get("labelSelector"), f"{path}.labelSelector")
    errors += label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for name in term.get("namespaces") or ():
        errors += formats.dns_label(name, f"{path}.namespace")
    errors += _label_keys(term, path)
    topology = term.get("topologyKey") or ""
    if not topology:
        errors.append(FieldError.required(f"{path}.topologyKey", "can not be empty"))
    return errors + formats.qualified_name(topology, f"{path}.topologyKey")


def _label_keys(term: Any, path: str) -> Errors:
    """Keys whose values are taken from the pod itself."""
    match, mismatch = term.get("matchLabelKeys") or [], term.get("mismatchLabelKeys") or []
    selector = term.get("labelSelector")
    errors: Errors = []
    for field, keys in (("matchLabelKeys", match), ("mismatchLabelKeys", mismatch)):
        if keys and selector is None:
            text = "must not be specified when labelSelector is not set"
            errors.append(FieldError.forbidden(f"{path}.{field}", text))
            continue
        for index, key in enumerate(keys):
            errors += formats.qualified_name(key, f"{path}.{field}[{index}]")
    seen = set((selector or {}).get("matchLabels") or {})
    for each in (selector or {}).get("matchExpressions") or ():
        if each.get("key") in match and each.get("key") in seen:
            # Kubernetes names the index alone.
            errors.append(FieldError.invalid(f"{path}[{match.index(each['key'])}]", each["key"], IN_BOTH))
        seen.add(each.get("key"))
    for index, key in enumerate(match):
        if key in mismatch:
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            errors.append(FieldError.invalid(f"{path}.matchLabelKeys[{index}]", key, text))
    return errors
