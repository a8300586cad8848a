"""Core: a ServiceCIDR's row.

After: k8s pkg/printers/internalversion/printers.go, printServiceCIDR.
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
    Column("CIDRs", description="Where Services get their addresses."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [meta.name(o), ",".join(meta.get(o, "spec", "cidrs", default=[]) or []), age_of(o, now)]
