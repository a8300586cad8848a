"""Core: a CSIDriver's row.

After: k8s pkg/printers/internalversion/printers.go, printCSIDriver.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of, joined
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, UNSET, Column

COLUMNS = (
    NAME,
    Column("AttachRequired", "boolean", description="Volumes are attached before they are mounted."),
    Column("PodInfoOnMount", "boolean", description="The driver is told which pod a volume is for."),
    Column("StorageCapacity", "boolean", description="The driver says where it has room."),
    Column("TokenRequests", description="The audiences of the tokens that the driver gets."),
    Column("RequiresRepublish", "boolean", description="Volumes are mounted again from time to time."),
    Column("Modes", description="The lives of volumes that the driver knows."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object; a driver attaches unless it says otherwise."""
    spec = o.get("spec") or {}
    tokens = spec.get("tokenRequests")
    return [
        meta.name(o),
        spec.get("attachRequired") is not False,
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        UNSET if tokens is None else ",".join(each.get("audience", "") for each in tokens),
        bool(spec.get("requiresRepublish")),
        joined(spec.get("volumeLifecycleModes") or ()),
        age_of(o, now),
    ]
