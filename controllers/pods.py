"""Core: what controllers ask of a pod: does it count, is it ready, is it available, which goes first.

After: k8s pkg/api/v1/pod/util.go; pkg/controller/controller_utils.go, ActivePodsWithRanks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cmp_to_key
from typing import Any

from kube.api import conditions, meta
from kube.api.meta import Object

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}
NODE_INDEX = "node"


def node_index(pod: Object) -> list[str]:
    """Find pods by the node they are bound to."""
    node = meta.get(pod, "spec", "nodeName", default="")
    return [node] if node else []


def phase(pod: Object) -> str:
    """The pod's phase; a new pod without a status is pending."""
    return str(meta.get(pod, "status", "phase", default="Pending"))


def is_active(pod: Object) -> bool:
    """True unless the pod has ended or is being deleted."""
    return phase(pod) not in ("Succeeded", "Failed") and not meta.is_terminating(pod)


def is_ready(pod: Object) -> bool:
    """True when the pod's Ready condition says so."""
    return conditions.is_true(pod, "Ready")


def ready_since(pod: Object) -> datetime | None:
    """When the pod became ready; None if it is not, or does not say."""
    condition = conditions.find(pod, "Ready")
    if condition is None or condition.get("status") != "True" or not condition.get("lastTransitionTime"):
        return None
    return meta.parse_time(condition["lastTransitionTime"])


def available_in(pod: Object, min_ready_seconds: int, now: datetime) -> timedelta | None:
    """How long until the pod counts as available: zero if it does, None if it is not even ready."""
    if not is_ready(pod):
        return None
    since = ready_since(pod)
    if min_ready_seconds == 0:
        return timedelta(0)
    if since is None:
        return None
    return max(since + timedelta(seconds=min_ready_seconds) - now, timedelta(0))


def is_available(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    """True when the pod has been ready for long enough."""
    return available_in(pod, min_ready_seconds, now) == timedelta(0)


def deletion_order(pods: Sequence[Object], ranks: Mapping[str, int], now: datetime) -> list[Object]:
    """The pods with those first that are missed least.

    Unassigned before assigned, pending before running, not ready before ready, cheap before dear, from
    crowded nodes (`ranks` by uid: how many related pods share the node) before others, younger before older.
    """

    def compare(a: Object, b: Object) -> int:
        return _compare(a, b, ranks, now)

    return sorted(pods, key=cmp_to_key(compare))


def _compare(a: Object, b: Object, ranks: Mapping[str, int], now: datetime) -> int:
    mine, other = _standing(a, ranks), _standing(b, ranks)
    if mine != other:
        return -1 if mine < other else 1
    ready_a, ready_b = ready_since(a), ready_since(b)
    if is_ready(a) and ready_a != ready_b:
        return _younger_first(ready_a, ready_b, a, b, now)
    restarts_a, restarts_b = _restarts(a), _restarts(b)
    if restarts_a != restarts_b:
        return restarts_b - restarts_a
    made_a, made_b = meta.creation_time(a), meta.creation_time(b)
    if made_a != made_b:
        return _younger_first(made_a, made_b, a, b, now)
    return 0


def _standing(pod: Object, ranks: Mapping[str, int]) -> tuple[bool, int, bool, int, int]:
    """What compares as a plain tuple: smaller goes first."""
    return (
        bool(meta.get(pod, "spec", "nodeName")),
        PHASE_ORDER.get(phase(pod), 0),
        is_ready(pod),
        _deletion_cost(pod),
        -ranks.get(meta.uid(pod), 0),
    )


def _deletion_cost(pod: Object) -> int:
    try:
        return int(meta.annotations(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _restarts(pod: Object) -> int:
    statuses: list[dict[str, Any]] = meta.get(pod, "status", "containerStatuses", default=[])
    return max((int(each.get("restartCount") or 0) for each in statuses), default=0)


def _younger_first(at_a: datetime | None, at_b: datetime | None, a: Object, b: Object, now: datetime) -> int:
    """Compare ages by powers of two: among pods of about one age the uid chooses, as good as chance."""
    if at_a is None or at_b is None:
        return -1 if at_a is None else 1
    difference = _age_class(at_a, now) - _age_class(at_b, now)
    if difference:
        return difference
    return -1 if meta.uid(a) < meta.uid(b) else 1


def _age_class(at: datetime, now: datetime) -> int:
    age = (now - at).total_seconds()
    return int(math.log2(age * 1e9)) if age > 0 else -1
