"""Core: a Deployment's row.

After: k8s pkg/printers/internalversion/printers.go, printDeployment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import CONTAINERS, IMAGES, SELECTOR, age_of, template_containers
from kube.api import meta
from kube.api.labels import format_label_selector
from kube.api.meta import Object
from kube.api.table import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("Ready", description="Number of ready pods of the desired number."),
    Column("Up-to-date", description="Pods of the current template."),
    Column("Available", description="Pods that have been ready for long enough."),
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
        f"{meta.get(o, 'status', 'readyReplicas', default=0)}/{meta.get(o, 'spec', 'replicas', default=0)}",
        meta.get(o, "status", "updatedReplicas", default=0),
        meta.get(o, "status", "availableReplicas", default=0),
        age_of(o, now),
        containers,
        images,
        format_label_selector(meta.get(o, "spec", "selector")),
    ]
