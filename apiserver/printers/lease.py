"""Core: a Lease's row.

After: k8s pkg/printers/internalversion/printers.go, printLease.
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
    Column("Holder", description="Who holds the lease."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [meta.name(o), meta.get(o, "spec", "holderIdentity", default=""), age_of(o, now)]
