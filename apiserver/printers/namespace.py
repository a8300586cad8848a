"""Core: a Namespace's row.

After: k8s pkg/printers/internalversion/printers.go, printNamespace.
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
    Column("Status", description="The status of the namespace."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [meta.name(o), meta.get(o, "status", "phase", default=""), age_of(o, now)]
