"""Core: which toleration bears which taint: for the scheduler before a pod runs, for eviction while it does.

After: k8s staging/src/k8s.io/component-helpers/scheduling/corev1/helpers.go; api/core/v1/toleration.go;
pkg/util/tolerations/tolerations.go.
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


def merged(first: Iterable[Object], second: Iterable[Object]) -> list[Object]:
    """Both together, without those that another one includes; of equal ones the first stays."""
    everything = [*first, *second]
    kept: list[Object] = []
    for index, each in enumerate(everything):
        others = (other for other in everything[index + 1 :] if other != each)
        if not any(includes(other, each) for other in (*kept, *others)):
            kept.append(each)
    return kept


def includes(wide: Object, narrow: Object) -> bool:
    """True when whatever `narrow` bears, for as long, `wide` bears too."""
    if wide == narrow:
        return True
    is_any = wide.get("operator") == "Exists"
    if (wide.get("key") or "") != (narrow.get("key") or "") and (wide.get("key") or not is_any):
        return False
    if wide.get("effect") and wide["effect"] != narrow.get("effect"):
        return False
    limit, seconds = wide.get("tolerationSeconds"), narrow.get("tolerationSeconds")
    if wide.get("effect") == "NoExecute" and limit is not None and (seconds is None or seconds > limit):
        return False
    is_equal = (wide.get("operator") or "Equal") == "Equal"
    return is_any or (is_equal and narrow.get("operator") == "Equal" and _value(narrow) == _value(wide))


def _value(toleration: Object) -> str:
    return toleration.get("value") or ""
