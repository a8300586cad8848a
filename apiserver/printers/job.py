"""Core: a Job's row.

After: k8s pkg/printers/internalversion/printers.go, printJob.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import CONTAINERS, IMAGES, SELECTOR, age_of, template_containers
from kube.api import conditions, meta
from kube.api.labels import format_label_selector
from kube.api.meta import Object
from kube.api.table import AGE, NAME, Column, human_duration

COLUMNS = (
    NAME,
    Column("Status", description="Whether the job runs, is suspended, is complete or has failed."),
    Column("Completions", description="Number of completed pods of the desired number."),
    Column("Duration", description="Time the job took or has been taking."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    containers, images = template_containers(meta.get(o, "spec", "template"))
    return [
        meta.name(o),
        status(o),
        completions(o),
        duration(o, now),
        age_of(o, now),
        containers,
        images,
        format_label_selector(meta.get(o, "spec", "selector")),
    ]


def status(o: Object) -> str:
    """The most telling condition."""
    if conditions.is_true(o, "Complete"):
        return "Complete"
    if conditions.is_true(o, "Failed"):
        return "Failed"
    if meta.is_terminating(o):
        return "Terminating"
    if conditions.is_true(o, "Suspended"):
        return "Suspended"
    if conditions.is_true(o, "FailureTarget"):
        return "FailureTarget"
    if conditions.is_true(o, "SuccessCriteriaMet"):
        return "SuccessCriteriaMet"
    return "Running"


def completions(o: Object) -> str:
    """Succeeded pods of those wanted; a job without completions wants one of its parallel pods."""
    succeeded = meta.get(o, "status", "succeeded", default=0)
    wanted = meta.get(o, "spec", "completions")
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    parallelism = meta.get(o, "spec", "parallelism", default=0)
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def duration(o: Object, now: datetime) -> str:
    """From the start to the end, or until now."""
    start, end = meta.get(o, "status", "startTime"), meta.get(o, "status", "completionTime")
    if not start:
        return ""
    if not end:
        failed = conditions.find(o, "Failed")
        end = failed.get("lastTransitionTime") if failed else None
    return human_duration((meta.parse_time(end) if end else now) - meta.parse_time(start))
