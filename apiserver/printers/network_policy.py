"""Core: a NetworkPolicy's row.

After: k8s pkg/printers/internalversion/printers.go, printNetworkPolicy.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import meta
from kube.api.labels import format_label_selector
from kube.api.meta import Object
from kube.api.table import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("Pod-Selector", description="The pods it governs."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [meta.name(o), format_label_selector(meta.get(o, "spec", "podSelector")), age_of(o, now)]
