"""Core: a Scale's row.

After: k8s pkg/printers/internalversion/printers.go, printScale.
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
    Column("Desired", "integer", description="Number of desired pods."),
    Column("Available", "integer", description="Number of pods."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    desired = meta.get(o, "spec", "replicas", default=0)
    return [meta.name(o), desired, meta.get(o, "status", "replicas", default=0), age_of(o, now)]
