"""Core: what a Job's status may not say: an end that is none, or that is taken back.

After: k8s pkg/apis/batch/validation/validation.go, validateJobStatus, ValidateJobStatusUpdate
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats
from apiserver.registry.strategy import Errors
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

COUNTS = ("active", "succeeded", "failed", "ready", "terminating")
WITHOUT = "condition without the"
TERMINAL = ("Failed", "Complete", "FailureTarget")


def changes(new: Object, old: Object) -> Errors:
    """What is wrong with a new status."""
    status, former = new.get("status") or {}, old.get("status") or {}
    errors: Errors = []
    for field in COUNTS:
        errors += formats.non_negative(status.get(field), f"status.{field}")
    true, before = _true(status), _true(former)
    errors += _conditions(true)
    errors += _times(status, former, true)
    errors += _finished(status, true)
    for kind in TERMINAL:
        if kind in before and kind not in true:
            errors.append(_whole("conditions", f"cannot disable the terminal {kind}=True condition"))
    for field in ("failed", "succeeded"):
        value = status.get(field) or 0
        if value < (former.get(field) or 0) and not (field == "succeeded" and _can_shrink(new)):
            text = f"cannot decrease the {field} counter"
            errors.append(FieldError.invalid(f"status.{field}", value, text))
    if "SuccessCriteriaMet" in before and "SuccessCriteriaMet" not in true:
        errors.append(_whole("conditions", "cannot disable the SuccessCriteriaMet=True condition"))
    return errors


def _can_shrink(o: Object) -> bool:
    """With an index for each of its pods, which all run at once, a Job may be made smaller."""
    spec = o.get("spec") or {}
    indexed = spec.get("completionMode") == "Indexed"
    return indexed and spec.get("completions") == spec.get("parallelism")


def _true(status: Any) -> list[str]:
    return [each.get("type") for each in status.get("conditions") or () if each.get("status") == "True"]


def _whole(field: str, text: str) -> FieldError:
    return FieldError(f"status.{field}", "FieldValueInvalid", f"Invalid value: {text}")


def _conditions(true: list[str]) -> Errors:
    complete, failed = "Complete" in true, "Failed" in true
    target, met = "FailureTarget" in true, "SuccessCriteriaMet" in true
    checks = (
        (complete and failed, "cannot set Complete=True and Failed=true conditions"),
        (complete and target, "cannot set Complete=True and FailureTarget=true conditions"),
        (failed and not target, f"cannot set Failed=True {WITHOUT} FailureTarget=true condition"),
        (complete and not met, f"cannot set Complete=True {WITHOUT} SuccessCriteriaMet=true condition"),
        (met and failed, "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
        (met and target, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
    )
    return [_whole("conditions", text) for wrong, text in checks if wrong]


def _times(status: Any, former: Any, true: list[str]) -> Errors:
    start, end = status.get("startTime"), status.get("completionTime")
    at = "status.completionTime"
    errors: Errors = []
    if end and "Complete" not in true:
        text = "cannot set completionTime when there is no Complete=True condition"
        errors.append(FieldError.invalid(at, end, text))
    if not end and "Complete" in true:
        errors.append(FieldError.required(at, "completionTime is required for Complete jobs"))
    if start and end and meta.parse_time(end) < meta.parse_time(start):
        errors.append(FieldError.invalid(at, end, "must be equal to or after `startTime`"))
    if end and former.get("completionTime") and end != former["completionTime"]:
        errors.append(FieldError.invalid(at, end, "field is immutable"))
    return errors


def _finished(status: Any, true: list[str]) -> Errors:
    """Of a Job that has ended nothing runs any more."""
    errors: Errors = []
    if "Complete" in true or "Failed" in true:
        for field in ("active", "terminating"):
            if (value := status.get(field) or 0) > 0:
                text = f"{field}>0 is invalid for finished job"
                errors.append(FieldError.invalid(f"status.{field}", value, text))
        if not status.get("startTime"):
            errors.append(FieldError.required("status.startTime", "startTime is required for finished job"))
        waiting = status.get("uncountedTerminatedPods") or {}
        if waiting.get("failed") or waiting.get("succeeded"):
            text = "must be empty for finished job"
            errors.append(FieldError.invalid("status.uncountedTerminatedPods", waiting, text))
    if (ready := status.get("ready") or 0) > (status.get("active") or 0):
        errors.append(FieldError.invalid("status.ready", ready, "cannot set more ready pods than active"))
    return errors
