"""Core: status conditions: find one, ask one, set one.

`lastTransitionTime` moves only when the status of a condition changes; that is what people read it for.

After: k8s staging/src/k8s.io/apimachinery/pkg/api/meta/conditions.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kube.api import meta


def find(o: Mapping[str, Any], condition_type: str) -> dict[str, Any] | None:
    """The object's condition of a type."""
    for condition in meta.get(o, "status", "conditions", default=[]):
        if condition.get("type") == condition_type:
            found: dict[str, Any] = condition
            return found
    return None


def is_true(o: Mapping[str, Any], condition_type: str) -> bool:
    """True when the condition is there and its status is `True`."""
    condition = find(o, condition_type)
    return condition is not None and condition.get("status") == "True"


def set_condition(
    conditions: Sequence[Mapping[str, Any]], new: Mapping[str, Any], now: datetime
) -> list[dict[str, Any]]:
    """The conditions with `new` in place of its type, or at the end."""
    result = [dict(condition) for condition in conditions]
    condition = {**new, "lastTransitionTime": meta.format_time(now)}
    for i, old in enumerate(result):
        if old.get("type") == new["type"]:
            if old.get("status") == new.get("status") and old.get("lastTransitionTime"):
                condition["lastTransitionTime"] = old["lastTransitionTime"]
            result[i] = condition
            return result
    return [*result, condition]


def remove(conditions: Sequence[Mapping[str, Any]], condition_type: str) -> list[dict[str, Any]]:
    """The conditions without that type."""
    return [dict(condition) for condition in conditions if condition.get("type") != condition_type]
