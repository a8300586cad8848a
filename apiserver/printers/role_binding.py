"""Core: a RoleBinding's or ClusterRoleBinding's row.

After: k8s pkg/printers/internalversion/printers.go, printRoleBinding.
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
    Column("Role", description="The role that is given."),
    AGE,
    Column("Users", priority=1, description="The users it is given to."),
    Column("Groups", priority=1, description="The groups it is given to."),
    Column("ServiceAccounts", priority=1, description="The service accounts it is given to."),
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    role = o.get("roleRef") or {}
    return [
        meta.name(o),
        f"{role.get('kind', '')}/{role.get('name', '')}",
        age_of(o, now),
        *(", ".join(subjects(o, kind)) for kind in ("User", "Group", "ServiceAccount")),
    ]


def subjects(o: Object, kind: str) -> list[str]:
    """The subjects of a kind; a service account with its namespace."""
    found = [each for each in o.get("subjects") or () if each.get("kind") == kind]
    if kind == "ServiceAccount":
        return [f"{each.get('namespace', '')}/{each.get('name', '')}" for each in found]
    return [each.get("name", "") for each in found]
