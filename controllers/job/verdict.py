"""Core: decides that a Job is to end, and how: it has failed, or enough has succeeded.

The first verdict stands: it is written down as FailureTarget or SuccessCriteriaMet before any pod is let go,
and only when no pod is left it becomes Failed or Complete.

After: k8s pkg/controller/job/job_controller.go, syncJob
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controllers import pods
from controllers.job.counting import Count
from controllers.job.job_pods import completions, has_failed, is_suspended
from controllers.job.policies import failure_action, success
from kube.api import conditions, meta
from kube.api.meta import Object

FAILURE, SUCCESS = "FailureTarget", "SuccessCriteriaMet"
FINAL = {FAILURE: "Failed", SUCCESS: "Complete"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the Job ends: the type of its condition for now, why, and whether the status says so already."""

    type: str
    reason: str
    message: str
    written: bool = False

    @property
    def final(self) -> str:
        """The type of the condition at the very end."""
        return FINAL[self.type]


def start_time(job: Object, now: datetime) -> datetime | None:
    """When the Job was started or resumed last; that is now, if it is neither running nor suspended yet."""
    started = meta.get(job, "status", "startTime")
    fresh = not started or conditions.is_true(job, "Suspended")
    if is_suspended(job) or not fresh:
        return meta.parse_time(started) if started else None
    return now


def time_left(job: Object, now: datetime) -> timedelta | None:
    """How long the Job may still run; None without a limit, and while it is suspended."""
    seconds, started = meta.get(job, "spec", "activeDeadlineSeconds"), start_time(job, now)
    if seconds is None or started is None or is_suspended(job):
        return None
    return started + timedelta(seconds=int(seconds)) - now


def verdict(job: Object, owned: Sequence[Object], count: Count, now: datetime) -> Verdict | None:
    """Whether the Job is to end."""
    for kind in (SUCCESS, FAILURE):
        if conditions.is_true(job, kind):
            former = conditions.find(job, kind) or {}
            return Verdict(kind, former.get("reason", ""), former.get("message", ""), written=True)
    return _failure(job, owned, now, count) or _success(job, count)


def _failure(job: Object, owned: Sequence[Object], now: datetime, count: Count) -> Verdict | None:
    spec = job["spec"]
    for pod in owned if spec.get("podFailurePolicy") else ():
        if has_failed(pod, job):
            action, why = failure_action(job, pod)
            if action == "FailJob":
                return Verdict(FAILURE, "PodFailurePolicy", why)
    if count.failed > spec["backoffLimit"] or _restarted_too_often(job, owned):
        return Verdict(FAILURE, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    left = time_left(job, now)
    if left is not None and left <= timedelta(0):
        return Verdict(FAILURE, "DeadlineExceeded", "Job was active longer than specified deadline")
    if not count.failed_indexes:
        return None
    failed = len(count.failed_indexes)
    if spec.get("maxFailedIndexes") is not None and failed > spec["maxFailedIndexes"]:
        text = "Job has exceeded the specified maximal number of failed indexes"
        return Verdict(FAILURE, "MaxFailedIndexesExceeded", text)
    if failed + len(count.completed) >= (completions(job) or 0):
        return Verdict(FAILURE, "FailedIndexes", "Job has failed indexes")
    return None


def _restarted_too_often(job: Object, owned: Sequence[Object]) -> bool:
    """Containers that are restarted in their pods use the limit up too."""
    if meta.get(job, "spec", "template", "spec", "restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        int(each.get("restartCount") or 0)
        for pod in owned
        if pods.phase(pod) in ("Running", "Pending")
        for field in ("initContainerStatuses", "containerStatuses")
        for each in meta.get(pod, "status", field, default=())
    )
    return restarts > 0 and restarts >= int(job["spec"]["backoffLimit"])


def _success(job: Object, count: Count) -> Verdict | None:
    why = success(job, count.completed)
    if why is not None:
        return Verdict(SUCCESS, "SuccessPolicy", why)
    wanted = completions(job)
    enough = count.succeeded > 0 if wanted is None else count.succeeded >= wanted
    if enough and not count.active:
        return Verdict(SUCCESS, "CompletionsReached", "Reached expected number of succeeded pods")
    return None
