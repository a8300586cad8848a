"""Core: a VolumeAttachment's row.

After: k8s pkg/printers/internalversion/printers.go, printVolumeAttachment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("Attacher", format="name", description="The driver that attaches."),
    Column("PV", description="The volume that is attached."),
    Column("Node", description="The node that it is attached to."),
    Column("Attached", "boolean", description="Whether it is."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [
        meta.name(o),
        meta.get(o, "spec", "attacher", default=""),
        meta.get(o, "spec", "source", "persistentVolumeName", default=""),
        meta.get(o, "spec", "nodeName", default=""),
        bool(meta.get(o, "status", "attached")),
        age_of(o, now),
    ]
