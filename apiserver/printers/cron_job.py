"""Core: a CronJob's row.

After: k8s pkg/printers/internalversion/printers.go, printCronJob.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import CONTAINERS, IMAGES, SELECTOR, age_of, template_containers
from kube.api import meta
from kube.api.labels import format_label_selector
from kube.api.meta import Object
from kube.api.table import AGE, NAME, NONE, Column, age

COLUMNS = (
    NAME,
    Column("Schedule", description="The schedule in Cron format."),
    Column("Timezone", description="The time zone of the schedule."),
    Column("Suspend", "boolean", description="True when no more jobs are to be started."),
    Column("Active", "integer", description="Number of jobs that run."),
    Column("Last Schedule", description="When a job was last started."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    template = meta.get(o, "spec", "jobTemplate", "spec", default={})
    containers, images = template_containers(template.get("template"))
    last = meta.get(o, "status", "lastScheduleTime")
    return [
        meta.name(o),
        meta.get(o, "spec", "schedule", default=""),
        meta.get(o, "spec", "timeZone") or NONE,
        "True" if meta.get(o, "spec", "suspend") else "False",
        len(meta.get(o, "status", "active", default=[])),
        age(last, now) if last else NONE,
        age_of(o, now),
        containers,
        images,
        format_label_selector(template.get("selector")),
    ]
