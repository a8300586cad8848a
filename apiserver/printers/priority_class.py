"""Core: a PriorityClass's row.

After: k8s pkg/printers/internalversion/printers.go, printPriorityClass.
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
    Column("Value", "integer", description="The priority."),
    Column("Global-Default", "boolean", description="Whether pods without a class have it."),
    AGE,
    Column("PreemptionPolicy", description="Whether its pods may push others out."),
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    is_default = bool(o.get("globalDefault"))
    return [meta.name(o), o.get("value", 0), is_default, age_of(o, now), o.get("preemptionPolicy", "")]
