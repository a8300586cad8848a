"""Core: decides what the status of a ResourceQuota says is used.

The API server charges a quota before it creates an object (apiserver.admission.resource_quota); this counts
what there is, and so gives back what was deleted. What was charged for may not be in the caches yet. So a
count that is lower than what is charged waits until nothing was charged for a moment; Kubernetes does not
wait, and may let in more than the quota allows. And what was created as the quota came, or began to count it,
was not charged for, and may be seen after the first count; so that is followed by another.

Sees: the quota, the objects of the kinds that it counts, when it was charged last, now.
Says: UpdateStatus, RequeueAfter.
Invariants: nothing is written when nothing changed; names that nobody counts keep what they had.
After: k8s pkg/controller/resourcequota/resource_quota_controller.go, syncResourceQuota;
staging/src/k8s.io/apiserver/pkg/quota/v1/resources.go, CalculateUsage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import meta, quota
from kube.api.actions import Action, RequeueAfter, UpdateStatus
from kube.api.meta import Object
from kube.api.quantity import ZERO
from kube.api.quota import Usage
from kube.api.resources import RESOURCE_QUOTAS, Resource

RESYNC = timedelta(minutes=5)
SETTLE = timedelta(seconds=1)
SECOND_LOOK = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Seen:
    """A quota, what is in its namespace of the kinds that it names, and when it was last charged."""

    quota: Object
    objects: Mapping[Resource, Sequence[Object]]
    charged_at: datetime | None = None


def plan(seen: Seen, now: datetime) -> list[Action]:
    """Write the count down, unless it may be early."""
    hard: dict[str, str] = meta.get(seen.quota, "spec", "hard", default={})
    old = seen.quota.get("status") or {}
    before = quota.parsed(old.get("used"))
    counted = count(seen, now)
    used = {name: amount for name, amount in {**before, **counted}.items() if name in hard}
    is_first = "used" not in old or quota.parsed(old.get("hard")) != quota.parsed(hard)
    if not is_first and used == before:
        return [RequeueAfter(RESYNC.total_seconds())]
    is_lower = any(amount < before.get(name, ZERO) for name, amount in used.items())
    if is_lower and seen.charged_at is not None and now < seen.charged_at + SETTLE:
        return [RequeueAfter((seen.charged_at + SETTLE - now).total_seconds())]
    status = {"hard": dict(hard), "used": quota.written(used)}
    return [
        UpdateStatus(RESOURCE_QUOTAS, {**seen.quota, "status": status}),
        RequeueAfter((SECOND_LOOK if is_first else RESYNC).total_seconds()),
    ]


def count(seen: Seen, now: datetime) -> Usage:
    """What all objects together use of the names that somebody counts."""
    hard, limits = meta.get(seen.quota, "spec", "hard", default={}), quota.scopes(seen.quota)
    result: Usage = {}
    for resource, objects in seen.objects.items():
        names = quota.names(resource, hard)
        found = dict.fromkeys(names, ZERO)
        for each in objects:
            if quota.is_within(resource, each, limits):
                used = quota.usage(resource, each, now)
                found = quota.total(found, {name: used[name] for name in names if name in used})
        result |= found
    return result
