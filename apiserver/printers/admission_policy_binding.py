"""Core: a ValidatingAdmissionPolicyBinding's row.

After: k8s pkg/printers/internalversion/printers.go, printValidatingAdmissionPolicyBinding.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import meta
from kube.api.labels import format_label_selector
from kube.api.meta import Object
from kube.api.table import AGE, NAME, UNSET, Column

COLUMNS = (
    NAME,
    Column("PolicyName", description="The policy that is bound."),
    Column("ParamRef", description="What its rules are told."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [meta.name(o), meta.get(o, "spec", "policyName", default=""), parameter(o), age_of(o, now)]


def parameter(o: Object) -> str:
    """`namespace/name` of the parameter (`*` where the namespace depends on the object), or its selector."""
    given = meta.get(o, "spec", "paramRef") or {}
    if given.get("name"):
        return f"{given.get('namespace') or '*'}/{given['name']}"
    return format_label_selector(given["selector"]) if "selector" in given else UNSET
