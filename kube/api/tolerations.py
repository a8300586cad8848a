"""Core: which toleration bears which taint: for the scheduler before a pod runs, for eviction while it does.

After: k8s staging/src/k8s.io/component-helpers/scheduling/corev1/helpers.go; api/core/v1/toleration.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube.api.meta import Object


def tolerates(tolerations: Iterable[Object], taint: Object) -> bool:
    """True when one of the tolerations bears the taint."""
    return any(bears(toleration, taint) for toleration in tolerations)


def bears(toleration: Object, taint: Object) -> bool:
    """True when the toleration bears the taint; without an effect or a key it bears each."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    value, wanted = taint.get("value") or "", toleration.get("value") or ""
    if operator in ("Lt", "Gt"):
        return _compare(value, wanted, operator)
    return operator == "Exists" or (operator == "Equal" and value == wanted)


def _compare(value: str, wanted: str, operator: str) -> bool:
    try:
        left, right = int(value), int(wanted)
    except ValueError:
        return False
    return left > right if operator == "Gt" else left < right
