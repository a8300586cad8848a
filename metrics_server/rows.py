"""Core: the rows of NodeMetrics and PodMetrics.

After: metrics-server pkg/api/table.go
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kube.api import meta, quantity
from kube.api.meta import Object
from kube.api.table import NAME, Column

AMOUNTS = ("cpu", "memory")
COLUMNS = (
    NAME,
    *(Column(each, format="quantity") for each in AMOUNTS),
    Column("Window", format="duration"),
)


def row(o: Object, _: datetime) -> list[Any]:
    """The cells of one object; a pod's containers are added up."""
    used = [o["usage"]] if "usage" in o else [each["usage"] for each in o.get("containers") or ()]
    sums = [sum((quantity.parse(each[name]) for each in used), quantity.ZERO) for name in AMOUNTS]
    return [meta.name(o), *(str(each) for each in sums), o.get("window", "")]
