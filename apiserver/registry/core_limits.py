"""Core: what is special about LimitRanges and ResourceQuotas: names of resources, amounts that fit.

After: k8s pkg/apis/core/validation/validation.go, ValidateLimitRange and ValidateResourceQuota
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats
from apiserver.registry.resource_amounts import amount as amount_errors
from apiserver.registry.resource_amounts import container_resource, is_overcommittable, resource_name
from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta, quantity
from kube.api.errors import FieldError
from kube.api.meta import Object

LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
BOUNDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
# Which bound may not be above which, and how each is called; the first names the field that is wrong.
ORDER = (
    ("min", "min", "max", "min value {low} is greater than max value {high}"),
    (
        "defaultRequest",
        "min",
        "defaultRequest",
        "min value {low} is greater than default request value {high}",
    ),
    (
        "defaultRequest",
        "defaultRequest",
        "max",
        "default request value {low} is greater than max value {high}",
    ),
    (
        "defaultRequest",
        "defaultRequest",
        "default",
        "default request value {low} is greater than default limit value {high}",
    ),
    ("default", "min", "default", "min value {low} is greater than default value {high}"),
    ("default", "default", "max", "default value {low} is greater than max value {high}"),
)
# Where Kubernetes quotes the other bound than the one it names.
QUOTED = {("default", "min"): "min", ("default", "default"): "max"}
SCOPES = (
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
)
COMPUTE = ("cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
SCOPED = {
    "BestEffort": ("pods",),
    "VolumeAttributesClass": ("persistentvolumeclaims", "requests.storage"),
}
OPPOSITES = (("BestEffort", "NotBestEffort"), ("NotTerminating", "Terminating"))
MUST_EXIST = (
    "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
    "ResourceQuotaScopeCrossNamespacePodAffinity"
)
NOT_QUOTAS = ("storage",)


def validate_limits(o: Object) -> Errors:
    """Each type once, its bounds in order."""
    errors: Errors = []
    seen: list[str] = []
    for index, limit in enumerate(meta.get(o, "spec", "limits", default=[])):
        path, kind = f"spec.limits[{index}]", limit.get("type") or ""
        errors += formats.qualified_name(kind, f"{path}.type") or _limit_type(kind, f"{path}.type")
        if kind in seen:
            errors.append(FieldError.duplicate(f"{path}.type", kind))
        seen.append(kind)
        errors += _limit(kind, limit, path)
    return errors


def _limit_type(kind: str, path: str) -> Errors:
    if "/" in kind or kind in LIMIT_TYPES:
        return []
    return [FieldError.invalid(path, kind, "must be a standard limit type or fully qualified")]


def _limit(kind: str, limit: Any, path: str) -> Errors:
    errors: Errors = []
    rule = container_resource if kind in ("Pod", "Container") else resource_name
    for bound in BOUNDS:
        amounts = limit.get(bound) or {}
        if kind == "Pod" and bound in ("default", "defaultRequest"):
            if amounts:
                text = "may not be specified when `type` is 'Pod'"
                errors.append(FieldError.forbidden(f"{path}.{bound}", text))
            continue
        for name in amounts:
            errors += rule(name, f"{path}.{bound}[{name}]")
    bounds = ("min", "max")
    if kind == "PersistentVolumeClaim" and not any("storage" in (limit.get(each) or {}) for each in bounds):
        text = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(FieldError.required(f"{path}.limits", text))
    known = sorted({name for bound in BOUNDS for name in limit.get(bound) or {}})
    return errors + [error for name in known for error in _in_order(limit, name, path)]


def _in_order(limit: Any, name: str, path: str) -> Errors:
    errors: Errors = []
    for field, low, high, text in ORDER:
        small, large = (meta.get(limit, bound, name) for bound in (low, high))
        if small is not None and large is not None and quantity.parse(large) < quantity.parse(small):
            quoted = meta.get(limit, QUOTED.get((field, low), field), name)
            why = text.format(low=small, high=large)
            errors.append(FieldError.invalid(f"{path}.{field}[{name}]", quoted, why))
    limits, requests = meta.get(limit, "default", name), meta.get(limit, "defaultRequest", name)
    if None not in (limits, requests) and not is_overcommittable(name) and limits != requests:
        why = f"default value {limits} must equal to defaultRequest value {requests} in {name}"
        errors.append(FieldError.invalid(f"{path}.defaultRequest[{name}]", requests, why))
    return errors + _ratio(limit, name, f"{path}.maxLimitRequestRatio[{name}]")


def _ratio(limit: Any, name: str, path: str) -> Errors:
    ratio, low, high = (meta.get(limit, bound, name) for bound in ("maxLimitRequestRatio", "min", "max"))
    if ratio is None:
        return []
    errors: Errors = []
    wanted = quantity.parse(ratio).milli_value() / 1000
    if wanted < 1:
        errors.append(FieldError.invalid(path, ratio, f"ratio {ratio} is less than 1"))
    if low is not None and high is not None and quantity.parse(low):
        most = quantity.parse(high).milli_value() / quantity.parse(low).milli_value()
        if wanted > most:
            errors.append(
                FieldError.invalid(path, ratio, f"ratio {ratio} is greater than max/min = {most:f}")
            )
    return errors


def validate_quota(o: Object) -> Errors:
    """Names of resources that can be counted, and scopes that fit them."""
    spec = o.get("spec") or {}
    return _amounts(spec.get("hard") or {}, "spec.hard") + _scopes(spec) + _scope_selector(spec)


def quota_status(new: Object, _old: Object) -> Errors:
    """What is used is named as what may be."""
    status = new.get("status") or {}
    return [
        error for field in ("hard", "used") for error in _amounts(status.get(field) or {}, f"status.{field}")
    ]


def _amounts(amounts: dict[str, Any], path: str) -> Errors:
    errors: Errors = []
    for name, value in amounts.items():
        at = f"{path}[{name}]"
        found = resource_name(name, at)
        if (found or name in NOT_QUOTAS) and "/" not in name:
            found.append(FieldError.invalid(at, name, "must be a standard resource for quota"))
        errors += found + amount_errors(name, value, at)
    return errors


def _fits(scope: str, resource: str) -> bool:
    if scope not in SCOPES or "/" in resource:
        return True
    return resource in SCOPED.get(scope, ("pods", *COMPUTE))


def _scopes(spec: Any) -> Errors:
    path, scopes = "spec.scopes", spec.get("scopes") or []
    errors: Errors = []
    for scope in scopes:
        if scope not in SCOPES:
            errors.append(FieldError.invalid(path, scopes, "unsupported scope"))
        errors += [
            FieldError.invalid(path, scopes, "unsupported scope applied to resource")
            for resource in sorted(spec.get("hard") or {})
            if not _fits(scope, resource)
        ]
    return errors + _opposites(scopes, path, scopes)


def _opposites(scopes: list[str], path: str, quoted: Any) -> Errors:
    return [
        FieldError.invalid(path, quoted, "conflicting scopes")
        for pair in OPPOSITES
        if all(each in scopes for each in pair)
    ]


def _scope_selector(spec: Any) -> Errors:
    path, selector = "spec.scopeSelector.matchExpressions", spec.get("scopeSelector")
    errors: Errors = []
    wanted = (selector or {}).get("matchExpressions") or []
    for each in wanted:
        scope, operator, values = each.get("scopeName"), each.get("operator"), each.get("values") or []
        if scope not in SCOPES:
            errors.append(FieldError.invalid(f"{path}.scopeName", scope, "unsupported scope"))
        errors += [
            FieldError.invalid(path, selector, "unsupported scope applied to resource")
            for resource in sorted(spec.get("hard") or {})
            if not _fits(scope, resource)
        ]
        if (
            scope in SCOPES
            and scope not in ("PriorityClass", "VolumeAttributesClass")
            and operator != "Exists"
        ):
            errors.append(FieldError.invalid(f"{path}.operator", operator, MUST_EXIST))
        errors += _scope_values(operator, values, path)
    return errors + _opposites([each.get("scopeName") for each in wanted], path, spec.get("scopes"))


def _scope_values(operator: Any, values: list[str], path: str) -> Errors:
    if operator in ("In", "NotIn"):
        text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
        return [] if values else [FieldError.required(f"{path}.values", text)]
    if operator in ("Exists", "DoesNotExist"):
        text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
        return [FieldError.invalid(f"{path}.values", values, text)] if values else []
    return [FieldError.invalid(f"{path}.operator", operator or "", "not a valid selector operator")]


def quota_changes(new: Object, old: Object) -> Errors:
    """A quota counts what it counted."""
    after, before = (meta.get(each, "spec", "scopes", default=[]) for each in (new, old))
    return (
        [] if set(after) == set(before) else [FieldError.invalid("spec.scopes", after, "field is immutable")]
    )


LIMIT_RANGE = Strategy(is_complete=True, creates_on_update=True, validate=validate_limits)
RESOURCE_QUOTA = Strategy(
    is_complete=True,
    returns_deleted=True,
    validate=validate_quota,
    validate_update=quota_changes,
    subresources={"status": quota_status},
)
