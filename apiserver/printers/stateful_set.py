"""Core: a StatefulSet's row.

After: k8s pkg/printers/internalversion/printers.go, printStatefulSet.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import CONTAINERS, IMAGES, age_of, template_containers
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("Ready", description="Number of ready pods of the desired number."),
    AGE,
    CONTAINERS,
    IMAGES,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    containers, images = template_containers(meta.get(o, "spec", "template"))
    ready = meta.get(o, "status", "readyReplicas", default=0)
    replicas = meta.get(o, "spec", "replicas", default=0)
    return [meta.name(o), f"{ready}/{replicas}", age_of(o, now), containers, images]
