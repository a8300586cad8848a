"""Core: what the statuses of controllers may not say: fewer than none, or more ready than there are.

After: k8s pkg/apis/apps/validation/validation.go, ValidateDeploymentStatus and its siblings
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from apiserver.registry import formats
from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError
from kube.api.meta import Object


def rule(*parts: str, of_all: str = "", ready: str = "readyReplicas") -> Callable[[Object, Object], Errors]:
    """The rule of a kind: `parts` of `status.replicas` are not more than that, and available ones are ready.

    of_all: counts that are not parts of anything; ready: how the message calls the ready ones.
    """

    def changes(new: Object, old: Object) -> Errors:
        return [*_errors(new.get("status") or {}, old.get("status") or {}, parts, of_all.split(), ready)]

    return changes


def _errors(
    status: Any, former: Any, parts: tuple[str, ...], others: list[str], ready: str
) -> Iterator[FieldError]:
    total = ["replicas"] if parts else []
    for field in (*total, *parts, *others, "observedGeneration", "collisionCount"):
        yield from formats.non_negative(status.get(field), f"status.{field}")
    for field in parts:
        value = status.get(field) or 0
        if value > (status.get("replicas") or 0):
            yield FieldError.invalid(f"status.{field}", value, "cannot be greater than status.replicas")
    available = status.get("availableReplicas") or 0
    if parts and available > (status.get("readyReplicas") or 0):
        yield FieldError.invalid("status.availableReplicas", available, f"cannot be greater than {ready}")
    before, after = former.get("collisionCount"), status.get("collisionCount")
    if before is not None and (after is None or after < before):
        yield FieldError.invalid("status.collisionCount", after or 0, "cannot be decremented")
