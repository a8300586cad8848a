"""Core: a Job's status, and the Events that go with it.

After: k8s pkg/controller/job/job_controller.go, syncJob, enactJobFinished, recordJobFinished
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from controllers.job.counting import Count
from controllers.job.job_pods import completions, is_indexed, is_suspended
from controllers.job.tracking import Tracking
from controllers.job.verdict import Verdict, start_time
from kube.api import conditions, meta
from kube.api.actions import EmitEvent
from kube.api.meta import Object

Status = dict[str, Any]


def status_of(job: Object, count: Count, books: Tracking, *, started: datetime | None) -> Status:
    """What is known of the Job; counts of zero are left out, but for `ready` and `terminating`."""
    former = job.get("status") or {}
    status: Status = {part: former[part] for part in ("conditions", "completionTime") if former.get(part)}
    if started is not None:
        status["startTime"] = meta.format_time(started)
    counts = {"active": len(count.active), "succeeded": books.succeeded, "failed": books.failed}
    status |= {name: number for name, number in counts.items() if number}
    status |= {"ready": count.ready, "terminating": count.terminating}
    if is_indexed(job):
        if books.completed.intervals:
            status["completedIndexes"] = str(books.completed)
        if count.failed_indexes is not None:
            status["failedIndexes"] = str(count.failed_indexes)
    waiting = {"succeeded": books.waiting_succeeded, "failed": books.waiting_failed}
    status["uncountedTerminatedPods"] = {kind: uids for kind, uids in waiting.items() if uids}
    return status


def suspend(job: Object, status: Status, now: datetime) -> list[EmitEvent]:
    """Say in the status whether the Job is suspended; that it is not, only of one that was."""
    old = conditions.find(job, "Suspended")
    if is_suspended(job):
        state, reason, word = "True", "JobSuspended", "suspended"
    else:
        state, reason, word = "False", "JobResumed", "resumed"
    unchanged = old is not None and (old["status"], old.get("reason")) == (state, reason)
    if unchanged or (old is None and state == "False"):
        return []
    put(status, condition("Suspended", state, reason, f"Job {word}", now))
    return [EmitEvent(job, "Normal", word.capitalize(), f"Job {word}")]


def announce(status: Status, verdict: Verdict, now: datetime) -> None:
    """Write down that the Job is to end, before anything of it is let go."""
    put(status, condition(verdict.type, "True", verdict.reason, verdict.message, now))


def finish(job: Object, status: Status, verdict: Verdict, now: datetime) -> list[EmitEvent]:
    """Write down that the Job is at its end."""
    put(status, condition(verdict.final, "True", verdict.reason, verdict.message, now))
    if not status.get("startTime"):
        # It was suspended from the beginning; an end needs a beginning.
        status["startTime"] = meta.format_time(now)
    if verdict.final != "Complete":
        return [EmitEvent(job, "Warning", verdict.reason, verdict.message)]
    status["completionTime"] = meta.format_time(now)
    wanted = completions(job)
    events = [EmitEvent(job, "Normal", "Completed", "Job completed")]
    if wanted is not None and status.get("succeeded", 0) > wanted:
        text = "Too many succeeded pods running after completion count reached"
        events.insert(0, EmitEvent(job, "Warning", "TooManySucceededPods", text))
    return events


def condition(kind: str, state: str, reason: str, message: str, now: datetime) -> Mapping[str, Any]:
    """A condition of a Job; whoever changes it has also just looked."""
    at = meta.format_time(now)
    return {
        "type": kind,
        "status": state,
        "lastProbeTime": at,
        "lastTransitionTime": at,
        "reason": reason,
        "message": message,
    }


def put(status: Status, new: Mapping[str, Any]) -> None:
    """Put a condition in the place of its type, or at the end."""
    old: Sequence[Mapping[str, Any]] = status.get("conditions") or []
    places = {each["type"]: place for place, each in enumerate(old)}
    place = places.get(new["type"], len(old))
    status["conditions"] = [*old[:place], new, *old[place + 1 :]]


def started(job: Object, now: datetime, *, managed: bool) -> datetime | None:
    """The start that the status should show: a Job is resumed only when its pods are seen to."""
    former = meta.get(job, "status", "startTime")
    if former and not managed:
        return meta.parse_time(former)
    return start_time(job, now)
