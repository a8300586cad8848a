"""Core: an IPAddress's row.

After: k8s pkg/printers/internalversion/printers.go, printIPAddress.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kube.api import meta
from kube.api.meta import Object
from kube.api.table import NAME, Column

COLUMNS = (
    NAME,
    Column("ParentRef", description="Whose address it is."),
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    reference = meta.get(o, "spec", "parentRef", default={})
    kind = ".".join(filter(None, (reference.get("resource"), reference.get("group"))))
    parts = (kind, reference.get("namespace"), reference.get("name"))
    return [meta.name(o), "/".join(filter(None, parts))]
