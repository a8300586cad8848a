"""Core: a CSIStorageCapacity's row.

After: k8s pkg/printers/internalversion/printers.go, printCSIStorageCapacity.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kube.api import meta
from kube.api.meta import Object
from kube.api.table import NAME, UNSET, Column

COLUMNS = (
    NAME,
    Column("StorageClassName", description="The class of the volumes that there is room for."),
    Column("Capacity", description="How much room there is."),
)


def row(o: Object, _: datetime) -> list[Any]:
    """The cells of one object."""
    return [meta.name(o), o.get("storageClassName", ""), o.get("capacity") or UNSET]
