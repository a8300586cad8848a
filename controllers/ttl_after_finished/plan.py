"""Core: decides when a finished Job has been there for long enough.

Sees: the Job, and whether that is what the server has now. Says: RequeueAfter, or Delete with all its pods.
Invariants: only what the server has is deleted, by its uid; what the cache says is only good for waiting.
After: k8s pkg/controller/ttlafterfinished/ttlafterfinished_controller.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from controllers.job_outcome import outcome
from kube.api import meta
from kube.api.actions import Action, Delete, RequeueAfter
from kube.api.meta import Object
from kube.api.resources import JOBS


@dataclass(frozen=True, slots=True)
class Seen:
    """A Job; is_live: read from the server, after the cache said that its time is over."""

    job: Object
    is_live: bool


def plan(seen: Seen, now: datetime) -> list[Action]:
    """Wait, or delete."""
    job = seen.job
    expiry = expires_at(job)
    if expiry is None:
        return []
    left = expiry - now
    if left > timedelta(0) or not seen.is_live:
        return [RequeueAfter(max(left, timedelta(0)).total_seconds())]
    name, uid = meta.name(job), meta.uid(job)
    return [Delete(JOBS, meta.namespace(job), name, uid, propagation_policy="Foreground")]


def expires_at(job: Object) -> datetime | None:
    """When the Job's time is over; None while it is not finished, or if it has no such time."""
    seconds, ended = meta.get(job, "spec", "ttlSecondsAfterFinished"), outcome(job)
    if seconds is None or ended is None or meta.is_terminating(job) or not ended.get("lastTransitionTime"):
        return None
    return meta.parse_time(ended["lastTransitionTime"]) + timedelta(seconds=seconds)
