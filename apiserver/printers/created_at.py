"""Core: the row of every kind without a printer of its own: when it was made.

After: k8s pkg/printers/internalversion/printers.go, newDefaultTable.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kube.api import meta
from kube.api.meta import Object
from kube.api.table import NAME, UNKNOWN, Column

COLUMNS = (
    NAME,
    Column("Created At", description="When the object was created."),
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [meta.name(o), meta.metadata(o).get("creationTimestamp") or UNKNOWN]
