"""Core: what a pod uses of a quota, in which scopes it is, and what it must say of itself.

A pod that has ended, or should have by now, uses nothing but its place in the store.

After: k8s pkg/quota/v1/evaluator/core/pods.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from kube.api import meta, quantity
from kube.api.meta import Object
from kube.api.pod_resources import Resources, pod_limits, pod_requests
from kube.api.quantity import Quantity

COMPUTE = ("cpu", "memory", "ephemeral-storage")
PREFIXES = ("requests.", "limits.")
NAMES = ("pods", *COMPUTE, *(f"{prefix}{name}" for prefix in PREFIXES for name in COMPUTE))
HUGE_PAGES = "hugepages-"
# A quota on these wants every container to say how much; on no others.
TO_BE_SAID = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
TERMS = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """One limit of what a quota counts, as a requirement on one value."""

    name: str
    operator: str
    values: tuple[str, ...] = ()

    def has(self, value: str) -> bool:
        """True when the value, empty if there is none, is as required."""
        match self.operator:
            case "In":
                return bool(value) and value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return bool(value)
            case "DoesNotExist":
                return not value
        return False


def is_name(name: str) -> bool:
    """True for names of a quota that pods use."""
    is_huge = name.startswith((HUGE_PAGES, f"requests.{HUGE_PAGES}"))
    return name in NAMES or is_huge or (name.startswith("requests.") and not _is_native(name))


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def usage(pod: Object, now: datetime) -> dict[str, Quantity]:
    """What a pod uses, but for its place in the store."""
    if not _is_charged(pod, now):
        return {}
    of = {"spec": pod.get("spec") or {}}
    found = {"pods": Quantity(Fraction(1))}
    found |= _named(_quantities(pod_requests(of), of, "requests"), requests=True)
    return found | _named(_quantities(pod_limits(of), of, "limits"), requests=False)


def _is_charged(pod: Object, now: datetime) -> bool:
    if meta.get(pod, "status", "phase") in ("Succeeded", "Failed"):
        return False
    metadata = meta.metadata(pod)
    at, grace = metadata.get("deletionTimestamp"), metadata.get("deletionGracePeriodSeconds")
    if not at or grace is None:
        return True
    return now <= meta.parse_time(at) + timedelta(seconds=grace)


def _named(amounts: dict[str, Quantity], *, requests: bool) -> dict[str, Quantity]:
    """Amounts by the names that quotas have for them."""
    found: dict[str, Quantity] = {}
    for name, amount in amounts.items():
        is_compute, is_huge = name in COMPUTE, name.startswith(HUGE_PAGES)
        if requests and (is_compute or is_huge):
            found[name] = amount
        if requests and (is_compute or is_huge or not _is_native(name)):
            found[f"requests.{name}"] = amount
        if not requests and is_compute:
            found[f"limits.{name}"] = amount
    return found


def _quantities(amounts: Resources, of: Object, part: str) -> dict[str, Quantity]:
    """Amounts in the family of the first text that names them."""
    spec = of["spec"]
    texts: dict[str, Any] = {}
    for each in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()), spec):
        for name, text in meta.get(each, "resources", part, default={}).items():
            texts.setdefault(name, text)
    found = {}
    for name, amount in amounts.items():
        family = quantity.parse(texts.get(name)).family
        found[name] = Quantity(Fraction(amount, 1000 if name == "cpu" else 1), family)
    return found


def is_within(pod: Object, scope: Scope) -> bool:
    """True for a pod in the scope."""
    spec = pod.get("spec") or {}
    deadline = spec.get("activeDeadlineSeconds")
    best_effort = bool(meta.get(pod, "status", "qosClass") == "BestEffort")
    match scope.name:
        case "Terminating":
            return deadline is not None and int(deadline) >= 0
        case "NotTerminating":
            return deadline is None or int(deadline) < 0
        case "BestEffort":
            return best_effort
        case "NotBestEffort":
            return not best_effort
        case "PriorityClass":
            return scope.has(spec.get("priorityClassName") or "")
        case "CrossNamespacePodAffinity":
            return any(_looks_elsewhere(term) for term in _affinity_terms(spec))
    return False


def _affinity_terms(spec: Object) -> Iterable[Object]:
    for kind in ("podAffinity", "podAntiAffinity"):
        for terms in TERMS:
            for term in meta.get(spec, "affinity", kind, terms, default=()):
                yield term.get("podAffinityTerm") or term


def _looks_elsewhere(term: Object) -> bool:
    return bool(term.get("namespaces")) or term.get("namespaceSelector") is not None


def unsaid(pod: Object, names: Iterable[str]) -> str:
    """What containers do not say of what a quota with these names wants to know; empty if all is said."""
    spec = pod.get("spec") or {}
    wanted = sorted(name for name in names if name in TO_BE_SAID)
    found = []
    for name in wanted:
        part, _, kind = (name if "." in name else f"requests.{name}").partition(".")
        containers = sorted(
            each.get("name", "")
            for each in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
            if kind not in meta.get(each, "resources", part, default={})
        )
        if containers:
            found.append(f"{name} for: {','.join(containers)}")
    return f"must specify {'; '.join(found)}" if found else ""
