"""Core: an APIService's row.

After: k8s staging/src/k8s.io/kube-aggregator/pkg/registry/apiservice/etcd/etcd.go, ConvertToTable.
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
    Column("Service", description="Who serves it; Local: this server."),
    Column("Available", description="Whether it can be asked, and why not."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    service = meta.get(o, "spec", "service", default=None)
    served_by = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    available = conditions.find(o, "Available")
    shown = available["status"] if available else "Unknown"
    if available and shown != "True":
        shown += f" ({available.get('reason', '')})"
    return [meta.name(o), served_by, shown, age_of(o, now)]
