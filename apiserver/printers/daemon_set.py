"""Core: a DaemonSet's row.

After: k8s pkg/printers/internalversion/printers.go, printDaemonSet.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import CONTAINERS, IMAGES, SELECTOR, age_of, pairs, template_containers
from kube.api import meta
from kube.api.labels import format_label_selector
from kube.api.meta import Object
from kube.api.table import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("Desired", "integer", description="Number of nodes that should run the pod."),
    Column("Current", "integer", description="Number of nodes that run the pod."),
    Column("Ready", "integer", description="Number of nodes on which the pod is ready."),
    Column("Up-to-date", "integer", description="Number of nodes with a pod of the current template."),
    Column("Available", "integer", description="Number of nodes on which the pod is available."),
    Column("Node Selector", description="The nodes that should run the pod."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)
COUNTS = (
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    containers, images = template_containers(meta.get(o, "spec", "template"))
    return [
        meta.name(o),
        *(meta.get(o, "status", count, default=0) for count in COUNTS),
        pairs(meta.get(o, "spec", "template", "spec", "nodeSelector")),
        age_of(o, now),
        containers,
        images,
        format_label_selector(meta.get(o, "spec", "selector")),
    ]
