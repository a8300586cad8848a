"""Core: which pods a Job makes and deletes, so that as many run as it wants.

Too many, or two of one index: delete. Too few: make more, once the pause after failures is over. One or the
other, never both at once.

After: k8s pkg/controller/job/job_controller.go, manageJob; indexed_job_utils.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controllers import pods
from controllers.job.backoff import Failures, remaining_of_index
from controllers.job.counting import Count
from controllers.job.indexes import Indexes
from controllers.job.job_pods import (
    completions,
    counts_by_index,
    index_of,
    is_indexed,
    is_suspended,
    is_terminating,
    replaces_only_failed,
)
from kube.api.meta import Object

BURST = 500


@dataclass(slots=True)
class Change:
    """The pods to delete; for each pod to make its index (None without indexes); how long to wait first."""

    delete: list[Object] = field(default_factory=list)
    create: list[int | None] = field(default_factory=list)
    wait: timedelta = timedelta(0)


def wanted(job: Object, count: Count) -> int:
    """How many pods should run."""
    parallelism, total = int(job["spec"]["parallelism"]), completions(job)
    if is_suspended(job):
        return 0
    if total is None:
        # Once one has succeeded the others know what to do: whatever runs may run.
        return len(count.active) if count.succeeded else parallelism
    return max(0, min(total - count.succeeded, parallelism))


def change(job: Object, owned: Sequence[Object], count: Count, failures: Failures, now: datetime) -> Change:
    """What is to be made or deleted now."""
    active, target = len(count.active), wanted(job, count)
    surplus = _surplus(job, count.active, max(0, active - target), now)
    if surplus or is_suspended(job):
        return Change(delete=surplus if is_suspended(job) else surplus[:BURST])
    awaited = count.terminating if replaces_only_failed(job) else 0
    missing = min(target - active - awaited, BURST)
    if missing <= 0:
        return Change()
    if not counts_by_index(job) and (pause := failures.wait(now)):
        return Change(wait=pause)
    if not is_indexed(job):
        return Change(create=[None] * missing)
    return _of_indexes(job, owned, count, missing, now)


def _of_indexes(job: Object, owned: Sequence[Object], count: Count, missing: int, now: datetime) -> Change:
    taken = [index_of(each, job) for each in count.active]
    if replaces_only_failed(job):
        taken += [index_of(each, job) for each in owned if is_terminating(each)]
    settled = count.completed | Indexes.of(each for each in taken if each is not None)
    free = (settled | (count.failed_indexes or Indexes())).first_missing(missing, completions(job) or 0)
    pauses = {index: remaining_of_index(count.replaced.get(index), now) for index in free}
    due = [index for index in free if not pauses[index]]
    return Change(create=[*due]) if due else Change(wait=min(pauses.values(), default=timedelta(0)))


def _surplus(job: Object, active: Sequence[Object], count: int, now: datetime) -> list[Object]:
    """At least so many pods to delete: those of no index and doubles, then those that are missed least."""
    doomed: list[Object] = []
    left = list(active)
    if is_indexed(job):
        by_index: dict[int | None, list[Object]] = {}
        for pod in active:
            by_index.setdefault(index_of(pod, job), []).append(pod)
        doomed = by_index.pop(None, [])
        left = []
        for index in sorted(each for each in by_index if each is not None):
            *doubles, keeper = pods.deletion_order(by_index[index], {}, now)
            doomed += doubles
            left.append(keeper)
    more = count - len(doomed)
    return doomed + (pods.deletion_order(left, {}, now)[:more] if more > 0 else [])
