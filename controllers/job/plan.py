"""Core: decides how a Job comes to its end.

Count what has ended; if that is enough, or too much has failed, let everything go and say so; if not, see
that as many pods run as are wanted. The status is written first: what it says is true whatever happens next,
and a refused write means that the Job looked at was old, and nothing else is done on the strength of it.

Sees: the Job, its pods, its failures in the past, now.
Says: Patch (adopt, release, untrack), UpdateStatus, EmitEvent, Delete, Create, RequeueAfter.
Invariants: a pod that ended is counted once; no pod is made while earlier ones have not been seen; a Job that
    ended is never touched again.
Absent: no client, no clock, no expectations (the loop keeps those); pods whose Job is gone.
After: k8s pkg/controller/job/job_controller.go, syncJob
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from controllers.claim import claim
from controllers.job.backoff import Failures
from controllers.job.counting import Count, count
from controllers.job.job_pods import FINALIZER, is_tracked, untrack
from controllers.job.sizing import Change, change
from controllers.job.status import announce, finish, started, status_of, suspend
from controllers.job.template import pod_for
from controllers.job.tracking import Tracking, track
from controllers.job.verdict import Verdict, time_left, verdict
from controllers.job_outcome import is_finished
from kube.api import meta
from kube.api.actions import Action, Announcement, Create, Delete, Patch, RequeueAfter, UpdateStatus
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import JOBS, PODS


@dataclass(slots=True)
class Seen:
    """What there is: the Job, the pods under its uid and the orphans of its namespace."""

    job: Object
    pods: list[Object]
    failures: Failures = field(default_factory=Failures)
    may_adopt: bool = True
    expectations_met: bool = True


def selector_of(job: Object) -> Selector:
    """Which pods are the Job's."""
    return Selector.from_label_selector(meta.get(job, "spec", "selector"))


def plan(seen: Seen, now: datetime) -> list[Action]:
    """What to do for one Job."""
    job = seen.job
    if is_finished(job):
        return []
    owned, actions = claimed(seen)
    if any(isinstance(each, Patch) and _adopts(each) for each in actions):
        # Their finalizers must be seen first: who counted them now might do so again then.
        return actions
    counted = count(job, owned)
    end = verdict(job, owned, counted, now) if seen.expectations_met else None
    books = track(job, owned, counted, end)
    managed = end is None and seen.expectations_met and not meta.is_terminating(job)
    actions += _write(job, owned, counted, books, end, now, managed=managed)
    actions += [untrack(each) for each in books.released]
    todo = Change()
    if end is not None:
        todo = Change(delete=counted.active)
    elif managed:
        todo = change(job, owned, counted, seen.failures, now)
        done = {meta.uid(each) for each in books.released}
        # These were wanted no longer; they have not failed.
        actions += [untrack(each) for each in todo.delete if is_tracked(each) and meta.uid(each) not in done]
    return actions + _carry_out(job, counted, todo) + _look_again(job, end, todo, now)


def claimed(seen: Seen) -> tuple[list[Object], list[Action]]:
    """The Job's pods, and the patches that adopt and release some."""
    found = claim(seen.job, JOBS, selector_of(seen.job), seen.pods, PODS, may_adopt=seen.may_adopt)
    return found.owned, [_with_finalizer(each) for each in found.actions if isinstance(each, Patch)]


def _adopts(patch: Patch) -> bool:
    return "$patch" not in patch.patch["metadata"]["ownerReferences"][0]


def _with_finalizer(patch: Patch) -> Patch:
    """An adopted pod is tracked from then on, a released one no longer."""
    part = "finalizers" if _adopts(patch) else "$deleteFromPrimitiveList/finalizers"
    return replace(patch, patch={"metadata": {**patch.patch["metadata"], part: [FINALIZER]}})


def _write(
    job: Object,
    owned: list[Object],
    counted: Count,
    books: Tracking,
    end: Verdict | None,
    now: datetime,
    *,
    managed: bool,
) -> list[Action]:
    status = status_of(job, counted, books, started=started(job, now, managed=managed))
    events: list[Action] = []
    if managed:
        events += suspend(job, status, now)
    elif end is not None and not end.written:
        announce(status, end, now)
    elif end is not None and _is_over(owned, counted, books):
        events += finish(job, status, end, now)
    if status == (job.get("status") or {}):
        return []
    return [UpdateStatus(JOBS, {**job, "status": status}), *events]


def _is_over(owned: list[Object], counted: Count, books: Tracking) -> bool:
    """True when no pod runs and none is left to be counted."""
    return not (counted.active or counted.terminating or books.waiting or any(map(is_tracked, owned)))


def _carry_out(job: Object, counted: Count, todo: Change) -> list[Action]:
    told = Announcement(
        job, "SuccessfulDelete", "Deleted pod: {name}", "FailedDelete", "Error deleting: {error}"
    )
    actions: list[Action] = [
        Delete(PODS, meta.namespace(each), meta.name(each), meta.uid(each), announcement=told)
        for each in todo.delete
    ]
    told = Announcement(
        job, "SuccessfulCreate", "Created pod: {name}", "FailedCreate", "Error creating: {error}"
    )
    replaced = counted.replaced
    return actions + [
        Create(PODS, pod_for(job, index, None if index is None else replaced.get(index)), told)
        for index in todo.create
    ]


def _look_again(job: Object, end: Verdict | None, todo: Change, now: datetime) -> list[Action]:
    """Look again when the pause after a failure or the time of the Job is over."""
    waits = [todo.wait]
    left = time_left(job, now)
    if end is None and left is not None:
        waits.append(left)
    return [RequeueAfter(each.total_seconds()) for each in waits if each.total_seconds() > 0]
