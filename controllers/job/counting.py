"""Core: how many pods of a Job run, have succeeded and have failed, with those that nobody has counted yet.

Sees: the Job and its pods. Says: a Count.
Invariants: a pod is counted once: in the status, in its uncountedTerminatedPods, or, tracked and in neither,
    here.
After: k8s pkg/controller/job/job_controller.go, syncJob; indexed_job_utils.go
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from controllers import pods
from controllers.job.indexes import Indexes
from controllers.job.job_pods import (
    INDEX_FAILURES,
    INDEX_IGNORED_FAILURES,
    completions,
    counts_by_index,
    finish_time,
    has_failed,
    index_failures,
    index_of,
    is_indexed,
    is_terminating,
    is_tracked,
)
from controllers.job.policies import failure_action, is_ignored
from kube.api import meta
from kube.api.meta import Object


@dataclass(slots=True)
class Count:
    """What the pods of a Job amount to.

    `written` are the indexes that the status calls completed; `completed` and `failed_indexes` hold the
    newest too. `replaced` has for each index to be tried again the pod that failed last: it stays until
    another carries its number of failures on.
    """

    active: list[Object]
    ready: int
    terminating: int
    succeeded: int
    failed: int
    written: Indexes = field(default_factory=Indexes)
    completed: Indexes = field(default_factory=Indexes)
    failed_indexes: Indexes | None = None
    replaced: dict[int, Object] = field(default_factory=dict)


def uncounted(job: Object, kind: str) -> list[str]:
    """The uids that the status holds as `succeeded` or `failed` but has not yet added to its counts."""
    return list(meta.get(job, "status", "uncountedTerminatedPods", kind, default=()))


def count(job: Object, owned: Sequence[Object]) -> Count:
    """Count a Job's pods."""
    status = job.get("status") or {}
    active = [each for each in owned if pods.is_active(each)]
    succeeded, failed = _new(job, owned, "succeeded"), _new(job, owned, "failed")
    result = Count(
        active,
        sum(map(pods.is_ready, active)),
        sum(map(is_terminating, owned)),
        int(status.get("succeeded") or 0) + len(succeeded) + len(uncounted(job, "succeeded")),
        int(status.get("failed") or 0)
        + sum(not is_ignored(job, each) for each in failed)
        + len(uncounted(job, "failed")),
    )
    if is_indexed(job):
        _count_indexes(result, job, owned)
    return result


def _new(job: Object, owned: Sequence[Object], kind: str) -> list[Object]:
    """The pods that ended in that way and that the status does not know.

    One that was deleted, and counts as failed, may yet succeed: it has been counted.
    """
    known = {*uncounted(job, "succeeded"), *uncounted(job, "failed")}
    return [
        each
        for each in owned
        if is_tracked(each)
        and meta.uid(each) not in known
        and (pods.phase(each) == "Succeeded" if kind == "succeeded" else has_failed(each, job))
        and not (is_indexed(job) and index_of(each, job) is None)
    ]


def _count_indexes(result: Count, job: Object, owned: Sequence[Object]) -> None:
    status: dict[str, Any] = job.get("status") or {}
    total = completions(job) or 0
    tracked = [(index_of(each, job), each) for each in owned if is_tracked(each)]
    placed = [(index, each) for index, each in tracked if index is not None]
    result.written = Indexes.parse(status.get("completedIndexes") or "", total)
    failed_before = set(uncounted(job, "failed"))
    ended = (
        index
        for index, each in placed
        if pods.phase(each) == "Succeeded" and meta.uid(each) not in failed_before
    )
    result.completed = result.written | Indexes.of(set(ended))
    result.succeeded = len(result.completed)
    if counts_by_index(job):
        former = Indexes.parse(status.get("failedIndexes") or "", total)
        failed = {index for index, each in placed if _fails_index(job, each)}
        result.failed_indexes = former | Indexes.of(failed)
        result.replaced = _replaced(result, job, placed)


def _fails_index(job: Object, pod: Object) -> bool:
    """True when the pod's failure was the last that its index may have."""
    if not has_failed(pod, job):
        return False
    action, _ = failure_action(job, pod)
    if action in ("FailIndex", "Ignore"):
        return action == "FailIndex"
    return index_failures(pod, INDEX_FAILURES) >= int(job["spec"]["backoffLimitPerIndex"])


def _replaced(result: Count, job: Object, placed: Sequence[tuple[int, Object]]) -> dict[int, Object]:
    settled = result.completed | (result.failed_indexes or Indexes())
    running = {index_of(each, job) for each in result.active}
    last: dict[int, Object] = {}
    for index, pod in placed:
        if has_failed(pod, job) and index not in settled and index not in running:
            other = last.get(index)
            if other is None or (_tries(other), finish_time(other)) <= (_tries(pod), finish_time(pod)):
                last[index] = pod
    return last


def _tries(pod: Object) -> int:
    return index_failures(pod, INDEX_FAILURES, INDEX_IGNORED_FAILURES)
