"""Core: a RuntimeClass's row.

After: k8s pkg/printers/internalversion/printers.go, printRuntimeClass.
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
    Column("Handler", description="The runtime that is meant."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [meta.name(o), o.get("handler", ""), age_of(o, now)]
