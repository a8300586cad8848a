"""Core: an IngressClass's row.

After: k8s pkg/printers/internalversion/printers.go, printIngressClass.
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
    Column("Controller", description="Controller that is responsible for handling this class."),
    Column("Parameters", description="A reference to a resource with additional parameters."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [meta.name(o), meta.get(o, "spec", "controller", default=""), parameters(o), age_of(o, now)]


def parameters(o: Object) -> str:
    """`Kind.group/name` of what configures the class."""
    given = meta.get(o, "spec", "parameters")
    if not given:
        return NONE
    group = f".{given['apiGroup']}" if given.get("apiGroup") else ""
    return f"{given.get('kind', '')}{group}/{given.get('name', '')}"
