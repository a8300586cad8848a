"""Core: decides which Job a CronJob starts, and which of its Jobs have been kept for long enough.

First the status is brought up to date with the Jobs that there are. Only with a status that is right, at the
next look, is a Job started: its name is the CronJob's and the minute of its time, so no time can have two.
Right after it was created the status says that the time is done, and names the Job in `active`; its uid is
filled in once the Job is seen.

Sees: the CronJob, its Jobs, those in `active` that the server does not have, its zone, now.
Says: Update (status), Create and Delete of Jobs, Events, RequeueAfter.
Invariants: a time has one Job at most; nothing is written when nothing changed.
Absent: a zone of the process: a schedule without one is in UTC; a zone in the schedule's text.
After: k8s pkg/controller/cronjob/cronjob_controllerv2.go, syncCronJob and cleanupFinishedJobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from controllers.cronjob import due, record
from controllers.cronjob.due import Missed, NoInterval
from controllers.job_outcome import has_succeeded, is_finished
from kube.api import cron_schedule, meta
from kube.api.actions import Action, Announcement, Create, Delete, EmitEvent, RequeueAfter
from kube.api.errors import quote
from kube.api.meta import Object
from kube.api.resources import CRON_JOBS, JOBS

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
RFC1123 = "%a, %d %b %Y %H:%M:%S +0000"
LATE = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
ALREADY = "Not starting job because prior execution is running and concurrency policy is Forbid"


@dataclass(frozen=True, slots=True)
class Seen:
    """A CronJob and the Jobs that it controls.

    gone: names of Jobs in `active` that the server was asked for, and does not have.
    zone: None when nobody knows the zone that the CronJob names.
    """

    cron_job: Object
    jobs: Sequence[Object]
    gone: AbstractSet[str] = frozenset()
    zone: tzinfo | None = UTC


def plan(seen: Seen, now: datetime) -> list[Action]:
    """Write down what is, or start what is due; then tidy up."""
    cron_job, started, at = seen.cron_job, None, now
    found = _missed(seen, now)
    if found is not None and found.latest is not None:
        at = found.latest
        started = _forgotten(cron_job, seen.jobs, at)
    written = record.written(cron_job, seen.jobs, seen.gone, started, at)
    others = [each for each in seen.jobs if each is not started]
    doing = written or _schedule(seen, now)
    return [*record.unexpected(cron_job, others), *doing, *_old_jobs(seen)]


def job_name(cron_job: Object, at: datetime) -> str:
    """The name of the Job of a time."""
    return f"{meta.name(cron_job)}-{int(at.timestamp()) // 60}"


def _missed(seen: Seen, now: datetime) -> Missed | None:
    """What was missed, where the schedule and the zone can be made sense of."""
    try:
        schedule = cron_schedule.parse(meta.get(seen.cron_job, "spec", "schedule", default=""))
        zone = seen.zone
        return due.missed(seen.cron_job, schedule, zone, now, within_deadline=True) if zone else None
    except ValueError:
        return None


def _forgotten(cron_job: Object, jobs: Sequence[Object], at: datetime) -> Object | None:
    """The Job of a time, if it was created without the status saying so, as before a crash."""
    if any(each.get("name") == job_name(cron_job, at) for each in record.active(cron_job)):
        return None
    if _is_done(cron_job, at):
        return None
    return next((each for each in jobs if meta.name(each) == job_name(cron_job, at)), None)


def _is_done(cron_job: Object, at: datetime) -> bool:
    last = meta.get(cron_job, "status", "lastScheduleTime")
    return bool(last) and meta.parse_time(last) == at


def _schedule(seen: Seen, now: datetime) -> list[Action]:
    """Start the Job that is due, if it may be; look again at the next time."""
    cron_job = seen.cron_job
    if meta.is_terminating(cron_job):
        return []
    if seen.zone is None:
        zone = meta.get(cron_job, "spec", "timeZone", default="")
        return [
            _warning(cron_job, "UnknownTimeZone", f'invalid timeZone: "{zone}": unknown time zone {zone}')
        ]
    if meta.get(cron_job, "spec", "suspend"):
        return []
    text = meta.get(cron_job, "spec", "schedule", default="")
    if wrong := cron_schedule.mistake(text):
        return [_warning(cron_job, "UnparseableSchedule", f"unparseable schedule: {quote(text)} : {wrong}")]
    schedule = cron_schedule.parse(text)
    try:
        found = due.missed(cron_job, schedule, seen.zone, now, within_deadline=True)
    except NoInterval as error:
        return [_warning(cron_job, "InvalidSchedule", f"invalid schedule: {text} : {error}")]
    actions: list[Action] = []
    if found.latest is not None:
        if found.count > due.MISSED_MAX:
            actions.append(_warning(cron_job, "TooManyMissedTimes", LATE))
        actions += _start(cron_job, found.latest, seen.zone, now)
    seconds = due.seconds_until_next(cron_job, schedule, seen.zone, now)
    return actions + ([RequeueAfter(seconds)] if seconds is not None else [])


def _start(cron_job: Object, at: datetime, zone: tzinfo, now: datetime) -> list[Action]:
    """Create the Job of a time, unless it is too late, done, or another one is in the way."""
    spec, active = cron_job["spec"], record.active(cron_job)
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None and at + timedelta(seconds=deadline) < now:
        text = f"Missed scheduled time to start a job: {at.strftime(RFC1123)}"
        return [_warning(cron_job, "MissSchedule", text)]
    name = job_name(cron_job, at)
    if any(each.get("name") == name for each in active) or _is_done(cron_job, at):
        return []
    policy = spec.get("concurrencyPolicy")
    if policy == "Forbid" and active:
        return [EmitEvent(cron_job, "Normal", "JobAlreadyActive", ALREADY)]
    if policy == "Replace" and active:
        # What is started in their place comes at the next look, which the status brings about.
        return _replaced(cron_job)
    job = _job(cron_job, name, at, zone)
    told = Announcement(
        cron_job, "SuccessfulCreate", "Created job {name}", "FailedCreate", "Error creating job: {error}"
    )
    return [Create(JOBS, job, told), record.begun(cron_job, job, at)]


def _replaced(cron_job: Object) -> list[Action]:
    """All active Jobs deleted; one that was not seen yet is waited for."""
    references = record.active(cron_job)
    if not all(each.get("uid") for each in references):
        return []
    space = meta.namespace(cron_job)
    deletes = [_delete(cron_job, space, each["name"], each["uid"]) for each in references]
    return [*deletes, record.emptied(cron_job)]


def _job(cron_job: Object, name: str, at: datetime, zone: tzinfo) -> Object:
    template = meta.get(cron_job, "spec", "jobTemplate", default={})
    labels = dict(meta.labels(template))
    local = at.astimezone(zone).isoformat(timespec="seconds")
    stamp = {SCHEDULED_AT: f"{local[:-6]}Z" if local.endswith("+00:00") else local}
    metadata: Object = {
        "name": name,
        "namespace": meta.namespace(cron_job),
        "annotations": {**meta.annotations(template), **stamp},
        "ownerReferences": [meta.owner_reference(cron_job, CRON_JOBS)],
        **({"labels": labels} if labels else {}),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": meta.deep_copy(template.get("spec") or {}),
    }


def _old_jobs(seen: Seen) -> list[Action]:
    """Delete the finished Jobs beyond the limits, those that started first."""
    spec = seen.cron_job.get("spec") or {}
    finished = [each for each in seen.jobs if is_finished(each) and not meta.is_terminating(each)]
    good = [each for each in finished if has_succeeded(each)]
    bad = [each for each in finished if not has_succeeded(each)]
    old: list[Object] = []
    for jobs, field in ((good, "successfulJobsHistoryLimit"), (bad, "failedJobsHistoryLimit")):
        limit = spec.get(field)
        if limit is not None:
            old += sorted(jobs, key=_by_start)[: max(len(jobs) - limit, 0)]
    space = meta.namespace(seen.cron_job)
    return [_delete(seen.cron_job, space, meta.name(each), meta.uid(each)) for each in old]


def _by_start(job: Object) -> tuple[bool, str, str]:
    start = meta.get(job, "status", "startTime", default="")
    return not start, start, meta.name(job)


def _delete(cron_job: Object, namespace: str, name: str, uid: str) -> Delete:
    told = Announcement(
        cron_job, "SuccessfulDelete", "Deleted job {name}", "FailedDelete", "Deleted job: {error}"
    )
    return Delete(JOBS, namespace, name, uid, propagation_policy="Background", announcement=told)


def _warning(cron_job: Object, reason: str, message: str) -> EmitEvent:
    return EmitEvent(cron_job, "Warning", reason, message)
