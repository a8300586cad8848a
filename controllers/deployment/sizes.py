"""Core: the arithmetic of a rollout: how many pods may there be at most, how many must be available at least.

After: k8s pkg/controller/deployment/util/deployment_util.go, ResolveFenceposts, NewRSNewReplicas,
GetReplicaSetProportion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kube.api import meta
from kube.api.meta import Object


def replicas(o: Object) -> int:
    """The replicas that a Deployment or ReplicaSet asks for."""
    return int(meta.get(o, "spec", "replicas", default=1))


def total(replica_sets: Sequence[Object]) -> int:
    """The replicas that several ReplicaSets ask for together."""
    return sum(replicas(each) for each in replica_sets)


def status_count(replica_sets: Sequence[Object], name: str) -> int:
    """The sum of one number in the status of several ReplicaSets."""
    return sum(int(meta.get(each, "status", name, default=0)) for each in replica_sets)


def is_rolling_update(deployment: Object) -> bool:
    """True unless the strategy is Recreate."""
    return bool(meta.get(deployment, "spec", "strategy", "type", default="RollingUpdate") == "RollingUpdate")


def max_surge(deployment: Object) -> int:
    """How many pods there may be beyond the wanted ones."""
    return _fenceposts(deployment)[0] if is_rolling_update(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    """How many of the wanted pods may be missing; never more than there are."""
    if not is_rolling_update(deployment) or replicas(deployment) == 0:
        return 0
    return min(_fenceposts(deployment)[1], replicas(deployment))


def _fenceposts(deployment: Object) -> tuple[int, int]:
    """Surge rounds up and unavailable down; both zero would never move, so then one may be unavailable."""
    settings = meta.get(deployment, "spec", "strategy", "rollingUpdate", default={})
    wanted = replicas(deployment)
    surge = _scaled(settings.get("maxSurge", 0), wanted, math.ceil)
    unavailable = _scaled(settings.get("maxUnavailable", 0), wanted, math.floor)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _scaled(value: Any, base: int, rounded: Any) -> int:
    """An int-or-percent of `base`."""
    if isinstance(value, str):
        return int(rounded(int(value.removesuffix("%")) * base / 100))
    return int(value or 0)


def size_of_new(deployment: Object, replica_sets: Sequence[Object], size: int) -> int:
    """How far the new ReplicaSet, now of `size`, may grow beside `replica_sets` (itself included)."""
    wanted = replicas(deployment)
    if not is_rolling_update(deployment):
        return wanted
    room = wanted + max_surge(deployment) - total(replica_sets)
    return size if room <= 0 else size + min(room, wanted - size)


def proportion(replica_set: Object, deployment: Object, max_before: int, to_add: int, added: int) -> int:
    """How many of the pods to add (or, negative, to remove) a ReplicaSet of a running rollout gets."""
    size = replicas(replica_set)
    if size == 0 or to_add == added:
        return 0
    fraction = _fraction(size, deployment, max_before)
    left = to_add - added
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def _fraction(size: int, deployment: Object, max_before: int) -> int:
    """The change that keeps a ReplicaSet's share of all pods."""
    if replicas(deployment) == 0:
        return -size
    max_before = max_before or int(meta.get(deployment, "status", "replicas", default=0))
    if max_before == 0:
        return 0
    exact = size * (replicas(deployment) + max_surge(deployment)) / max_before
    return math.floor(exact + 0.5) - size
