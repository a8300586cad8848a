"""Core: a ControllerRevision's row.

After: k8s pkg/printers/internalversion/printers.go, printControllerRevision.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, NONE, Column

COLUMNS = (
    NAME,
    Column("Controller", description="The object whose revision it is."),
    Column("Revision", description="Its number."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    owner = meta.controller_of(o)
    name = NONE
    if owner is not None:
        group = owner["apiVersion"].rpartition("/")[0]
        kind = owner["kind"].lower()
        name = f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"
    return [meta.name(o), name, o.get("revision", 0), age_of(o, now)]
