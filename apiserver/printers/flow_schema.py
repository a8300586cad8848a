"""Core: a FlowSchema's row.

After: k8s pkg/printers/internalversion/printers.go, printFlowSchema.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import conditions, meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("PriorityLevel", description="Where requests that match go."),
    Column("MatchingPrecedence", description="The lowest that matches decides."),
    Column("DistinguisherMethod", description="What tells its flows apart."),
    AGE,
    Column("MissingPL", description="Whether that priority level does not exist."),
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    dangling = conditions.find(o, "Dangling")
    return [
        meta.name(o),
        meta.get(o, "spec", "priorityLevelConfiguration", "name", default=""),
        meta.get(o, "spec", "matchingPrecedence", default=0),
        meta.get(o, "spec", "distinguisherMethod", "type", default="<none>"),
        age_of(o, now),
        dangling["status"] if dangling else "?",
    ]
