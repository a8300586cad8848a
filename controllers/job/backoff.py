"""Core: how long to wait after failures: 10 seconds, doubled with each further one, at most 6 minutes.

Failures count from the last success on. What was seen of pods is remembered after they are gone, as long as
the process lives; with a limit for each index the pods carry the number themselves.

After: k8s pkg/controller/job/backoff_utils.go
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controllers import pods
from controllers.job.job_pods import (
    INDEX_FAILURES,
    INDEX_IGNORED_FAILURES,
    finish_time,
    has_failed,
    index_failures,
    index_of,
    is_indexed,
    is_tracked,
)
from kube.api import meta
from kube.api.meta import Object

FIRST = timedelta(seconds=10)
LONGEST = timedelta(minutes=6)


@dataclass(slots=True)
class Failures:
    """The ends of one Job's pods that failed after the last one that succeeded."""

    job: str = ""
    succeeded: datetime | None = None
    failed: dict[str, datetime] = field(default_factory=dict)

    def wait(self, now: datetime) -> timedelta:
        """How long until the next pod may be made."""
        return remaining(len(self.failed), max(self.failed.values()), now) if self.failed else timedelta(0)


class History:
    """What happened to the pods of each Job, by its key."""

    def __init__(self) -> None:
        self._jobs: dict[str, Failures] = {}

    def note(self, key: str, job: Object, owned: Iterable[Object]) -> Failures:
        """Remember what these pods tell; a Job of the same name made anew begins afresh."""
        found = self._jobs.get(key)
        if found is None or found.job != meta.uid(job):
            found = self._jobs[key] = Failures(meta.uid(job))
        for pod in owned:
            if not is_tracked(pod) or (is_indexed(job) and index_of(pod, job) is None):
                continue
            if pods.phase(pod) == "Succeeded":
                found.succeeded = max(found.succeeded or finish_time(pod), finish_time(pod))
            elif has_failed(pod, job):
                found.failed.setdefault(meta.uid(pod), finish_time(pod))
        if found.succeeded is not None:
            since = found.succeeded
            found.failed = {uid: at for uid, at in found.failed.items() if at > since}
        return found

    def forget(self, key: str) -> None:
        """The Job is gone, or at its end."""
        self._jobs.pop(key, None)


def remaining(failures: int, last: datetime, now: datetime) -> timedelta:
    """How long to wait after that many failures, the last of them then."""
    pause = LONGEST if failures > 10 else min(FIRST * 2 ** (failures - 1), LONGEST)
    return max(last + pause - now, timedelta(0))


def remaining_of_index(last: Object | None, now: datetime) -> timedelta:
    """How long to wait before an index is tried again, whose last pod failed so."""
    if last is None:
        return timedelta(0)
    failures = index_failures(last, INDEX_FAILURES, INDEX_IGNORED_FAILURES) + 1
    return remaining(failures, finish_time(last), now)
