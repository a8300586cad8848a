"""Core: requests and limits: which resources may be asked for, and in which amounts.

A resource without a domain is the system's own (cpu, memory, ephemeral-storage, hugepages-*); one with a
domain is an extended resource, which comes in whole pieces and cannot be promised twice.

After: k8s pkg/apis/core/validation/validation.go, validateResourceRequirements;
pkg/apis/core/helper/helpers.go
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from apiserver.registry import formats, names
from apiserver.registry.strategy import Errors
from kube.api import quantity
from kube.api.errors import FieldError

CONTAINER_RESOURCES = ("cpu", "memory", "ephemeral-storage")
HUGE_PAGES = "hugepages-"
# Whole numbers of things; most are only in quotas.
COUNTED = ("pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps")
COUNTED_MORE = ("persistentvolumeclaims", "services.nodeports", "services.loadbalancers")
STANDARD = (
    *CONTAINER_RESOURCES,
    *COUNTED,
    *COUNTED_MORE,
    "storage",
    *(f"{part}.{name}" for part in ("requests", "limits") for name in CONTAINER_RESOURCES),
    "requests.storage",
)
POD_RESOURCES = ("cpu", "memory")

# A cluster asks for the same few amounts over and over.
AMOUNTS_MAX = 4096
# Longer names are refused for that; they are not remembered whole.
NAME_CHARS_MAX = 400

NameRule = Callable[[str, str], Errors]


def is_huge_pages(name: str) -> bool:
    """True for pages of some size, such as hugepages-2Mi."""
    return name.startswith(HUGE_PAGES)


def is_native(name: str) -> bool:
    """True for the system's own resources."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """True for resources that somebody else brought in."""
    return (
        not is_native(name)
        and not name.startswith("requests.")
        and not names.qualified_name(f"requests.{name}")
    )


def is_overcommittable(name: str) -> bool:
    """True where the sum of the limits may be more than there is."""
    return is_native(name) and not is_huge_pages(name)


def container_resource(name: str, path: str) -> Errors:
    """A resource that containers may ask for."""
    if name in CONTAINER_RESOURCES or (is_huge_pages(name) and not names.qualified_name(name)):
        return []
    errors = resource_name(name, path)
    if "/" not in name:
        errors.append(FieldError.invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        errors.append(FieldError.invalid(path, name, "doesn't follow extended resource name standard"))
    return errors


def resource_name(name: str, path: str) -> Errors:
    """A resource of any kind."""
    errors = formats.qualified_name(name, path)
    if (
        not errors
        and "/" not in name
        and name not in STANDARD
        and not is_huge_pages(name.removeprefix("requests."))
    ):
        errors = [FieldError.invalid(path, name, "must be a standard resource type or fully qualified")]
    return errors


def pod_resource(name: str, path: str) -> Errors:
    """A resource that a pod may ask for as a whole."""
    if name in POD_RESOURCES or is_huge_pages(name):
        return []
    return resource_name(name, path) or [FieldError.not_supported(path, name, POD_RESOURCES)]


def amount(name: str, value: str, path: str) -> Errors:
    """Not below zero, and whole where the resource is."""
    return [FieldError.invalid(path, value, text) for text in _mistakes(name[:NAME_CHARS_MAX], value)]


@lru_cache(AMOUNTS_MAX)
def _mistakes(name: str, value: str) -> tuple[str, ...]:
    parsed = quantity.parse(value)
    is_counted = name in COUNTED or name in COUNTED_MORE or is_extended(name)
    checks = (
        (parsed < quantity.ZERO, "must be greater than or equal to 0"),
        (is_counted and parsed.milli_value() % 1000 != 0, "must be an integer"),
        (
            is_huge_pages(name) and not _is_divisible(name, parsed),
            f"{value} is not positive integer multiple of {name}",
        ),
    )
    return tuple(text for wrong, text in checks if wrong)


def _is_divisible(name: str, amount: quantity.Quantity) -> bool:
    try:
        size = quantity.parse(name.removeprefix(HUGE_PAGES)).value()
    except ValueError:
        return False
    return size > 0 and amount.value() % size == 0


def requirements(
    wanted: Any, path: str, claims: Iterable[str] = (), rule: NameRule = container_resource
) -> Errors:
    """Requests and limits together: a request is within its limit, or is its limit."""
    limits, requests = wanted.get("limits") or {}, wanted.get("requests") or {}
    errors: Errors = []
    for name, value in limits.items():
        at = f"{path}.limits[{name}]"
        errors += rule(name, at) + amount(name, value, at)
    for name, value in requests.items():
        at = f"{path}.requests[{name}]"
        errors += rule(name, at) + amount(name, value, at)
        errors += _within_limit(name, value, limits, path)
    asked = (*limits, *requests)
    if any(map(is_huge_pages, asked)) and "cpu" not in asked and "memory" not in asked:
        errors.append(FieldError.forbidden(path, "HugePages require cpu or memory"))
    if "claims" in wanted:
        errors += _claims(wanted["claims"], f"{path}.claims", claims)
    return errors


def _within_limit(name: str, value: str, limits: Any, path: str) -> Errors:
    if name not in limits:
        if is_overcommittable(name):
            return []
        return [FieldError.required(f"{path}.limits", "Limit must be set for non overcommitable resources")]
    wrong = _beyond(name[:NAME_CHARS_MAX], value, limits[name])
    return [FieldError.invalid(f"{path}.requests", value, wrong)] if wrong else []


@lru_cache(AMOUNTS_MAX)
def _beyond(name: str, value: str, limit: str) -> str:
    asked, most = quantity.parse(value), quantity.parse(limit)
    if asked != most and not is_overcommittable(name):
        return f"must be equal to {name} limit of {limit}"
    return f"must be less than or equal to {name} limit of {limit}" if asked > most else ""


def _claims(claims: list[Any], path: str, known: Iterable[str]) -> Errors:
    errors: Errors = []
    seen: list[str] = []
    known = sorted(known)
    for index, claim in enumerate(claims):
        name, request = claim.get("name") or "", claim.get("request") or ""
        at = f"{path}[{index}]"
        if not name:
            errors.append(FieldError.required(at))
            continue
        key = f"{name}/{request}" if request else name
        if request:
            errors += formats.dns_label(request, f"{at}.request")
        if name in seen or key in seen or any(not request and each.startswith(f"{name}/") for each in seen):
            errors.append(FieldError.duplicate(at, name if name in seen else key))
        seen.append(key)
        if name not in known:
            which = f": {', '.join(known)}" if known else " which is empty"
            text = f'Not found: "{name}": must be one of the names in pod.spec.resourceClaims{which}'
            errors.append(FieldError(at, "FieldValueNotFound", text))
    return errors
