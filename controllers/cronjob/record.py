"""Core: what the status of a CronJob says of its Jobs: which are active, when the last began and succeeded.

A Job is named in `active` as soon as it was created, and with its uid as soon as it was seen.

After: k8s pkg/controller/cronjob/cronjob_controllerv2.go, syncCronJob.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from controllers.job_outcome import has_succeeded, is_finished, outcome
from kube.api import meta
from kube.api.actions import Action, EmitEvent, Update
from kube.api.meta import Object
from kube.api.resources import CRON_JOBS, JOBS

Reference = dict[str, Any]


def active(cron_job: Object) -> list[Reference]:
    """References to the Jobs that were created and not yet seen to have finished."""
    found: list[Reference] = meta.get(cron_job, "status", "active", default=[])
    return found


def is_of(reference: Reference, job: Object) -> bool:
    """True when the reference means this Job."""
    uid = reference.get("uid")
    return bool(uid == meta.uid(job) if uid else reference.get("name") == meta.name(job))


def unlisted(cron_job: Object, jobs: Sequence[Object]) -> list[Object]:
    """Jobs at work that the CronJob controls, and its status does not name."""
    return [
        each
        for each in jobs
        if not is_finished(each)
        and not meta.is_terminating(each)
        and not any(is_of(reference, each) for reference in active(cron_job))
    ]


def unexpected(cron_job: Object, jobs: Sequence[Object]) -> list[Action]:
    """Tell of Jobs that somebody else made, or that were forgotten."""
    text = "Saw a job that the controller did not create or forgot: {}"
    return [
        EmitEvent(cron_job, "Warning", "UnexpectedJob", text.format(meta.name(each)))
        for each in unlisted(cron_job, jobs)
    ]


def begun(cron_job: Object, job: Object, at: datetime) -> Update:
    """The Job of a time was created; its uid will be seen."""
    named = _reference(job)
    return _update(cron_job, {"active": [*active(cron_job), named], "lastScheduleTime": meta.format_time(at)})


def emptied(cron_job: Object) -> Update:
    """No Job is active any more."""
    return _update(cron_job, {"active": []})


def written(
    cron_job: Object, jobs: Sequence[Object], gone: AbstractSet[str], started: Object | None, at: datetime
) -> list[Action]:
    """The status brought up to date, and what happened; nothing if it is.

    gone: names of active Jobs that are not there; started: a Job of the time `at` that the status misses.
    """
    kept: list[Reference] = []
    events: list[Action] = []
    for reference in active(cron_job):
        job = next((each for each in jobs if is_of(reference, each)), None)
        if job is None and reference.get("name") in gone:
            text = f"Active job went missing: {reference.get('name')}"
            events.append(EmitEvent(cron_job, "Normal", "MissingJob", text))
        elif job is not None and (ended := outcome(job)) is not None:
            text = f"Saw completed job: {meta.name(job)}, condition: {ended['type']}"
            events.append(EmitEvent(cron_job, "Normal", "SawCompletedJob", text))
        else:
            kept.append(reference if job is None or reference.get("uid") else _reference(job))
    changes: dict[str, Any] = {"active": kept, **_last_success(cron_job, jobs)}
    if started is not None:
        changes["active"] = [*kept, _reference(started)]
        changes["lastScheduleTime"] = meta.format_time(at)
    update = _update(cron_job, changes)
    return [update, *events] if update.object["status"] != (cron_job.get("status") or {}) else []


def _last_success(cron_job: Object, jobs: Sequence[Object]) -> dict[str, Any]:
    known = meta.get(cron_job, "status", "lastSuccessfulTime")
    times = [meta.get(each, "status", "completionTime") for each in jobs if has_succeeded(each)]
    latest = max((each for each in (known, *times) if each), key=meta.parse_time, default=None)
    return {"lastSuccessfulTime": latest} if latest is not None else {}


def _reference(job: Object) -> Reference:
    reference = {
        "kind": JOBS.kind,
        "namespace": meta.namespace(job),
        "name": meta.name(job),
        "uid": meta.uid(job),
        "apiVersion": JOBS.api_version,
        "resourceVersion": meta.resource_version(job),
    }
    return {part: value for part, value in reference.items() if value}


def _update(cron_job: Object, changes: dict[str, Any]) -> Update:
    """Only done if all before it was done, unlike what an UpdateStatus says."""
    status = {**(cron_job.get("status") or {}), **changes}
    if not status["active"]:
        del status["active"]
    return Update(CRON_JOBS, {**cron_job, "status": status}, "status")
