"""Core: a ValidatingAdmissionPolicy's row.

After: k8s pkg/printers/internalversion/printers.go, printValidatingAdmissionPolicy.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, UNSET, Column

COLUMNS = (
    NAME,
    Column("Validations", "integer", description="Number of validation rules."),
    Column("ParamKind", description="The kind of what the rules are told."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    kind = meta.get(o, "spec", "paramKind")
    text = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else UNSET
    return [meta.name(o), len(meta.get(o, "spec", "validations", default=[])), text, age_of(o, now)]
