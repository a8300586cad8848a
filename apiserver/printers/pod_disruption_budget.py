"""Core: a PodDisruptionBudget's row.

After: k8s pkg/printers/internalversion/printers.go, printPodDisruptionBudget.
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
    Column("Min Available", description="How many pods must stay."),
    Column("Max Unavailable", description="How many pods may be missing."),
    Column("Allowed Disruptions", "integer", description="How many pods may be evicted now."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [
        meta.name(o),
        str(meta.get(o, "spec", "minAvailable", default="N/A")),
        str(meta.get(o, "spec", "maxUnavailable", default="N/A")),
        meta.get(o, "status", "disruptionsAllowed", default=0),
        age_of(o, now),
    ]
