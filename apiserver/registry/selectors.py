"""Core: what is wrong with label selectors, and whether a controller's selector selects its own pods.

After: k8s staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/validation/validation.go, ValidateLabelSelector
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import names
from apiserver.registry.strategy import Errors
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.label_syntax import value_problems
from kube.api.labels import Selector

NOT_MATCHING = "`selector` does not match template `labels`"


def label_selector(selector: Any, path: str) -> Errors:
    """What is wrong with a LabelSelector; with none, nothing is."""
    if not selector:
        return []
    errors = names.check_labels(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for index, each in enumerate(selector.get("matchExpressions") or []):
        errors += _requirement(each, f"{path}.matchExpressions[{index}]")
    return errors


def _requirement(each: Any, path: str) -> Errors:
    operator, values, key = each.get("operator") or "", each.get("values") or [], each.get("key") or ""
    errors = values_of(operator, values, path)
    errors += [FieldError.invalid(f"{path}.key", key, text) for text in names.qualified_name(key)]
    return errors + [
        FieldError.invalid(f"{path}.values[{index}]", value, text)
        for index, value in enumerate(values)
        for text in value_problems(value)
    ]


def values_of(operator: str, values: Any, path: str) -> Errors:
    """What is wrong with a requirement's operator, or with its having values or none."""
    if operator in ("In", "NotIn"):
        text = "must be specified when `operator` is 'In' or 'NotIn'"
        return [] if values else [FieldError.required(f"{path}.values", text)]
    if operator in ("Exists", "DoesNotExist"):
        text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        return [FieldError.forbidden(f"{path}.values", text)] if values else []
    return [FieldError.invalid(f"{path}.operator", operator, "not a valid selector operator")]


def is_empty(selector: Any) -> bool:
    """True for a selector that selects everything."""
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def own_selector(spec: Any, kind: str, unreadable: str = "invalid label selector") -> Errors:
    """What is wrong with a controller's `spec.selector`: it is there, says something, and fits the template.

    `kind` is the word that Kubernetes uses of an empty one; `unreadable` what it says of a wrong one.
    """
    selector, labels = spec.get("selector"), meta.labels(spec.get("template") or {})
    if selector is None:
        return [FieldError.required("spec.selector"), not_matching(labels)]
    errors = label_selector(selector, "spec.selector")
    if errors:
        return [*errors, FieldError.invalid("spec.selector", selector, unreadable)]
    if is_empty(selector):
        text = f"empty selector is invalid for {kind}"
        return [FieldError.invalid("spec.selector", {}, text)]
    return [] if Selector.from_label_selector(selector).matches(labels) else [not_matching(labels)]


def not_matching(labels: Any, path: str = "spec.template.metadata.labels") -> FieldError:
    """The template's labels are not those selected."""
    return FieldError.invalid(path, dict(sorted(labels.items())) or None, NOT_MATCHING)
