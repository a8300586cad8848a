"""Core: counts each pod that has ended exactly once, whatever crashes in between.

    tracked, not written down  ->  its uid or index into the status        (one write)
    tracked, written down      ->  the finalizer off the pod               (only when the status was seen so)
    written down, not tracked  ->  out of the list of uids, count up       (one write)

Each step waits until the one before it was seen in the cache, so an old look at the Job or at its pods can
repeat a step, which changes nothing or is refused, but never skip one.

After: k8s pkg/controller/job/job_controller.go, trackJobStatusAndRemoveFinalizers
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from controllers import pods
from controllers.job.counting import Count, uncounted
from controllers.job.indexes import Indexes
from controllers.job.job_pods import completions, has_failed, index_of, is_indexed, is_tracked
from controllers.job.policies import is_ignored
from controllers.job.verdict import FAILURE, Verdict
from kube.api import meta
from kube.api.meta import Object

# So many uids stay under 20 KB of status.
UNCOUNTED_MAX = 500


@dataclass(slots=True)
class Tracking:
    """The books after this look, and the pods that they have done with."""

    succeeded: int
    failed: int
    waiting_succeeded: list[str]
    waiting_failed: list[str]
    completed: Indexes = field(default_factory=Indexes)
    released: list[Object] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """How many uids are written down and not counted."""
        return len(self.waiting_succeeded) + len(self.waiting_failed)


def track(job: Object, owned: Sequence[Object], count: Count, verdict: Verdict | None) -> Tracking:
    """Take each pod one step on."""
    tracked = {meta.uid(each): each for each in owned if is_tracked(each)}
    succeeded, failed = uncounted(job, "succeeded"), uncounted(job, "failed")
    status = job.get("status") or {}
    books = Tracking(
        int(status.get("succeeded") or 0) + sum(uid not in tracked for uid in succeeded),
        int(status.get("failed") or 0) + sum(uid not in tracked for uid in failed),
        [uid for uid in succeeded if uid in tracked],
        [uid for uid in failed if uid in tracked],
        count.written,
    )
    new: set[int] = set()
    for pod in sorted(tracked.values(), key=lambda each: _place(job, each)):
        if _may_go(job, pod, count, verdict):
            _step(books, new, job, pod, count, verdict)
    if is_indexed(job):
        books.completed = count.written | Indexes.of(new)
        books.succeeded = len(books.completed)
    return books


def _place(job: Object, pod: Object) -> int:
    index = index_of(pod, job)
    return index if index is not None else completions(job) or 0


def _may_go(job: Object, pod: Object, count: Count, verdict: Verdict | None) -> bool:
    if meta.is_terminating(job) or verdict is not None or pods.phase(pod) == "Succeeded":
        return True
    return has_failed(pod, job) and all(meta.uid(each) != meta.uid(pod) for each in _kept(job, pod, count))


def _kept(job: Object, pod: Object, count: Count) -> list[Object]:
    """The pod whose number of failures is still to be carried on by the next of its index."""
    index = index_of(pod, job)
    return [count.replaced[index]] if index in count.replaced else []


def _step(
    books: Tracking, new: set[int], job: Object, pod: Object, count: Count, verdict: Verdict | None
) -> None:
    uid, index = meta.uid(pod), index_of(pod, job)
    ended_well = pods.phase(pod) == "Succeeded" and uid not in books.waiting_failed
    # When the Job is to fail, whatever has not ended by itself has failed.
    fails = has_failed(pod, job) or (verdict is not None and verdict.type == FAILURE)
    if (uid in books.waiting_succeeded or uid in books.waiting_failed) or (is_indexed(job) and index is None):
        books.released.append(pod)
    elif ended_well and index is not None:
        if index in count.written:
            books.released.append(pod)
        elif _has_room(books, new):
            new.add(index)
    elif ended_well:
        if _has_room(books, new):
            books.waiting_succeeded.append(uid)
    elif not fails:
        # The Job is deleted, or has succeeded without this pod: it counts neither way, and is let go before
        # it is deleted and would seem to have failed.
        books.released.append(pod)
    elif is_ignored(job, pod):
        books.released.append(pod)
    elif _has_room(books, new):
        books.waiting_failed.append(uid)


def _has_room(books: Tracking, new: set[int]) -> bool:
    return books.waiting + len(new) < UNCOUNTED_MAX
