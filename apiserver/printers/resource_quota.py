"""Core: a ResourceQuota's row.

After: k8s pkg/printers/internalversion/printers.go, printResourceQuota.
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
    Column("Request", description="Used and allowed requests."),
    Column("Limit", description="Used and allowed limits."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    hard = meta.get(o, "status", "hard", default={})
    used = meta.get(o, "status", "used", default={})
    texts = {name: f"{name}: {used.get(name, '0')}/{hard[name]}" for name in sorted(hard)}
    limits = [text for name, text in texts.items() if name.startswith("limits")]
    requests = [text for name, text in texts.items() if not name.startswith("limits")]
    return [meta.name(o), ", ".join(requests), ", ".join(limits), age_of(o, now)]
