"""Core: a CSINode's row.

After: k8s pkg/printers/internalversion/printers.go, printCSINode.
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
    Column("Drivers", "integer", description="Number of CSI drivers registered on the node."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [meta.name(o), len(meta.get(o, "spec", "drivers", default=[])), age_of(o, now)]
