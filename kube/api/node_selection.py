"""Core: does a pod's nodeSelector and node affinity allow a node: for scheduler and kubelet.

After: k8s staging/src/k8s.io/component-helpers/scheduling/corev1/nodeaffinity/nodeaffinity.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kube.api import meta
from kube.api.meta import Object


def node_affinity(pod_spec: Object) -> Object:
    """The pod's node affinity, or nothing."""
    return meta.get(pod_spec, "affinity", "nodeAffinity", default=None) or {}


def required_terms(pod_spec: Object) -> list[Object] | None:
    """The node selector terms of which one must fit; None when any node will do."""
    required = node_affinity(pod_spec).get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else required.get("nodeSelectorTerms") or []


def allows_node(pod_spec: Object, node: Object) -> bool:
    """True when the pod's nodeSelector and required node affinity allow the node."""
    selector = pod_spec.get("nodeSelector") or {}
    if selector and any(meta.labels(node).get(key) != value for key, value in selector.items()):
        return False
    terms = required_terms(pod_spec)
    return terms is None or any(matches_node(term, node) for term in terms)


def matches_node(term: Object, node: Object) -> bool:
    """True when the node fits every requirement of the term; an empty term fits no node."""
    expressions = term.get("matchExpressions") or ()
    fields = term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(_meets(meta.labels(node), requirement) for requirement in expressions) and all(
        _meets({"metadata.name": meta.name(node)}, requirement) for requirement in fields
    )


def _meets(values: Mapping[str, str], requirement: Object) -> bool:
    operator = _OPERATORS.get(requirement["operator"])
    return operator is not None and operator(values.get(requirement["key"]), requirement.get("values") or [])


def _compare(value: str | None, wanted: str, operator: str) -> bool:
    try:
        left, right = int(value or ""), int(wanted)
    except ValueError:
        return False
    return left > right if operator == "Gt" else left < right


_OPERATORS: Mapping[str, Callable[[str | None, list[Any]], bool]] = {
    "In": lambda value, values: value is not None and value in values,
    "NotIn": lambda value, values: value is None or value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
    "Gt": lambda value, values: _compare(value, values[0], "Gt"),
    "Lt": lambda value, values: _compare(value, values[0], "Lt"),
}
