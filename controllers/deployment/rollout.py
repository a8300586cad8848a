"""Core: decides the next sizes of a Deployment's ReplicaSets.

    rolling     first let the new one grow as far as maxSurge allows; when it cannot, shrink the old ones as
                far as maxUnavailable allows, those pods first that are not available anyway
    recreate    shrink all old ones to nothing; only when their last pod has gone let the new one grow
    scale       the number of replicas changed: keep the shares that the ReplicaSets of a rollout have now

Each answer is a small step; the ReplicaSets' changes bring the Deployment back for the next one.
Sizes are by name; a ReplicaSet that is not in the answer keeps its size.

A ReplicaSet's status may be older than its size. Pods beyond that size are about to go, however available the
status calls them; Kubernetes counts them, and in such a moment takes one more than it may. Nor does it wait
for them to go before others come in their place, and so may have one too many; here they are waited for.

After: k8s pkg/controller/deployment/{rolling,recreate,sync}.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controllers import pods
from controllers.deployment.replica_sets import DESIRED_REPLICAS, MAX_REPLICAS, Family, sort_by_age
from controllers.deployment.sizes import (
    is_rolling_update,
    max_surge,
    max_unavailable,
    proportion,
    replicas,
    size_of_new,
    status_count,
    total,
)
from kube.api import meta
from kube.api.meta import Object

Sizes = dict[str, int]


def rolling(deployment: Object, family: Family) -> Sizes:
    """The next step of a rolling update whose new ReplicaSet exists."""
    assert family.new is not None, "the new ReplicaSet is made first"
    wanted, size = replicas(deployment), replicas(family.new)
    if size > wanted:
        return {meta.name(family.new): wanted}
    grown = size_of_new(deployment, family.all, size)
    if grown != size:
        is_too_early = any(map(_has_more, family.old))
        return {} if is_too_early else {meta.name(family.new): grown}
    return _shrink_old(deployment, family, family.new)


def _shrink_old(deployment: Object, family: Family, new: Object) -> Sizes:
    if total(family.old) == 0:
        return {}
    min_available = replicas(deployment) - max_unavailable(deployment)
    new_unavailable = replicas(new) - _available(new)
    removable = total(family.all) - min_available - new_unavailable
    if removable <= 0:
        return {}
    sizes = {meta.name(each): replicas(each) for each in family.old}
    _take_unhealthy(family.active_old, sizes, removable)
    spare = sum(map(_available, family.all)) - min_available
    _take(family.active_old, sizes, spare)
    changed = [each for each in family.active_old if sizes[meta.name(each)] != replicas(each)]
    return {meta.name(each): sizes[meta.name(each)] for each in changed}


def _has_more(replica_set: Object) -> bool:
    """Whether it may still have pods beyond its size: the next ones would be beyond maxSurge."""
    observed = meta.get(replica_set, "status", "observedGeneration", default=0)
    is_seen = int(observed) >= meta.generation(replica_set)
    return not is_seen or status_count([replica_set], "replicas") > replicas(replica_set)


def _available(replica_set: Object) -> int:
    """How many pods are available and to stay."""
    return min(status_count([replica_set], "availableReplicas"), replicas(replica_set))


def _take_unhealthy(old: Sequence[Object], sizes: Sizes, count: int) -> None:
    """Remove up to `count` pods that are not available: nobody misses them."""
    for each in sort_by_age(old):
        taken = min(replicas(each) - _available(each), count)
        sizes[meta.name(each)] -= taken
        count -= taken


def _take(old: Sequence[Object], sizes: Sizes, count: int) -> None:
    """Remove up to `count` pods, from the oldest ReplicaSet first."""
    for each in sort_by_age(old):
        taken = max(min(sizes[meta.name(each)], count), 0)
        sizes[meta.name(each)] -= taken
        count -= taken


def stop_old(family: Family) -> Sizes:
    """The first step of a recreate."""
    return {meta.name(each): 0 for each in family.active_old}


def old_pods_run(family: Family, pods_by_owner: Mapping[str, Sequence[Object]]) -> bool:
    """True while a recreate must still wait for pods of old ReplicaSets."""
    if status_count(family.old, "replicas") > 0:
        return True
    others = (
        pod
        for uid, owned in pods_by_owner.items()
        if family.new is None or uid != meta.uid(family.new)
        for pod in owned
    )
    return any(pods.phase(pod) not in ("Succeeded", "Failed") for pod in others)


def is_scaling_event(deployment: Object, family: Family) -> bool:
    """True when an active ReplicaSet was sized for another number of replicas than the present one."""
    noted = [meta.annotations(each).get(DESIRED_REPLICAS) for each in family.all if replicas(each) > 0]
    return any(each is not None and each != str(replicas(deployment)) for each in noted)


def scale(deployment: Object, family: Family) -> Sizes:
    """Sizes after a change of the number of replicas."""
    wanted = replicas(deployment)
    active = [each for each in family.all if replicas(each) > 0]
    if len(active) <= 1:
        chosen = active or [each for each in [family.new, *reversed(family.old)] if each is not None][:1]
        return {meta.name(each): wanted for each in chosen}
    if family.new is not None and _is_saturated(deployment, family.new):
        return {meta.name(each): 0 for each in family.active_old}
    return _scale_in_proportion(deployment, active) if is_rolling_update(deployment) else {}


def _is_saturated(deployment: Object, new: Object) -> bool:
    """True when the new ReplicaSet has and was asked for everything, so that the old ones are left over."""
    wanted = replicas(deployment)
    noted = meta.annotations(new).get(DESIRED_REPLICAS)
    return (
        replicas(new) == wanted
        and noted == str(wanted)
        and status_count([new], "availableReplicas") == wanted
    )


def _scale_in_proportion(deployment: Object, active: Sequence[Object]) -> Sizes:
    """Share out the difference by size, the largest first; what rounding leaves goes to the largest."""
    wanted = replicas(deployment)
    allowed = wanted + max_surge(deployment) if wanted > 0 else 0
    to_add = allowed - total(active)
    by_age = sort_by_age(active)
    # Of equally large ones the newest grows first and the oldest shrinks first.
    in_order = sorted(by_age if to_add < 0 else by_age[::-1], key=replicas, reverse=True)
    sizes: Sizes = {}
    added = 0
    for each in in_order:
        max_before = int(meta.annotations(each).get(MAX_REPLICAS) or 0)
        share = proportion(each, deployment, max_before, to_add, added) if to_add else 0
        sizes[meta.name(each)] = replicas(each) + share
        added += share
    first = meta.name(in_order[0])
    sizes[first] = max(sizes[first] + to_add - added, 0)
    return sizes
