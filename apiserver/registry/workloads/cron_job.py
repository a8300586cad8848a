"""Core: what is special about CronJobs: a schedule, a time zone, and a Job to be made again and again.

After: k8s pkg/apis/batch/validation/validation.go, ValidateCronJobCreate, validateCronJobSpec
"""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from apiserver.registry import formats
from apiserver.registry.strategy import Errors, Strategy
from apiserver.registry.workloads import job
from kube.api import cron_schedule, meta
from kube.api.errors import FieldError
from kube.api.meta import Object

CONCURRENCY = ("Allow", "Forbid", "Replace")
# Its Jobs are called after it, with eleven characters more.
NAME_LENGTH_MAX = 52
ZONE_PART = re.compile(r"[A-Za-z._0-9+][-A-Za-z._0-9+]{0,13}")


def validate(o: Object) -> Errors:
    """What is wrong with a CronJob."""
    spec = o.get("spec") or {}
    errors: Errors = []
    if not spec.get("schedule"):
        errors.append(FieldError.required("spec.schedule"))
    elif wrong := cron_schedule.mistake(_without_zone(spec["schedule"])):
        errors.append(FieldError.invalid("spec.schedule", spec["schedule"], wrong))
    errors += formats.non_negative(spec.get("startingDeadlineSeconds"), "spec.startingDeadlineSeconds")
    errors += formats.choice(spec.get("concurrencyPolicy"), "spec.concurrencyPolicy", CONCURRENCY)
    errors += _template((spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec")
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        errors += formats.non_negative(spec.get(field), f"spec.{field}")
    return errors


def _without_zone(schedule: str) -> str:
    """The zone may once have stood in the schedule."""
    is_zoned = schedule.startswith(("TZ=", "CRON_TZ="))
    return schedule.partition(" ")[2].strip() if is_zoned else schedule


def _template(spec: Any, path: str) -> Errors:
    errors = job.spec_errors(spec, path)
    if spec.get("selector") is not None:
        text = "`selector` will be auto-generated"
        errors.append(FieldError.invalid(f"{path}.selector", spec["selector"], text))
    if spec.get("manualSelector"):
        errors.append(FieldError.not_supported(f"{path}.manualSelector", True, ("nil", "false")))
    return errors


def validate_create(o: Object) -> Errors:
    """What is wrong with a CronJob only when it is new."""
    spec, name = o.get("spec") or {}, meta.name(o)
    errors = _zone_in_schedule(spec, allowed=False)
    errors += _zone(spec.get("timeZone"), "spec.timeZone")
    if len(name) > NAME_LENGTH_MAX:
        text = f"must be no more than {NAME_LENGTH_MAX} bytes"
        errors.append(FieldError.invalid("metadata.name", name, text))
    return errors


def changes(new: Object, old: Object) -> Errors:
    """What was accepted once, and has not changed, is accepted again."""
    before, after = old.get("spec") or {}, new.get("spec") or {}
    errors = _zone_in_schedule(after, allowed="TZ" in before.get("schedule", ""))
    if before.get("timeZone") != after.get("timeZone"):
        errors += _zone(after.get("timeZone"), "spec.timeZone")
    return errors


def _zone_in_schedule(spec: Any, *, allowed: bool) -> Errors:
    schedule = spec.get("schedule") or ""
    if "TZ" not in schedule or (allowed and spec.get("timeZone") is None):
        return []
    text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
    if allowed:
        text = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
    return [FieldError.invalid("spec.schedule", schedule, text)]


def _zone(zone: str | None, path: str) -> Errors:
    if zone is None:
        return []
    if not zone:
        return [FieldError.invalid(path, zone, "timeZone must be nil or non-empty string")]
    unknown = FieldError.invalid(path, zone, f"unknown time zone {zone}")
    if not all(part not in (".", "..") and ZONE_PART.fullmatch(part) for part in zone.split("/")):
        return [unknown]
    if zone.lower() == "local":
        text = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        return [FieldError.invalid(path, zone, text)]
    try:
        ZoneInfo(zone)
    except (ValueError, LookupError, OSError):
        return [unknown]
    return []


STRATEGY = Strategy(
    counts_generation=True,
    is_complete=True,
    validate=validate,
    validate_create=validate_create,
    validate_update=changes,
)
