"""Core: how a Job ended, if it did.

After: k8s pkg/controller/job/util/utils.go.
"""

from __future__ import annotations

from typing import Any

from kube.api import meta
from kube.api.meta import Object

COMPLETE, FAILED = "Complete", "Failed"


def outcome(job: Object) -> dict[str, Any] | None:
    """The condition that says so, Complete or Failed; None while the Job is not finished."""
    for condition in meta.get(job, "status", "conditions", default=[]):
        if condition.get("type") in (COMPLETE, FAILED) and condition.get("status") == "True":
            found: dict[str, Any] = condition
            return found
    return None


def is_finished(job: Object) -> bool:
    """True when the Job's pods are done, for better or worse."""
    return outcome(job) is not None


def has_succeeded(job: Object) -> bool:
    """True when the Job did what it should."""
    condition = outcome(job)
    return condition is not None and condition["type"] == COMPLETE
